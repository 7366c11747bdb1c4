namespace RbdReplication.Kubernetes.Volumes;

/// <summary>The part of a CSI PersistentVolume that names its image, its owner and its credentials.</summary>
public sealed record PersistentVolume
{
    /// <summary><c>metadata.name</c>: the request name under which the driver provisioned the volume.</summary>
    public required string Name { get; init; }

    /// <summary><c>metadata.uid</c>; empty in a manifest without one.</summary>
    public string Uid { get; init; } = "";

    /// <summary><c>spec.csi.driver</c>; null when the volume is not a CSI volume.</summary>
    public string? Driver { get; init; }

    /// <summary><c>spec.csi.volumeHandle</c>; null or empty in a broken object.</summary>
    public string? VolumeHandle { get; init; }

    /// <summary><c>spec.claimRef</c>; null for a volume that no claim has bound.</summary>
    public ObjectName? Claim { get; init; }

    /// <summary><c>controllerExpandSecretRef</c>, else <c>nodeStageSecretRef</c>; null when there is neither.</summary>
    public ObjectName? Secret { get; init; }

    /// <summary>Whether the object has a deletion timestamp.</summary>
    public bool Deleting { get; init; }

    /// <summary>Attribute <c>staticVolume</c> is exactly <c>true</c>: the image has no journal entry and needs none.</summary>
    public bool IsStatic { get; init; }

    /// <summary>Attribute <c>pool</c>: name of the pool of the image.</summary>
    public string? Pool { get; init; }

    /// <summary>Attribute <c>journalPool</c>: name of the pool of the volume directory, when it is another one.</summary>
    public string? JournalPool { get; init; }

    /// <summary>Attribute <c>volumeNamePrefix</c>: what the image name has before the UUID.</summary>
    public string? VolumeNamePrefix { get; init; }

    /// <summary>Attribute <c>encrypted</c>, verbatim.</summary>
    public string? Encrypted { get; init; }

    /// <summary>Attribute <c>encryptionKMSID</c>.</summary>
    public string? EncryptionKmsId { get; init; }

    /// <summary>Attribute <c>encryptionType</c>, verbatim.</summary>
    public string? EncryptionType { get; init; }

    /// <summary>Whether it has an attribute <c>fsName</c>: a CephFS volume, which has no image.</summary>
    public bool IsCephFs { get; init; }

    /// <summary>Stands for this object, and for no other one of the same name later.</summary>
    public Guid Id => ObjectId.Of(Uid, Name);

    /// <summary>Names it in Events.</summary>
    public ObjectReference Reference => new("v1", nameof(PersistentVolume), Name, Uid);
}
