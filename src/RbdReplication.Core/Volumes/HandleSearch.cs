using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// Finds the place of what a handle names, a volume or a volume group: cluster configuration, then pool by number. Where the handle comes from
/// the other site, the places that the cluster mapping names are tried after the one in the handle, as ceph-csi does for volumes, but only in
/// clusters that can be this site's (<see cref="Places"/>).
/// </summary>
/// <param name="files">Cluster configuration.</param>
/// <param name="places">Tells which clusters are this site's.</param>
/// <param name="connections">Connections to clusters.</param>
internal sealed class HandleSearch(ClusterFiles files, Places places, ClusterConnections connections)
{
    private const string PoolMapping = "RBDPoolIDMapping in cluster-mapping.json";

    /// <summary>Looks at each possible place until it is found.</summary>
    /// <param name="subject">What is looked for, for messages: <c>volume HANDLE</c>.</param>
    /// <param name="handle">Its handle.</param>
    /// <param name="credentials">Ceph user and key.</param>
    /// <param name="look">Looks in a pool; what it throws names the place.</param>
    /// <param name="isIn">Whether it is in a pool, for advice on what is not configured.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ReplicationException">
    /// NotFound: it is gone, in a place that is known to be the right one. NotConfigured, Unavailable and AccessDenied as well name every
    /// place that was tried.
    /// </exception>
    public async Task<T> FindAsync<T>(
        string subject, VolumeHandle handle, CephCredentials credentials, Func<LocalCluster, RadosPool, Task<T>> look, Func<RadosPool, Task<bool>> isIn,
        CancellationToken cancellationToken)
    {
        var settings = files.Read();
        var local = await FindLocalAsync(settings, subject, handle, credentials, cancellationToken).ConfigureAwait(false);
        var tried = new TriedPlaces();
        foreach (var (clusterId, poolId) in LocationsOf(settings, handle))
        {
            if (local.Clusters.FirstOrDefault(cluster => cluster.Entry.ClusterId == clusterId) is not { } cluster)
            {
                tried.Add(WhyNotLocal(settings, local, subject, handle, clusterId));
                continue;
            }
            try
            {
                return await look(cluster, await OpenPoolAsync(subject, cluster, poolId, cancellationToken).ConfigureAwait(false)).ConfigureAwait(false);
            }
            // Like ceph-csi, go on after a user that this pool denies: with equal cluster ids, a foreign pool number may
            // name a local pool that the user must not read.
            catch (ReplicationException e) when (e.Error is ReplicationError.NotFound or ReplicationError.AccessDenied or ReplicationError.NotConfigured)
            {
                tried.Add(e);
            }
        }
        throw tried.ToException(subject, await AdviseAsync(settings, local, subject, handle, isIn, cancellationToken).ConfigureAwait(false));
    }

    private async Task<LocalClusters> FindLocalAsync(
        ClusterSettings settings, string subject, VolumeHandle handle, CephCredentials credentials, CancellationToken cancellationToken)
    {
        try
        {
            var candidates = Places.CandidatesFor(settings, handle.ClusterId);
            return await places.FindAsync(settings.Config, candidates, credentials, cancellationToken).ConfigureAwait(false);
        }
        catch (ReplicationException e)
        {
            throw new ReplicationException(e.Error, $"{subject}: {e.Message}", e);
        }
    }

    private static IEnumerable<(string ClusterId, long PoolId)> LocationsOf(ClusterSettings settings, VolumeHandle handle) =>
        settings.Mapping.LocationsFor(handle.ClusterId, handle.PoolId).Prepend((handle.ClusterId, handle.PoolId)).Distinct();

    private static ReplicationException WhyNotLocal(ClusterSettings settings, LocalClusters local, string subject, VolumeHandle handle, string clusterId) =>
        local.PassedOver.FirstOrDefault(passed => passed.ClusterId == clusterId) is { Why: var why }
            ? new(why.Error, $"{subject}: {why.Message}", why)
            : new(ReplicationError.NotConfigured, $"cluster {clusterId} of {subject} is not in config.json{MappingHint(settings, handle)}");

    private static string MappingHint(ClusterSettings settings, VolumeHandle handle) =>
        settings.Mapping.LocationsFor(handle.ClusterId, handle.PoolId).Any() ? ""
        : settings.Mapping.ClustersFor(handle.ClusterId).FirstOrDefault() is { } other
            ? $", and the cluster mapping maps it to {other}, but not its pool {handle.PoolId}; add the number to {PoolMapping}"
            : ", and the cluster mapping does not map it to another one; add it to config.json, or to clusterIDMapping in cluster-mapping.json if it is the other site's";

    private async Task<RadosPool> OpenPoolAsync(string subject, LocalCluster cluster, long poolId, CancellationToken cancellationToken)
    {
        try
        {
            return await cluster.Connection.GetPoolAsync(poolId, cluster.Entry.RadosNamespace, cancellationToken).ConfigureAwait(false);
        }
        catch (CephException e) when (e.Errno == Errno.ENOENT)
        {
            throw new ReplicationException(
                ReplicationError.NotConfigured,
                $"pool {poolId} of {subject} does not exist in cluster {cluster.Entry.ClusterId}; if the number is the other site's, {PoolMapping} has to map it to the pool's number here", e);
        }
        catch (CephException e)
        {
            connections.DropIfCutOff(cluster.Connection, e);
            throw ReplicationException.From(e, $"open pool {poolId} of {subject} (cluster {cluster.Entry.ClusterId})");
        }
    }

    /// <summary>
    /// Nothing was found: is it in another pool of this site, so that a mapping is missing? Its uuid tells. It costs two
    /// reads a pool, and only where a call fails anyway.
    /// </summary>
    private async Task<string?> AdviseAsync(ClusterSettings settings, LocalClusters local, string subject, VolumeHandle handle, Func<RadosPool, Task<bool>> isIn, CancellationToken cancellationToken)
    {
        foreach (var (entry, connection) in local.Clusters)
        {
            try
            {
                foreach (var name in await connection.Cluster.ListPoolsAsync(cancellationToken).ConfigureAwait(false))
                {
                    if (await FindInAsync(connection, name, entry.RadosNamespace, isIn, cancellationToken).ConfigureAwait(false) is { } pool
                        && !LocationsOf(settings, handle).Contains((entry.ClusterId, pool.Id)))
                        return $"it is in pool {pool.Name} of cluster {entry.ClusterId}: map pool number {handle.PoolId} of cluster {handle.ClusterId} to {pool.Id} of {entry.ClusterId} with {PoolMapping}";
                }
            }
            catch (CephException e)
            {
                connections.DropIfCutOff(connection, e);
                throw ReplicationException.From(e, $"look for {subject} in the pools of cluster {entry.ClusterId}");
            }
        }
        return null;
    }

    private static async Task<RadosPool?> FindInAsync(
        ClusterConnection connection, string poolName, string radosNamespace, Func<RadosPool, Task<bool>> isIn, CancellationToken cancellationToken)
    {
        try
        {
            var pool = await connection.GetPoolAsync(poolName, radosNamespace, cancellationToken).ConfigureAwait(false);
            return await isIn(pool).ConfigureAwait(false) ? pool : null;
        }
        // A pool that this user does not work with, one that has just been removed, and one of erasure-coded data.
        catch (CephException e) when (e.Errno is Errno.EPERM or Errno.EACCES or Errno.ENOENT or Errno.EOPNOTSUPP)
        {
            return null;
        }
    }
}
