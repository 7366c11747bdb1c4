using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>A page of groups.</summary>
/// <param name="Groups">The groups, in the order of their handles.</param>
/// <param name="Next">What the next page starts after; empty where this is the last.</param>
public sealed record GroupPage(IReadOnlyList<GroupDescription> Groups, string Next);

/// <summary>Finds all groups of this site: in every cluster of the configuration that is this site's, and every pool that the user may read.</summary>
/// <param name="files">Cluster configuration.</param>
/// <param name="places">Tells which clusters are this site's.</param>
/// <param name="connections">Connections to clusters.</param>
/// <param name="options">What the journal's objects are called.</param>
public sealed class GroupListing(ClusterFiles files, Places places, ClusterConnections connections, GroupOptions options)
{
    /// <summary>Lists a page.</summary>
    /// <param name="maximum">Most groups of the page; 0 for all.</param>
    /// <param name="startAfter">The handle that the page before has ended with; empty for the first.</param>
    /// <param name="credentials">Ceph user and key.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ReplicationException">A cluster cannot be listed: nothing is told then, since a group that is missing would be taken for deleted.</exception>
    public async Task<GroupPage> RunAsync(int maximum, string startAfter, CephCredentials credentials, CancellationToken cancellationToken)
    {
        var config = files.Read().Config;
        var local = await places.FindAsync(config, [.. config.Clusters], credentials, cancellationToken).ConfigureAwait(false);
        if (local.Clusters.Count == 0)
        {
            var tried = new TriedPlaces();
            foreach (var passed in local.PassedOver)
                tried.Add(passed.Why);
            throw local.PassedOver.Count > 0 ? tried.ToException("the list of volume groups") : new ReplicationException(ReplicationError.NotConfigured, "config.json has no cluster; add this site's");
        }
        List<(VolumeHandle Handle, GroupJournal Journal)> found = [];
        foreach (var cluster in local.Clusters)
            found.AddRange(await FindInAsync(cluster, cancellationToken).ConfigureAwait(false));
        // Several cluster ids may stand for one place.
        var ordered = found.DistinctBy(group => (group.Handle.Uuid, group.Handle.PoolId, group.Journal.Pool.Namespace, group.Journal.Pool.Cluster.GetFsid()))
            .OrderBy(group => $"{group.Handle}", StringComparer.Ordinal).SkipWhile(group => string.CompareOrdinal($"{group.Handle}", startAfter) <= 0).ToList();
        var page = maximum > 0 ? ordered.Take(maximum).ToList() : ordered;
        var entries = await Task.WhenAll(page.Select(group => group.Journal.ReadAsync(group.Handle.Uuid, cancellationToken))).ConfigureAwait(false);
        return new GroupPage(
            [.. page.Zip(entries).Where(pair => pair.Second is { IsComplete: true }).Select(pair => new GroupDescription(pair.First.Handle, pair.Second!.Members))],
            page.Count < ordered.Count ? $"{page[^1].Handle}" : "");
    }

    private async Task<IReadOnlyList<(VolumeHandle Handle, GroupJournal Journal)>> FindInAsync(LocalCluster cluster, CancellationToken cancellationToken)
    {
        List<(VolumeHandle, GroupJournal)> found = [];
        try
        {
            foreach (var name in await cluster.Connection.Cluster.ListPoolsAsync(cancellationToken).ConfigureAwait(false))
                found.AddRange(await FindInAsync(cluster, name, cancellationToken).ConfigureAwait(false));
            return found;
        }
        catch (CephException e)
        {
            connections.DropIfCutOff(cluster.Connection, e);
            throw ReplicationException.From(e, $"list the volume groups of cluster {cluster.Entry.ClusterId}");
        }
    }

    private async Task<IEnumerable<(VolumeHandle Handle, GroupJournal Journal)>> FindInAsync(LocalCluster cluster, string poolName, CancellationToken cancellationToken)
    {
        try
        {
            var pool = await cluster.Connection.GetPoolAsync(poolName, cluster.Entry.RadosNamespace, cancellationToken).ConfigureAwait(false);
            var journal = new GroupJournal(pool, options.InstanceId);
            var uuids = await journal.ListAsync(cancellationToken).ConfigureAwait(false);
            return uuids.Where(VolumeHandle.IsUuid).Select(uuid => (new VolumeHandle(cluster.Entry.ClusterId, pool.Id, uuid), journal));
        }
        // A pool that this user does not work with, one that has just been removed, and one of erasure-coded data.
        catch (CephException e) when (e.Errno is Errno.EPERM or Errno.EACCES or Errno.ENOENT or Errno.EOPNOTSUPP)
        {
            return [];
        }
    }
}
