using RbdReplication.Core;

namespace RbdReplication.Csi.Cli;

/// <summary>The clusters of the configuration, for the commands that work without a handle.</summary>
internal static class ConfiguredClusters
{
    /// <summary>Those that a command is for. Two entries may name the same cluster and namespace under different ids: it is taken once.</summary>
    /// <param name="config">The cluster configuration.</param>
    /// <param name="clusterId">Only this one; empty for all.</param>
    /// <param name="radosNamespace">Only those of this rados namespace; null for all.</param>
    /// <exception cref="ReplicationException">NotConfigured: there is no such cluster.</exception>
    public static List<ClusterEntry> Select(ClusterConfig config, string clusterId, string? radosNamespace)
    {
        var ids = clusterId.Length > 0 ? [clusterId] : config.ClusterIds;
        var clusters = ids
            .Select(id => config.Find(id) ?? throw new ReplicationException(
                ReplicationError.NotConfigured, $"cluster {id} is not in the cluster configuration; known are {string.Join(", ", config.ClusterIds)}"))
            .Where(cluster => radosNamespace is null || cluster.RadosNamespace == radosNamespace)
            .DistinctBy(cluster => (cluster.MonitorsText, cluster.RadosNamespace))
            .ToList();
        return clusters.Count > 0 ? clusters : throw new ReplicationException(
            ReplicationError.NotConfigured, $"no cluster of the cluster configuration has rados namespace \"{radosNamespace}\"");
    }
}
