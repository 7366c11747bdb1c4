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

/// <summary>Finds drills.</summary>
/// <param name="connections">Connections to clusters.</param>
/// <param name="time">Clock.</param>
public sealed class DrillListing(ClusterConnections connections, TimeProvider time)
{
    /// <summary>The places of a cluster that drills can be in.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="credentials">Ceph user and key.</param>
    /// <param name="poolName">Only this pool; null for all that the user may read.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ReplicationException">Unavailable, AccessDenied, or NotFound for a pool that does not exist.</exception>
    public async Task<IReadOnlyList<DrillPlace>> ListPlacesAsync(
        ClusterEntry cluster, CephCredentials credentials, string? poolName, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(cluster);
        var connection = await connections.GetAsync(cluster, credentials, cancellationToken).ConfigureAwait(false);
        List<DrillPlace> places = [];
        try
        {
            foreach (var name in poolName is null ? await connection.Cluster.ListPoolsAsync(cancellationToken).ConfigureAwait(false) : [poolName])
            {
                try
                {
                    var pool = await connection.GetPoolAsync(name, cluster.RadosNamespace, cancellationToken).ConfigureAwait(false);
                    _ = await DrillDirectory.ListAsync(pool, cancellationToken).ConfigureAwait(false);
                    places.Add(new DrillPlace(cluster, connection, pool));
                }
                // Nobody asked for this pool, and it is none that this user works with, one that has just been removed, or one of erasure-coded data.
                catch (CephException e) when (poolName is null && e.Errno is Errno.EPERM or Errno.EACCES or Errno.ENOENT or Errno.EOPNOTSUPP)
                {
                }
            }
        }
        catch (CephException e)
        {
            throw Failure(connection, cluster.ClusterId, e);
        }
        return places;
    }

    /// <summary>All drills of a place.</summary>
    /// <exception cref="ReplicationException">Unavailable, AccessDenied.</exception>
    public async Task<IReadOnlyList<ListedDrill>> ListAsync(DrillPlace place, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(place);
        try
        {
            List<ListedDrill> drills = [];
            foreach (var name in await DrillDirectory.ListAsync(place.Pool, cancellationToken).ConfigureAwait(false))
            {
                if (await new DrillObject(place.Pool, name, time).ReadAsync(cancellationToken).ConfigureAwait(false) is not { } drill)
                    continue;
                var volumes = await Task.WhenAll(drill.Members.Select(member => new DrillClone(place.Pool, drill, member, "").SeeAsync(cancellationToken))).ConfigureAwait(false);
                drills.Add(new ListedDrill(place, drill, volumes));
            }
            return drills;
        }
        catch (CephException e)
        {
            throw Failure(place.Connection, place.Cluster.ClusterId, e);
        }
    }

    private ReplicationException Failure(ClusterConnection connection, string clusterId, CephException e)
    {
        connections.DropIfCutOff(connection, e);
        return ReplicationException.From(e, $"list the drills of cluster {clusterId} ({e.Subject})");
    }
}
