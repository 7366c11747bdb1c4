using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// Lists the mirrored images of pools with their status, page by page; no image is opened. A page of 1024 images costs
/// one listing, two reads of the schedules, and for the names of the PVs, which are remembered, a key read for each image that is new, many at
/// a time; one for each secondary image that has had a sync since, for its newest point. A pool has one read for its drills. For people, two reads an image more tell whether a resync was left with it.
/// </summary>
/// <param name="connections">Connections to clusters.</param>
/// <param name="time">Clock, for the age of reports.</param>
/// <param name="shared">What is read of pools for others, too; null: nobody else reads them.</param>
public sealed class PoolLister(ClusterConnections connections, TimeProvider time, SharedReports? shared = null)
{
    private const int ReadsAtATime = 64;

    private readonly VolumeNames _names = new(time);
    private readonly DrillableTimes _drillable = new();

    /// <summary>Lists all images of a cluster's rados namespace, for people, pool by pool.</summary>
    /// <param name="cluster">The cluster; its rados namespace is the one that is listed.</param>
    /// <param name="credentials">Ceph user and key.</param>
    /// <param name="poolName">Only this pool; null for all pools that are mirrored and that the user may read.</param>
    /// <param name="opensMembers">Whether to open each volume of a group, for the generation that a forced promotion would return to.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ReplicationException">Unavailable, AccessDenied, or NotFound for a pool that does not exist or is not mirrored.</exception>
    public async Task<IReadOnlyList<PoolListing>> ListAsync(
        ClusterEntry cluster, CephCredentials credentials, string? poolName, bool opensMembers, CancellationToken cancellationToken)
    {
        var connection = await connections.GetAsync(cluster, credentials, cancellationToken).ConfigureAwait(false);
        try
        {
            List<PoolListing> listings = [];
            foreach (var name in poolName is null ? await connection.Cluster.ListPoolsAsync(cancellationToken).ConfigureAwait(false) : [poolName])
            {
                var listedAt = time.GetUtcNow();
                await using var pool = await connection.Cluster.OpenPoolAsync(name, cluster.RadosNamespace, cancellationToken).ConfigureAwait(false);
                if (await IsMirroredAsync(pool, optional: poolName is null, cancellationToken).ConfigureAwait(false))
                {
                    var groups = await ListedGroup.ReadAllAsync(pool, cancellationToken).ConfigureAwait(false);
                    var statuses = Judge(await PoolReports.ReadAsync(connection, pool, time, cancellationToken).ConfigureAwait(false), groups);
                    await MarkResyncsAsync(pool, statuses, cancellationToken).ConfigureAwait(false);
                    var listing = await ToListingAsync(cluster, pool, listedAt, statuses, int.MaxValue, cancellationToken).ConfigureAwait(false);
                    listings.Add(listing with { Groups = await new GroupLister(cluster, connection, pool, opensMembers, time).RunAsync(groups, statuses, cancellationToken).ConfigureAwait(false) });
                }
            }
            return listings;
        }
        catch (CephException e)
        {
            throw Failure(cluster, connection, e);
        }
    }

    /// <summary>Lists the images of one pool; none where mirroring is disabled.</summary>
    /// <param name="cluster">The cluster; its rados namespace is the one that is listed.</param>
    /// <param name="credentials">Ceph user and key.</param>
    /// <param name="poolId">Pool number.</param>
    /// <param name="maximumVolumes">How many images are to be named one by one.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ReplicationException">Unavailable, AccessDenied, or NotFound for a pool that does not exist.</exception>
    public async Task<PoolListing> ListPoolAsync(
        ClusterEntry cluster, CephCredentials credentials, long poolId, int maximumVolumes, CancellationToken cancellationToken)
    {
        var connection = await connections.GetAsync(cluster, credentials, cancellationToken).ConfigureAwait(false);
        try
        {
            var pool = await connection.GetPoolAsync(poolId, cluster.RadosNamespace, cancellationToken).ConfigureAwait(false);
            var groups = await ListedGroup.ReadAllAsync(pool, cancellationToken).ConfigureAwait(false);
            var reports = await (shared?.GetAsync(connection, pool, TimeSpan.Zero, cancellationToken) ?? PoolReports.ReadAsync(connection, pool, time, cancellationToken)).ConfigureAwait(false);
            var statuses = Judge(reports, groups);
            var listing = await ToListingAsync(cluster, pool, reports.ReadAt, statuses, maximumVolumes, cancellationToken).ConfigureAwait(false);
            return listing with { Groups = await new GroupLister(cluster, connection, pool, opensMembers: false, time).RunAsync(groups, statuses, cancellationToken).ConfigureAwait(false) };
        }
        catch (CephException e)
        {
            throw Failure(cluster, connection, e);
        }
    }

    private ReplicationException Failure(ClusterEntry cluster, ClusterConnection connection, CephException e)
    {
        connections.DropIfCutOff(connection, e);
        return ReplicationException.From(e, $"list the mirrored images of cluster {cluster.ClusterId} ({e.Subject})");
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

    private List<ImageStatus> Judge(PoolReports reports, IReadOnlyList<ListedGroup> groups)
    {
        var ofGroups = ListedGroup.SchedulesOf(groups);
        var now = time.GetUtcNow();
        return [.. reports.Images.Select(image => ImageStatus.Of(
            image.ImageId,
            ofGroups.TryGetValue(image.ImageId, out var due) ? image.Reports with { Schedules = due, Taker = SnapshotTaker.Group } : image.Reports,
            now))];
    }

    // Nothing else shows it: the image can be healthy, and is thrown away when it is next demoted.
    private static async Task MarkResyncsAsync(RadosPool pool, List<ImageStatus> statuses, CancellationToken cancellationToken)
    {
        for (var start = 0; start < statuses.Count; start += ReadsAtATime)
        {
            await Task.WhenAll(Enumerable.Range(start, Math.Min(ReadsAtATime, statuses.Count - start)).Select(async i =>
            {
                if (await ResyncRequest.IsLeftAsync(pool, statuses[i].ImageId, cancellationToken).ConfigureAwait(false))
                    statuses[i] = statuses[i].WithLeftResync();
            })).ConfigureAwait(false);
        }
    }

    // Only what is kept is named: a name that is new costs a read.
    private async Task<PoolListing> ToListingAsync(
        ClusterEntry cluster, RadosPool pool, DateTimeOffset listedAt, List<ImageStatus> statuses, int maximumVolumes, CancellationToken cancellationToken)
    {
        var counts = statuses.CountBy(status => (status.Role, status.Health)).ToDictionary();
        // The sort is stable and the listing in the order of the ids: among equals the same are left out each time.
        var worst = statuses.OrderByDescending(status => status.Severity).Take(maximumVolumes).ToList();
        var names = await _names.ReadAsync(cluster.ClusterId, pool, worst, cancellationToken).ConfigureAwait(false);
        var drillable = await _drillable.ReadAsync(cluster.ClusterId, pool, worst, cancellationToken).ConfigureAwait(false);
        var volumes = drillable.Zip(names, (status, name) => new MirroredVolume(
            status.VolumeUuid is { } uuid ? new VolumeHandle(cluster.ClusterId, pool.Id, uuid) : null, name, pool.Name, pool.Namespace, status));
        return new PoolListing(cluster.ClusterId, pool.Name, pool.Namespace, listedAt, [.. volumes], counts)
        {
            Drills = await DrillDirectory.ListAsync(pool, cancellationToken).ConfigureAwait(false),
        };
    }
}
