namespace RbdReplication.Kubernetes.Groups;

/// <summary>The part of a VolumeGroupReplicationContent that names its group, its members and its credentials.</summary>
public sealed record VolumeGroupContent
{
    internal const string ApiVersion = "replication.storage.openshift.io/v1alpha1";
    internal const string Kind = "VolumeGroupReplicationContent";

    /// <summary><c>metadata.name</c>: the name under which the group was asked for.</summary>
    public required string Name { get; init; }

    /// <summary><c>metadata.uid</c>; empty in a manifest without one.</summary>
    public string Uid { get; init; } = "";

    /// <summary>Whether the object has a deletion timestamp.</summary>
    public bool Deleting { get; init; }

    /// <summary><c>spec.provisioner</c>: the driver.</summary>
    public string? Driver { get; init; }

    /// <summary><c>spec.volumeGroupReplicationHandle</c>; null or empty until the group has been made.</summary>
    public string? Handle { get; init; }

    /// <summary><c>spec.volumeGroupReplicationClassName</c>.</summary>
    public string? ClassName { get; init; }

    /// <summary><c>spec.source.volumeHandles</c>: the members, letter by letter.</summary>
    public IReadOnlyList<string> VolumeHandles { get; init; } = [];

    /// <summary><c>spec.volumeGroupAttributes</c>; null without a pool, as controllers before 2025 leave it.</summary>
    public VolumeGroupAttributes? Attributes { get; init; }

    /// <summary>The Secret that the annotations name; null if they name none.</summary>
    public ObjectName? Secret { get; init; }

    /// <summary>Names it in Events.</summary>
    public ObjectReference Reference => new(ApiVersion, Kind, Name, Uid);

    /// <summary>Whether what it does not say itself has to be taken from its class.</summary>
    public bool NeedsClass => (Attributes is null || Secret is null) && !string.IsNullOrEmpty(ClassName);

    /// <summary>The same with what it does not say itself, taken from its class.</summary>
    public VolumeGroupContent CompletedBy(VolumeGroupClass groupClass)
    {
        ArgumentNullException.ThrowIfNull(groupClass);
        return this with { Attributes = Attributes ?? groupClass.Attributes, Secret = Secret ?? groupClass.Secret };
    }

    /// <inheritdoc/>
    public bool Equals(VolumeGroupContent? other) =>
        other is not null && Scalars == other.Scalars && VolumeHandles.SequenceEqual(other.VolumeHandles, StringComparer.Ordinal);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        hash.Add(Scalars);
        foreach (var handle in VolumeHandles)
            hash.Add(handle, StringComparer.Ordinal);
        return hash.ToHashCode();
    }

    private (string, string, bool, string?, string?, string?, VolumeGroupAttributes?, ObjectName?) Scalars =>
        (Name, Uid, Deleting, Driver, Handle, ClassName, Attributes, Secret);
}
