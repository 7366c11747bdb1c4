using System.Collections.Concurrent;

namespace RbdReplication.Core;

/// <summary>A pool that calls have found volumes in.</summary>
/// <param name="ClusterId">The cluster, whose configuration also names the rados namespace.</param>
/// <param name="PoolId">Pool number.</param>
/// <param name="Credentials">Ceph user and key of the last call.</param>
/// <param name="LastUsed">When that was.</param>
public sealed record PoolInUse(string ClusterId, long PoolId, CephCredentials Credentials, DateTimeOffset LastUsed);

/// <summary>
/// The pools that calls have found volumes in since the process started. The server has no credentials of its own: what it
/// watches between the calls are these pools, with what the last call brought.
/// </summary>
public sealed class PoolsInUse(TimeProvider time)
{
    // The controller reconciles each of its objects every ten hours at the latest.
    private static readonly TimeSpan ForgottenAfter = TimeSpan.FromHours(24);

    private readonly ConcurrentDictionary<(string ClusterId, long PoolId), PoolInUse> _pools = new();

    /// <summary>Notes that a call has opened an image in a pool.</summary>
    public void Note(string clusterId, long poolId, CephCredentials credentials) =>
        _pools[(clusterId, poolId)] = new PoolInUse(clusterId, poolId, credentials, time.GetUtcNow());

    /// <summary>The pools, without those that no call has used for a day.</summary>
    public IReadOnlyList<PoolInUse> List()
    {
        var oldest = time.GetUtcNow() - ForgottenAfter;
        foreach (var pool in _pools.Where(pool => pool.Value.LastUsed < oldest))
            _pools.TryRemove(pool);
        return [.. _pools.Values];
    }
}
