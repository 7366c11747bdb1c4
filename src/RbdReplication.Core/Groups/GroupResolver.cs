using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Finds volume groups: by handle, as volumes are found, also by that of the other site; and the place in which one is to be made.</summary>
/// <param name="files">Cluster configuration.</param>
/// <param name="places">Tells which clusters are this site's.</param>
/// <param name="connections">Connections to clusters.</param>
/// <param name="options">What the journal's objects are called.</param>
public sealed class GroupResolver(ClusterFiles files, Places places, ClusterConnections connections, GroupOptions options)
{
    private readonly HandleSearch _search = new(files, places, connections);

    /// <summary>Finds a group by its handle.</summary>
    /// <exception cref="ReplicationException">NotFound: there is none, in a place that is known to be the right one. Others name every place that was tried.</exception>
    public Task<VolumeGroup> FindAsync(VolumeRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        var handle = request.Handle;
        return _search.FindAsync(
            $"volume group {handle}", handle, request.Credentials, (cluster, pool) => ReadAsync(handle, cluster, pool, cancellationToken),
            async pool => await new GroupJournal(pool, options.InstanceId).ReadAsync(handle.Uuid, cancellationToken).ConfigureAwait(false) is not null, cancellationToken);
    }

    /// <summary>The same, for calls that need all that a group has.</summary>
    /// <exception cref="ReplicationException">NotFound: also where making or removing it was cut off.</exception>
    internal async Task<VolumeGroup> FindCompleteAsync(VolumeRequest request, GroupScope scope, CancellationToken cancellationToken)
    {
        var group = await FindAsync(request, cancellationToken).ConfigureAwait(false);
        scope.Connection = group.Connection;
        return group.Entry.IsComplete
            ? group
            : throw new ReplicationException(ReplicationError.NotFound, $"volume group {request.Handle} has no names: making or removing it was cut off; CreateVolumeGroup of the same name, or DeleteVolumeGroup, finishes that");
    }

    private async Task<VolumeGroup> ReadAsync(VolumeHandle handle, LocalCluster cluster, RadosPool pool, CancellationToken cancellationToken)
    {
        try
        {
            var journal = new GroupJournal(pool, options.InstanceId);
            var entry = await journal.ReadAsync(handle.Uuid, cancellationToken).ConfigureAwait(false);
            return entry is null
                ? throw new ReplicationException(
                    ReplicationError.NotFound, $"volume group {handle} does not exist: pool {pool.SpecOf("")} of cluster {cluster.Entry.ClusterId} has no object {GroupKeys.GroupObject(handle.Uuid)}; of a group of the other site the omap generator makes it, or CreateVolumeGroup")
                : new VolumeGroup(handle, cluster.Entry, cluster.Connection, journal, entry);
        }
        catch (CephException e)
        {
            connections.DropIfCutOff(cluster.Connection, e);
            throw ReplicationException.From(e, $"read the entry of volume group {handle} in {pool.SpecOf("")} (cluster {cluster.Entry.ClusterId})");
        }
    }

    /// <summary>The place in which a group is to be made.</summary>
    /// <exception cref="ReplicationException">InvalidArgument: there is no such pool. NotConfigured: no such cluster, or it is the other site's.</exception>
    public async Task<GroupPlace> OpenAsync(GroupParameters parameters, CephCredentials credentials, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        var config = files.Read().Config;
        var cluster = config.Find(parameters.ClusterId)
            ?? throw new ReplicationException(
                ReplicationError.NotConfigured, $"cluster {parameters.ClusterId} of parameter clusterID is not in config.json; add it there, or correct the class");
        if (Places.OfOtherSites(config, [cluster]) is [var other])
            throw other.Why;
        var connection = await connections.GetAsync(cluster, credentials, cancellationToken).ConfigureAwait(false);
        try
        {
            var pool = await connection.GetPoolAsync(parameters.Pool, cluster.RadosNamespace, cancellationToken).ConfigureAwait(false);
            return new GroupPlace(cluster, connection, new GroupJournal(pool, options.InstanceId));
        }
        catch (CephException e) when (e.Errno == Errno.ENOENT)
        {
            throw new ReplicationException(
                ReplicationError.InvalidArgument, $"pool {parameters.Pool} of parameter pool does not exist in cluster {cluster.ClusterId}; correct the class", e);
        }
        catch (CephException e)
        {
            connections.DropIfCutOff(connection, e);
            throw ReplicationException.From(e, $"open pool {parameters.Pool} of cluster {cluster.ClusterId}");
        }
    }
}

/// <summary>What groups are told.</summary>
/// <param name="InstanceId">ceph-csi's instance id, part of the journal's object names.</param>
public sealed record GroupOptions(string InstanceId);

/// <summary>A place for volume groups.</summary>
/// <param name="Cluster">Its cluster.</param>
/// <param name="Connection">The connection to it.</param>
/// <param name="Journal">The entries of its groups.</param>
public sealed record GroupPlace(ClusterEntry Cluster, ClusterConnection Connection, GroupJournal Journal);
