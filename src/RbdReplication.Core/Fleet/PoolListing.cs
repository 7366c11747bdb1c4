namespace RbdReplication.Core;

/// <summary>The mirrored images of one pool and rados namespace, as one listing saw them.</summary>
/// <param name="ClusterId">Cluster id.</param>
/// <param name="Pool">Pool name.</param>
/// <param name="Namespace">Rados namespace; empty for the default one.</param>
/// <param name="ListedAt">When the listing began.</param>
/// <param name="Volumes">The images, the worst first; no more than were asked for.</param>
/// <param name="Counts">Number of all images, by role and health.</param>
public sealed record PoolListing(
    string ClusterId, string Pool, string Namespace, DateTimeOffset ListedAt, IReadOnlyList<MirroredVolume> Volumes,
    IReadOnlyDictionary<(ImageRole Role, ReplicationHealth Health), int> Counts)
{
    /// <summary>The replicated groups.</summary>
    public IReadOnlyList<GroupStatus> Groups { get; init; } = [];

    /// <summary>The drills.</summary>
    public IReadOnlyList<DrillEntry> Drills { get; init; } = [];

    /// <summary>Number of all images.</summary>
    public int Count => Counts.Values.Sum();
}
