using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// Finds the image of a volume handle: cluster configuration, pool by number, journal record by key, image by name. No
/// search, so the cost does not depend on how many volumes there are. Where the handle comes from the other site, the
/// places that the cluster mapping names are tried after the one in the handle, as ceph-csi does, but only in clusters
/// that can be this site's (<see cref="Places"/>).
/// </summary>
/// <param name="files">Cluster configuration.</param>
/// <param name="places">Tells which clusters are this site's.</param>
/// <param name="connections">Connections to clusters.</param>
/// <param name="pools">Gets the pools that images were found in.</param>
public sealed class VolumeResolver(ClusterFiles files, Places places, ClusterConnections connections, PoolsInUse pools)
{
    private const string PoolMapping = "RBDPoolIDMapping in cluster-mapping.json";

    /// <summary>Opens the image of a volume, for looking at it.</summary>
    /// <param name="handle">The volume.</param>
    /// <param name="credentials">Ceph user and key.</param>
    /// <param name="cancellationToken">Ends the wait; whatever opens later is closed again.</param>
    /// <exception cref="ReplicationException">
    /// NotFound: the image is gone, in a place that is known to be the right one. NotConfigured, Unavailable and AccessDenied
    /// as well name every place that was tried.
    /// </exception>
    public async Task<OpenVolume> OpenAsync(VolumeHandle handle, CephCredentials credentials, CancellationToken cancellationToken)
    {
        var settings = files.Read();
        var local = await FindLocalAsync(settings, handle, credentials, cancellationToken).ConfigureAwait(false);
        var tried = new TriedPlaces();
        foreach (var (clusterId, poolId) in LocationsOf(settings, handle))
        {
            if (local.Clusters.FirstOrDefault(cluster => cluster.Entry.ClusterId == clusterId) is not { } cluster)
            {
                tried.Add(WhyNotLocal(settings, local, handle, clusterId));
                continue;
            }
            try
            {
                return await OpenAtAsync(handle, cluster, poolId, credentials, cancellationToken).ConfigureAwait(false);
            }
            // Like ceph-csi, go on after a user that this pool denies: with equal cluster ids, a foreign pool number may
            // name a local pool that the user must not read.
            catch (ReplicationException e) when (e.Error is ReplicationError.NotFound or ReplicationError.AccessDenied or ReplicationError.NotConfigured)
            {
                tried.Add(e);
            }
        }
        throw tried.ToException($"volume {handle}", await AdviseAsync(settings, local, handle, cancellationToken).ConfigureAwait(false));
    }

    private async Task<LocalClusters> FindLocalAsync(
        ClusterSettings settings, VolumeHandle handle, CephCredentials credentials, CancellationToken cancellationToken)
    {
        try
        {
            var candidates = Places.CandidatesFor(settings, handle.ClusterId);
            return await places.FindAsync(settings.Config, candidates, credentials, cancellationToken).ConfigureAwait(false);
        }
        catch (ReplicationException e)
        {
            throw new ReplicationException(e.Error, $"volume {handle}: {e.Message}", e);
        }
    }

    private static IEnumerable<(string ClusterId, long PoolId)> LocationsOf(ClusterSettings settings, VolumeHandle handle) =>
        settings.Mapping.LocationsFor(handle.ClusterId, handle.PoolId).Prepend((handle.ClusterId, handle.PoolId)).Distinct();

    private static ReplicationException WhyNotLocal(ClusterSettings settings, LocalClusters local, VolumeHandle handle, string clusterId) =>
        local.PassedOver.FirstOrDefault(passed => passed.ClusterId == clusterId) is { Why: var why }
            ? new(why.Error, $"volume {handle}: {why.Message}", why)
            : new(ReplicationError.NotConfigured, $"cluster {clusterId} of volume {handle} is not in config.json{MappingHint(settings, handle)}");

    private static string MappingHint(ClusterSettings settings, VolumeHandle handle) =>
        settings.Mapping.LocationsFor(handle.ClusterId, handle.PoolId).Any() ? ""
        : settings.Mapping.ClustersFor(handle.ClusterId).FirstOrDefault() is { } other
            ? $", and the cluster mapping maps it to {other}, but not its pool {handle.PoolId}; add the number to {PoolMapping}"
            : ", and the cluster mapping does not map it to another one; add it to config.json, or to clusterIDMapping in cluster-mapping.json if it is the other site's";

