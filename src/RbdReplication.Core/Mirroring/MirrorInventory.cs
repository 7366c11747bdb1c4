using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>A mirrored image with the CSI volume that it belongs to.</summary>
/// <param name="Handle">Volume handle at this site; null for an image whose name does not end with a uuid.</param>
/// <param name="PersistentVolume">Name of the PersistentVolume, from the journal; null where the journal has no entry.</param>
/// <param name="Pool">Pool name.</param>
/// <param name="Namespace">Rados namespace; empty for the default one.</param>
/// <param name="Status">Its mirroring.</param>
public sealed record MirroredVolume(VolumeHandle? Handle, string? PersistentVolume, string Pool, string Namespace, VolumeStatus Status);

/// <summary>
/// All mirrored images of a cluster, page by page from the pools' listings; no image is opened. A page of 1024 images costs
/// one listing, one read of the schedules, and for the names a key read for each image, many at a time.
/// </summary>
/// <param name="connections">Connections to clusters.</param>
/// <param name="time">Clock, for the age of reports.</param>
public sealed class MirrorInventory(ClusterConnections connections, TimeProvider time)
{
    private const int JournalReadsAtATime = 64;

    /// <summary>Lists the images of a cluster's rados namespace.</summary>
    /// <param name="cluster">The cluster; its rados namespace is the one that is listed.</param>
    /// <param name="credentials">Ceph user and key.</param>
    /// <param name="poolName">Only this pool; null for all pools that are mirrored and that the user may read.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ReplicationException">Unreachable, AccessDenied, or NotFound for a pool that does not exist or is not mirrored.</exception>
    public async Task<IReadOnlyList<MirroredVolume>> ListAsync(
        ClusterEntry cluster, CephCredentials credentials, string? poolName, CancellationToken cancellationToken)
    {
        var connection = await connections.GetAsync(cluster, credentials, cancellationToken).ConfigureAwait(false);
        try
        {
            List<MirroredVolume> volumes = [];
            foreach (var name in poolName is null ? await connection.Cluster.ListPoolsAsync(cancellationToken).ConfigureAwait(false) : [poolName])
            {
                await using var pool = await connection.Cluster.OpenPoolAsync(name, cluster.RadosNamespace, cancellationToken).ConfigureAwait(false);
                if (await IsMirroredAsync(pool, optional: poolName is null, cancellationToken).ConfigureAwait(false))
                    await AddAsync(volumes, cluster, connection, pool, cancellationToken).ConfigureAwait(false);
            }
            return volumes;
        }
        catch (CephException e)
        {
            throw ReplicationException.From(e, $"list the mirrored images of cluster {cluster.ClusterId} ({e.Subject})");
        }
    }

    private static async Task<bool> IsMirroredAsync(RadosPool pool, bool optional, CancellationToken cancellationToken)
    {
        try
        {
            if (await new PoolMirroring(pool).GetModeAsync(cancellationToken).ConfigureAwait(false) != MirrorPoolMode.Disabled)
                return true;
        }
        // Nobody asked for this pool, and it is none that this user works with, or none with RBD images.
        catch (CephException e) when (optional && e.Errno is Errno.EPERM or Errno.EACCES or Errno.ENOENT or Errno.EOPNOTSUPP)
        {
            return false;
        }
        return optional ? false : throw new ReplicationException(ReplicationError.NotFound, $"mirroring is disabled in pool {pool.SpecOf("")}");
    }

    private async Task AddAsync(
        List<MirroredVolume> volumes, ClusterEntry cluster, ClusterConnection connection, RadosPool pool, CancellationToken cancellationToken)
    {
        var sites = await connection.GetSitesAsync(pool, cancellationToken).ConfigureAwait(false);
        var mirroring = new PoolMirroring(pool);
        var last = "";
        IReadOnlyList<KeyValuePair<string, MirrorGlobalStatus>> page;
        do
        {
            page = await mirroring.ListStatusAsync(last, cancellationToken).ConfigureAwait(false);
            if (page.Count == 0)
                return;
            last = page[^1].Key;
            var schedules = await SnapshotSchedules.ListInForceAsync(connection, pool, [.. page.Select(entry => entry.Key)], cancellationToken).ConfigureAwait(false);
            foreach (var some in page.Chunk(JournalReadsAtATime))
            {
                volumes.AddRange(await Task.WhenAll(some.Select(async entry =>
                {
                    var (id, status) = entry;
                    var judged = VolumeStatus.Of(id, status, sites, schedules.GetValueOrDefault(id) ?? [], time.GetUtcNow());
                    var uuid = status.ImageName.Length > VolumeHandle.UuidLength ? status.ImageName[^VolumeHandle.UuidLength..] : "";
                    if (!VolumeHandle.IsUuid(uuid))
                        return new MirroredVolume(null, null, pool.Name, pool.Namespace, judged);
                    var record = await VolumeRecord.ReadAsync(pool, uuid, cancellationToken).ConfigureAwait(false);
                    return new MirroredVolume(
                        new VolumeHandle(cluster.ClusterId, pool.Id, uuid), record.RequestName, pool.Name, pool.Namespace, judged);
                })).ConfigureAwait(false));
            }
        }
        while (page.Count == PoolMirroring.PageSize);
    }
}
