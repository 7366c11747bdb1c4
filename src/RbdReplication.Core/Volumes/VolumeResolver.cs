using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// Finds the image of a volume handle: cluster configuration, pool by number, journal record by key, image by name. No
/// search, so the cost does not depend on how many volumes there are. Where the handle comes from the other site, the
/// places that the cluster mapping names are tried after the one in the handle, as ceph-csi does.
/// </summary>
/// <param name="files">Cluster configuration.</param>
/// <param name="connections">Connections to clusters.</param>
/// <param name="pools">Gets the pools that images were found in.</param>
public sealed class VolumeResolver(ClusterFiles files, ClusterConnections connections, PoolsInUse pools)
{
    /// <summary>Opens the image of a volume, for looking at it.</summary>
    /// <param name="handle">The volume.</param>
    /// <param name="credentials">Ceph user and key.</param>
    /// <param name="cancellationToken">Ends the wait; whatever opens later is closed again.</param>
    /// <exception cref="ReplicationException">NotFound names every place that was tried.</exception>
    public async Task<OpenVolume> OpenAsync(VolumeHandle handle, CephCredentials credentials, CancellationToken cancellationToken)
    {
        var settings = files.Read();
        ReplicationException? first = null;
        List<string> tried = [];
        foreach (var (clusterId, poolId) in Places(settings, handle))
        {
            try
            {
                return await OpenAtAsync(settings, handle, clusterId, poolId, credentials, cancellationToken).ConfigureAwait(false);
            }
            // Like ceph-csi, go on after a user that this cluster denies: with equal cluster ids, a foreign pool number may
            // name a local pool that the user must not read.
            catch (ReplicationException e) when (e.Error is ReplicationError.NotFound or ReplicationError.AccessDenied)
            {
                tried.Add(e.Message);
                if (first is null || first.Error == ReplicationError.NotFound)
                    first = e;
            }
        }
        throw tried.Count == 1
            ? first!
            : new ReplicationException(first!.Error, $"volume {handle} is at none of its {tried.Count} possible places: {string.Join("; ", tried)}", first);
    }

    private static IEnumerable<(string ClusterId, long PoolId)> Places(ClusterSettings settings, VolumeHandle handle) =>
        settings.Mapping.LocationsFor(handle.ClusterId, handle.PoolId).Prepend((handle.ClusterId, handle.PoolId)).Distinct();

    private async Task<OpenVolume> OpenAtAsync(
        ClusterSettings settings, VolumeHandle handle, string clusterId, long poolId, CephCredentials credentials,
        CancellationToken cancellationToken)
    {
        var cluster = settings.Config.Find(clusterId)
            ?? throw new ReplicationException(ReplicationError.NotFound, $"cluster {clusterId} of volume {handle} is not in the cluster configuration{MappingHint(settings, handle)}");
        var connection = await ConnectAsync(handle, cluster, credentials, cancellationToken).ConfigureAwait(false);
        var place = $"pool {poolId} of volume {handle}";
        try
        {
            var pool = await connection.GetPoolAsync(poolId, cluster.RadosNamespace, cancellationToken).ConfigureAwait(false);
            place = $"the journal entry of volume {handle} in {pool.SpecOf("")}";
            var record = await VolumeRecord.ReadAsync(pool, handle.Uuid, cancellationToken).ConfigureAwait(false);
            var volume = new Volume(handle, cluster, connection, pool, record);
            place = volume.ToString();
            var image = await RbdImage.OpenAsync(pool, volume.ImageName, readOnly: true, cancellationToken).ConfigureAwait(false);
            pools.Note(clusterId, pool, credentials);
            return new OpenVolume(volume, image);
        }
        catch (CephException e)
        {
            DropIfCutOff(connection, e);
            throw ReplicationException.From(e, $"open {place} (cluster {clusterId})");
        }
    }

    private async Task<ClusterConnection> ConnectAsync(
        VolumeHandle handle, ClusterEntry cluster, CephCredentials credentials, CancellationToken cancellationToken)
    {
        try
        {
            return await connections.GetAsync(cluster, credentials, cancellationToken).ConfigureAwait(false);
        }
        catch (ReplicationException e)
        {
            throw new ReplicationException(e.Error, $"volume {handle}: {e.Message}", e);
        }
    }

    private static string MappingHint(ClusterSettings settings, VolumeHandle handle) =>
        settings.Mapping.LocationsFor(handle.ClusterId, handle.PoolId).Any() ? ""
        : settings.Mapping.ClustersFor(handle.ClusterId).FirstOrDefault() is { } other
            ? $", and the cluster mapping maps it to {other}, but not its pool {handle.PoolId}"
            : ", and the cluster mapping does not map it to another one";

    /// <summary>Makes the next call connect anew if <paramref name="failure"/> says that this connection is of no more use.</summary>
    public void DropIfCutOff(ClusterConnection connection, CephException failure) => connections.DropIfCutOff(connection, failure);
}
