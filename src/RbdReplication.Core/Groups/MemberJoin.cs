using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Taking one volume into a group.</summary>
/// <param name="group">The group.</param>
/// <param name="flatten">What to do with a clone.</param>
/// <param name="flattenReport">Gets the progress of flattening.</param>
/// <param name="replication">Gives it the group's role.</param>
/// <param name="state">The replication of the group; null: it is not replicated.</param>
internal sealed class MemberJoin(VolumeGroup group, FlattenMode flatten, FlattenReport flattenReport, MemberReplication replication, GroupState? state)
{
    /// <summary>What is done, to follow "cannot".</summary>
    public const string Name = "group";

    /// <summary>Whether the group is replicated as a whole.</summary>
    public bool IsReplicated => state is not null;

    /// <summary>Makes sure that the volume can be taken in, and changes nothing.</summary>
    /// <exception cref="ReplicationException">It cannot: says what to do.</exception>
    public async Task<bool> CheckAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        var state = await RequireAsync(open, cancellationToken).ConfigureAwait(false);
        // One that is mirrored was looked at when that began.
        if (state == MirrorImageState.Disabled && flatten == FlattenMode.Never)
            await CloneParent.PrepareAsync(open, Name, flatten, flattenReport, cancellationToken).ConfigureAwait(false);
        return true;
    }

    /// <summary>Takes the volume into the RBD group, and gives it the role of one that is primary here.</summary>
    /// <inheritdoc cref="CheckAsync" path="/exception"/>
    public async Task RunAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        await open.LockAsync().ConfigureAwait(false);
        if (await RequireAsync(open, cancellationToken).ConfigureAwait(false) == MirrorImageState.Disabled)
            await CloneParent.PrepareAsync(open, Name, flatten, flattenReport, cancellationToken).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        // Not cut short: the volume stays taken until it has ended.
        await group.RbdGroup.AddImageAsync(open.Volume.ImageName, CancellationToken.None).ConfigureAwait(false);
        if (state is { Role: WantedRole.Primary })
            await replication.JoinAsync(open, flatten, cancellationToken).ConfigureAwait(false);
    }

    private async Task<MirrorImageState> RequireAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        var info = await open.Image.Mirroring.GetInfoAsync(cancellationToken).ConfigureAwait(false);
        if (info.State is not (MirrorImageState.Enabled or MirrorImageState.Disabled))
            throw open.Passing(info);
        var pool = open.Volume.Pool;
        var inGroup = await open.Image.GetGroupAsync(cancellationToken).ConfigureAwait(false);
        var isOurs = inGroup is null || (inGroup.PoolId == group.Pool.Id && inGroup.Name == group.Entry.GroupName);
        var mode = info.State == MirrorImageState.Enabled ? await open.GetModeAsync(cancellationToken).ConfigureAwait(false) : MirrorImageMode.Snapshot;
        var seen = new MemberSighting(
            pool.Id == group.Pool.Id && pool.Namespace == group.Pool.Namespace && pool.Cluster.GetFsid() == group.Pool.Cluster.GetFsid(),
            $"{pool.SpecOf("").TrimEnd('/')} of cluster {open.Volume.Cluster.ClusterId}",
            await open.Image.GetFeaturesAsync(cancellationToken).ConfigureAwait(false),
            info.State, info.IsPrimary, mode, isOurs ? null : inGroup!.Name,
            // One whose joining was cut off is in the RBD group, and may be enabled already.
            MembershipPlan.IsListed(group.Entry.Members, open.Volume.Handle) || (IsReplicated && isOurs && inGroup is not null));
        if (info.State == MirrorImageState.Disabled)
            open.Require(Name, EnableRules.NoDrill(await open.Image.ListMetadataAsync(DrillMarks.Name, cancellationToken).ConfigureAwait(false)));
        open.Require(Name, GroupRules.Member(seen, $"{group.Place} of cluster {group.Cluster.ClusterId}"));
        return info.State;
    }
}
