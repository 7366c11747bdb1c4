namespace RbdReplication.Kubernetes.Objects;

/// <summary>A kind of object and where the API server serves it.</summary>
/// <param name="ApiVersion">Group and version, for example <c>v1</c> or <c>apps/v1</c>.</param>
/// <param name="Kind">Name of the kind, for example <c>PersistentVolume</c>.</param>
/// <param name="Plural">Name in paths, for example <c>persistentvolumes</c>.</param>
/// <param name="IsNamespaced">Whether an object is in a namespace.</param>
public sealed record ResourceKind(string ApiVersion, string Kind, string Plural, bool IsNamespaced)
{
    internal string CollectionPath(string? nameSpace) =>
        $"{(ApiVersion.Contains('/', StringComparison.Ordinal) ? "apis" : "api")}/{ApiVersion}/"
        + (IsNamespaced && nameSpace is not null ? $"namespaces/{Uri.EscapeDataString(nameSpace)}/" : "") + Plural;

    internal string ObjectPath(ObjectName name) =>
        $"{CollectionPath(IsNamespaced ? name.Namespace : null)}/{Uri.EscapeDataString(name.Name)}";
}
