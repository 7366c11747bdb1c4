using System.Collections.Concurrent;
using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>A pool that calls have found volumes in.</summary>
/// <param name="ClusterId">Cluster id.</param>
/// <param name="PoolId">Pool number.</param>
/// <param name="PoolName">Pool name.</param>
/// <param name="Namespace">Rados namespace; empty for the default one.</param>
/// <param name="Credentials">Ceph user and key of the last call.</param>
/// <param name="LastUsed">When that was.</param>
public sealed record PoolInUse(
    string ClusterId, long PoolId, string PoolName, string Namespace, CephCredentials Credentials, DateTimeOffset LastUsed);

/// <summary>
/// The pools that calls have found volumes in since the process started. The server has no credentials of its own: what it
/// watches between the calls are these pools, with what the last call brought.
/// </summary>
/// <param name="time">Clock.</param>
/// <param name="areWatched">Whether anybody looks at them; if not, nothing is remembered.</param>
public sealed class PoolsInUse(TimeProvider time, bool areWatched)
{
    // The controller reconciles each of its objects every ten hours at the latest.
    private static readonly TimeSpan ForgottenAfter = TimeSpan.FromHours(24);

    private readonly ConcurrentDictionary<(string ClusterId, long PoolId), PoolInUse> _pools = new();

    /// <summary>Notes that a call has opened an image in a pool.</summary>
    public void Note(string clusterId, RadosPool pool, CephCredentials credentials)
    {
        if (areWatched)
            _pools[(clusterId, pool.Id)] = new PoolInUse(clusterId, pool.Id, pool.Name, pool.Namespace, credentials, time.GetUtcNow());
    }

    /// <summary>
    /// The pools with the clusters that they are in, each place once though two cluster ids may stand for it. What is no longer configured is
    /// forgotten, with its key, until a call uses it again.
    /// </summary>
    public IReadOnlyList<(PoolInUse Pool, ClusterEntry Cluster)> ListConfigured(ClusterConfig config)
    {
        bool IsConfigured(PoolInUse pool) => config.Find(pool.ClusterId)?.RadosNamespace == pool.Namespace;
        foreach (var pool in List().Where(pool => !IsConfigured(pool)))
            _pools.TryRemove((pool.ClusterId, pool.PoolId), out _);
        return [.. List().Where(IsConfigured)
            .OrderBy(pool => pool.ClusterId, StringComparer.Ordinal)
            .Select(pool => (Pool: pool, Cluster: config.Find(pool.ClusterId)!))
            .DistinctBy(entry => (entry.Cluster.MonitorsText, entry.Pool.Namespace, entry.Pool.PoolId))];
    }

    /// <summary>The pools, without those that no call has used for a day.</summary>
    public IReadOnlyList<PoolInUse> List()
    {
        var oldest = time.GetUtcNow() - ForgottenAfter;
        foreach (var pool in _pools.Where(pool => pool.Value.LastUsed < oldest))
            _pools.TryRemove(pool);
        return [.. _pools.Values];
    }
}
