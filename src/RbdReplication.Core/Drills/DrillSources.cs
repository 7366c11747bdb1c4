using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>A place that drills are in.</summary>
/// <param name="Cluster">Its cluster.</param>
/// <param name="Connection">The connection to it.</param>
/// <param name="Pool">Pool and rados namespace.</param>
public sealed record DrillPlace(ClusterEntry Cluster, ClusterConnection Connection, RadosPool Pool)
{
    /// <summary>Name of the pool.</summary>
    public string PoolName => Pool.Name;

    /// <summary>Rados namespace; empty for the default one.</summary>
    public string RadosNamespace => Pool.Namespace;

    /// <summary>The handle of a volume in it.</summary>
    public VolumeHandle HandleOf(string uuid) => new(Cluster.ClusterId, Pool.Id, uuid);

    /// <summary>The place for messages.</summary>
    public override string ToString() => $"{Pool.SpecOf("").TrimEnd('/')} of cluster {Cluster.ClusterId}";
}

/// <summary>A volume that a drill is to be of.</summary>
/// <param name="Handle">Its handle, as it was named.</param>
/// <param name="Entry">What the journal says of it.</param>
internal sealed record DrillSource(VolumeHandle Handle, JournalEntry Entry)
{
    public string ImageName => Entry.ImageNameOr(Handle.Uuid);

    public override string ToString() => $"image {ImageName} of volume {Handle}";
}

/// <summary>The volumes that a drill is to be of, all in one pool and rados namespace.</summary>
/// <param name="Place">Where they are.</param>
/// <param name="Volumes">The volumes.</param>
internal sealed record DrillSources(DrillPlace Place, IReadOnlyList<DrillSource> Volumes)
{
    /// <summary>Finds them.</summary>
    /// <exception cref="ReplicationException">One is not here, or in another place than the others; or the group is being promoted.</exception>
    public static Task<DrillSources> FindAsync(
        VolumeResolver volumes, GroupResolver groups, DrillRequest request, CephCredentials credentials, CancellationToken cancellationToken) => request.Group is { } group
            ? OfGroupAsync(groups, request, new VolumeRequest(group, credentials), cancellationToken)
            : OfVolumesAsync(volumes, request, credentials, cancellationToken);

    private static async Task<DrillSources> OfGroupAsync(GroupResolver groups, DrillRequest request, VolumeRequest named, CancellationToken cancellationToken)
    {
        var group = await groups.FindAsync(named, cancellationToken).ConfigureAwait(false);
        var members = group.RequireMembers($"create drill {request.Name} of {group}");
        if (members.Count == 0)
            throw new ReplicationException(ReplicationError.FailedPrecondition, $"cannot create drill {request.Name}: {group} has no volumes");
        if (await new GroupStateObject(group.Pool, group.Entry.Uuid).ReadAsync(cancellationToken).ConfigureAwait(false) is { Failover: not null })
            throw new ReplicationException(ReplicationError.Busy, $"cannot create drill {request.Name}: {group} is being promoted by force; retry when that has ended");
        var entries = await Task.WhenAll(members.Select(member => JournalEntry.ReadAsync(group.Pool, member.Handle.Uuid, cancellationToken))).ConfigureAwait(false);
        return new DrillSources(
            new DrillPlace(group.Cluster, group.Connection, group.Pool), [.. members.Zip(entries, (member, entry) => new DrillSource(member.Handle, entry))]);
    }

    private static async Task<DrillSources> OfVolumesAsync(
        VolumeResolver volumes, DrillRequest request, CephCredentials credentials, CancellationToken cancellationToken)
    {
        var found = await Task.WhenAll(request.Volumes.Select(async handle =>
        {
            await using var open = await volumes.OpenAsync(handle, credentials, cancellationToken).ConfigureAwait(false);
            return open.Volume;
        })).ConfigureAwait(false);
        var first = found[0];
        if (found.FirstOrDefault(volume => volume.Pool.Id != first.Pool.Id || volume.Pool.Namespace != first.Pool.Namespace || volume.Pool.Cluster.GetFsid() != first.Pool.Cluster.GetFsid()) is { } other)
        {
            throw new ReplicationException(
                ReplicationError.FailedPrecondition, $"cannot create drill {request.Name}: {first} and {other} are in different places, and a drill is in one pool and rados namespace; ask for a drill of each");
        }
        return new DrillSources(new DrillPlace(first.Cluster, first.Connection, first.Pool), [.. found.Select(volume => new DrillSource(volume.Handle, volume.Entry))]);
    }
}
