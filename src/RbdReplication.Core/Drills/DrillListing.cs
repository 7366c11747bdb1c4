using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>A drill as it is seen now.</summary>
/// <param name="Place">Where it is.</param>
/// <param name="Drill">The drill.</param>
/// <param name="Volumes">Its volumes.</param>
public sealed record ListedDrill(DrillPlace Place, Drill Drill, IReadOnlyList<DrillVolume> Volumes)
{
    /// <summary>Whether all of it is there.</summary>
    public bool IsWhole => Drill.IsComplete && Volumes.All(volume => volume.IsThere);
}

/// <summary>Finds drills in the pools of a cluster, all at once.</summary>
/// <param name="connections">Connections to clusters.</param>
/// <param name="time">Clock.</param>
public sealed class DrillListing(ClusterConnections connections, TimeProvider time)
{
    /// <summary>All drills of a cluster's rados namespace. One read for each pool and for each drill, and what it takes to look at the clones.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="credentials">Ceph user and key.</param>
    /// <param name="poolName">Only this pool; null for all that the user may read.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ReplicationException">Unavailable, AccessDenied, or NotFound for a pool that does not exist.</exception>
    public Task<IReadOnlyList<ListedDrill>> ListAsync(ClusterEntry cluster, CephCredentials credentials, string? poolName, CancellationToken cancellationToken) =>
        LookAsync<ListedDrill>(cluster, credentials, poolName, async place =>
        {
            List<ListedDrill> drills = [];
            foreach (var entry in await DrillDirectory.ListAsync(place.Pool, cancellationToken).ConfigureAwait(false))
            {
                if (await new DrillObject(place.Pool, entry.Name, time).ReadAsync(cancellationToken).ConfigureAwait(false) is not { } drill)
                    continue;
                var volumes = await new DrillClones(place.Pool, drill, "", time).SeeAsync(cancellationToken).ConfigureAwait(false);
                drills.Add(new ListedDrill(place, drill, volumes));
            }
            return drills;
        }, cancellationToken);

    /// <summary>Where a drill of this name is. One read for each pool: the directory does not have yet what was cut off at once.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="credentials">Ceph user and key.</param>
    /// <param name="poolName">Only this pool; null for all that the user may read.</param>
    /// <param name="name">Name of the drill.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ReplicationException">Unavailable, AccessDenied, or NotFound for a pool that does not exist.</exception>
    public Task<IReadOnlyList<DrillPlace>> FindAsync(
        ClusterEntry cluster, CephCredentials credentials, string? poolName, string name, CancellationToken cancellationToken) =>
        LookAsync<DrillPlace>(
            cluster, credentials, poolName,
            async place => await new DrillObject(place.Pool, name, time).ReadAsync(cancellationToken).ConfigureAwait(false) is null ? [] : [place], cancellationToken);

    private async Task<IReadOnlyList<T>> LookAsync<T>(
        ClusterEntry cluster, CephCredentials credentials, string? poolName, Func<DrillPlace, Task<IReadOnlyList<T>>> look, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(cluster);
        var connection = await connections.GetAsync(cluster, credentials, cancellationToken).ConfigureAwait(false);
        try
        {
            var names = poolName is null ? await connection.Cluster.ListPoolsAsync(cancellationToken).ConfigureAwait(false) : [poolName];
            var looks = await Task.WhenAll(names.Select(async name =>
            {
                try
                {
                    return await look(new DrillPlace(
                        cluster, connection, await connection.GetPoolAsync(name, cluster.RadosNamespace, cancellationToken).ConfigureAwait(false))).ConfigureAwait(false);
                }
                // Nobody asked for this pool, and it is none that this user works with, one that has just been removed, or one of erasure-coded data.
                catch (CephException e) when (poolName is null && e.Errno is Errno.EPERM or Errno.EACCES or Errno.ENOENT or Errno.EOPNOTSUPP)
                {
                    return [];
                }
            })).ConfigureAwait(false);
            return [.. looks.SelectMany(found => found)];
        }
        catch (CephException e)
        {
            connections.DropIfCutOff(connection, e);
            throw ReplicationException.From(e, $"list the drills of cluster {cluster.ClusterId} ({e.Subject})");
        }
    }
}
