using RbdReplication.Core;
using RbdReplication.Kubernetes;

namespace RbdReplication.PersistentVolumes;

/// <summary>Where a set of mappings lies.</summary>
/// <param name="Settings">The configuration.</param>
/// <param name="ClusterId">Cluster id of the volumes' handles.</param>
/// <param name="Pool">Pool of images.</param>
/// <param name="JournalPool">Pool of the directory object.</param>
/// <param name="OnlySecret">
/// The only Secret that may open it, where several clusters are possible: which of them it is depends on the key; else null.
/// </param>
internal sealed record JournalPlace(ClusterSettings Settings, string ClusterId, string Pool, string JournalPool, ObjectName? OnlySecret)
{
    /// <summary>The place of a volume's mapping; null if its cluster is in no configuration.</summary>
    public static JournalPlace? Of(ClusterSettings settings, ReconcileRequest request) =>
        Of(settings, request.Handle, request.Pool, request.JournalPool, request.Secret);

    /// <summary>The place of what a handle names; null if its cluster is in no configuration.</summary>
    public static JournalPlace? Of(ClusterSettings settings, VolumeHandle handle, string pool, string journalPool, ObjectName secret)
    {
        var candidates = CandidatesFor(settings, handle.ClusterId);
        return candidates.Count == 0 ? null : new JournalPlace(settings, handle.ClusterId, pool, journalPool, candidates.Count == 1 ? null : secret);
    }

    /// <summary>The configured clusters that volumes with a cluster id may be in, the mapped ones first: the order of ceph-csi's generator.</summary>
    public static IReadOnlyList<ClusterEntry> CandidatesFor(ClusterSettings settings, string clusterId) =>
        [.. Places.CandidatesFor(settings, clusterId).Where(cluster => cluster.Monitors.Count > 0).OrderBy(cluster => cluster.ClusterId == clusterId)];
}
