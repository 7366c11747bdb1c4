namespace RbdReplication.Kubernetes;

/// <summary>Names one object of the API server that has no namespace, as Events name it.</summary>
/// <param name="ApiVersion">Group and version, <c>v1</c>.</param>
/// <param name="Kind">Its kind, <c>PersistentVolume</c>.</param>
/// <param name="Name">Its name.</param>
/// <param name="Uid">Its UID; empty where it has none.</param>
public sealed record ObjectReference(string ApiVersion, string Kind, string Name, string Uid)
{
    /// <summary>Stands for this object, and for no other one of the same name later.</summary>
    public Guid Id => ObjectId.Of(Uid, Name);
}
