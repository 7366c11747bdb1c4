namespace RbdReplication.Kubernetes.Groups;

/// <summary>Where a volume group is, as its class or its content says it.</summary>
public sealed record VolumeGroupAttributes
{
    /// <summary><c>pool</c>: name of the pool of the group and of its members.</summary>
    public required string Pool { get; init; }

    /// <summary><c>journalPool</c>: name of the pool of the group's journal.</summary>
    public string? JournalPool { get; init; }

    /// <summary><c>volumeNamePrefix</c>: what the RBD group's name has before the UUID.</summary>
    public string? VolumeNamePrefix { get; init; }
}
