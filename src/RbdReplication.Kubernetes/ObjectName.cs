namespace RbdReplication.Kubernetes;

/// <summary>The namespace and name of a namespaced object.</summary>
public sealed record ObjectName(string Namespace, string Name)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Namespace}/{Name}";
}