    private async Task<OpenVolume> OpenAtAsync(
        VolumeHandle handle, LocalCluster cluster, long poolId, CephCredentials credentials, CancellationToken cancellationToken)
    {
        var (entry, connection) = cluster;
        var place = $"pool {poolId} of volume {handle}";
        try
        {
            var pool = await OpenPoolAsync(handle, cluster, poolId, cancellationToken).ConfigureAwait(false);
            place = $"the journal entry of volume {handle} in {pool.SpecOf("")}";
            var record = await JournalEntry.ReadAsync(pool, handle.Uuid, cancellationToken).ConfigureAwait(false);
            var volume = new Volume(handle, entry, connection, pool, record);
            place = volume.ToString();
            var image = await RbdImage.OpenAsync(pool, volume.ImageName, readOnly: true, cancellationToken).ConfigureAwait(false);
            pools.Note(entry.ClusterId, pool, credentials);
            return new OpenVolume(volume, image);
        }
        catch (CephException e)
        {
            DropIfCutOff(connection, e);
            throw ReplicationException.From(e, $"open {place} (cluster {entry.ClusterId})");
        }
    }

    private static async Task<RadosPool> OpenPoolAsync(VolumeHandle handle, LocalCluster cluster, long poolId, CancellationToken cancellationToken)
    {
        try
        {
            return await cluster.Connection.GetPoolAsync(poolId, cluster.Entry.RadosNamespace, cancellationToken).ConfigureAwait(false);
        }
        catch (CephException e) when (e.Errno == Errno.ENOENT)
        {
            throw new ReplicationException(
                ReplicationError.NotConfigured,
                $"pool {poolId} of volume {handle} does not exist in cluster {cluster.Entry.ClusterId}; if the number is the other site's, {PoolMapping} has to map it to the pool's number here", e);
        }
    }

    /// <summary>
    /// Nothing was found: is the volume in another pool of this site, so that a mapping is missing? Its uuid tells. It costs two
    /// reads a pool, and only where a call fails anyway.
    /// </summary>
    private async Task<string?> AdviseAsync(ClusterSettings settings, LocalClusters local, VolumeHandle handle, CancellationToken cancellationToken)
    {
        foreach (var (entry, connection) in local.Clusters)
        {
            try
            {
                foreach (var name in await connection.Cluster.ListPoolsAsync(cancellationToken).ConfigureAwait(false))
                {
                    if (await FindInAsync(connection, name, entry.RadosNamespace, handle.Uuid, cancellationToken).ConfigureAwait(false) is { } pool
                        && !LocationsOf(settings, handle).Contains((entry.ClusterId, pool.Id)))
                        return $"it is in pool {pool.Name} of cluster {entry.ClusterId}: map pool number {handle.PoolId} of cluster {handle.ClusterId} to {pool.Id} of {entry.ClusterId} with {PoolMapping}";
                }
            }
            catch (CephException e)
            {
                DropIfCutOff(connection, e);
                throw ReplicationException.From(e, $"look for volume {handle} in the pools of cluster {entry.ClusterId}");
            }
        }
        return null;
    }

    private static async Task<RadosPool?> FindInAsync(
        ClusterConnection connection, string poolName, string radosNamespace, string uuid, CancellationToken cancellationToken)
    {
        try
        {
            var pool = await connection.GetPoolAsync(poolName, radosNamespace, cancellationToken).ConfigureAwait(false);
            var record = await JournalEntry.ReadAsync(pool, uuid, cancellationToken).ConfigureAwait(false);
            if (record.RequestName is not null)
                return pool;
            var images = await ImageDirectory.ReadIdsAsync(pool, [record.ImageNameOr(uuid)], cancellationToken).ConfigureAwait(false);
            return images.Count > 0 ? pool : null;
        }
        // A pool that this user does not work with, one that has just been removed, and one of erasure-coded data.
        catch (CephException e) when (e.Errno is Errno.EPERM or Errno.EACCES or Errno.ENOENT or Errno.EOPNOTSUPP)
        {
            return null;
        }
    }

    /// <summary>Makes the next call connect anew if <paramref name="failure"/> says that this connection is of no more use.</summary>
    public void DropIfCutOff(ClusterConnection connection, CephException failure) => connections.DropIfCutOff(connection, failure);
}
