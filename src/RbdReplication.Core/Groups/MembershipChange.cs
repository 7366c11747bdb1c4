using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// Makes the members of a group what is asked for. First the RBD group is changed and then the journal, in one step, so that what was cut off
/// is seen by the next call, and taken up by it.
/// </summary>
/// <param name="volumes">Runs what is done to single volumes, each with its own gate and lock.</param>
/// <param name="flattenReport">Gets the progress of flattening.</param>
/// <param name="time">Clock.</param>
public sealed class MembershipChange(VolumeOperations volumes, FlattenReport flattenReport, TimeProvider time)
{
    private readonly MemberReplication _replication = new(flattenReport, time);

    /// <summary>What has to be done.</summary>
    internal static async Task<MembershipPlan> PlanAsync(VolumeGroup group, MembershipRequest request, CancellationToken cancellationToken)
    {
        var known = await KnownMembers.ReadAsync(group.Pool, request.Members, cancellationToken).ConfigureAwait(false);
        var images = await GroupDirectory.ReadImagesAsync(group.Pool, group.Entry.GroupName, cancellationToken).ConfigureAwait(false);
        return MembershipPlan.For(known, new Membership(group.Entry.Members, images), request.RemovesOthers);
    }

    /// <summary>Makes sure that those which are to be taken in can be; nothing is changed.</summary>
    /// <exception cref="ReplicationException">One cannot: names it and says what to do.</exception>
    internal async Task CheckAsync(VolumeGroup group, MembershipRequest request, MembershipPlan plan, CancellationToken cancellationToken)
    {
        var join = await JoinAsync(group, request, cancellationToken).ConfigureAwait(false);
        await EachAsync(
            group, request, plan.Joins,
            member => volumes.ReadAsync(new VolumeRequest(member.Handle, request.Credentials), MemberJoin.Name, join.CheckAsync, cancellationToken)).ConfigureAwait(false);
    }

    private async Task<MemberJoin> JoinAsync(VolumeGroup group, MembershipRequest request, CancellationToken cancellationToken) =>
        new(group, request.Flatten, flattenReport, _replication, await StateOf(group).ReadAsync(cancellationToken).ConfigureAwait(false));

    private static GroupStateObject StateOf(VolumeGroup group) => new(group.Pool, group.Entry.Uuid);

    /// <summary>Does it; the caller holds the group's lock.</summary>
    /// <exception cref="ReplicationException">Names the volume that it failed for; what was done stays, and a retry finishes it.</exception>
    internal async Task ApplyAsync(VolumeGroup group, MembershipRequest request, MembershipPlan plan, CancellationToken cancellationToken)
    {
        if (plan.CreatesGroup)
            await CreateAsync(group.RbdGroup).ConfigureAwait(false);
        var join = await JoinAsync(group, request, cancellationToken).ConfigureAwait(false);
        if (join.IsReplicated)
        {
            IReadOnlyList<GroupMember> leaves = [.. plan.Leaves, .. await UnlistedAsync(group, plan, cancellationToken).ConfigureAwait(false)];
            await EachAsync(group, request, leaves, member => LeaveAsync(new VolumeRequest(member.Handle, request.Credentials), cancellationToken)).ConfigureAwait(false);
        }
        foreach (var image in plan.ImagesToRemove)
        {
            cancellationToken.ThrowIfCancellationRequested();
            await group.RbdGroup.RemoveImageAsync(image, CancellationToken.None).ConfigureAwait(false);
        }
        var left = plan.Joins.ToHashSet();
        try
        {
            await EachAsync(group, request, plan.Joins, async member =>
            {
                await volumes.ChangeAsync(new VolumeRequest(member.Handle, request.Credentials), MemberJoin.Name, join.RunAsync, cancellationToken).ConfigureAwait(false);
                lock (left)
                    left.Remove(member);
            }).ConfigureAwait(false);
        }
        finally
        {
            cancellationToken.ThrowIfCancellationRequested();
            await WriteAsync(group, plan, left).ConfigureAwait(false);
        }
    }

    // Those whose joining was cut off and is not wanted any more: they may be mirrored, and the journal does not know them.
    private static async Task<IEnumerable<GroupMember>> UnlistedAsync(VolumeGroup group, MembershipPlan plan, CancellationToken cancellationToken)
    {
        if (plan.ImagesToRemove.Count == 0)
            return [];
        var names = await ImageDirectory.ReadNamesAsync(group.Pool, plan.ImagesToRemove, cancellationToken).ConfigureAwait(false);
        return names.Values
            .Select(name => new VolumeHandle(group.Cluster.ClusterId, group.Pool.Id, name[Math.Max(0, name.Length - VolumeHandle.UuidLength)..]))
            .Where(handle => Guid.TryParseExact(handle.Uuid, "D", out _) && !plan.Leaves.Any(member => member.Handle.Uuid.Equals(handle.Uuid, StringComparison.OrdinalIgnoreCase)))
            .Select(handle => new GroupMember($"{handle}", handle));
    }

    private async Task LeaveAsync(VolumeRequest member, CancellationToken cancellationToken)
    {
        try
        {
            await volumes.ChangeAsync(member, "disable", _replication.LeaveAsync, cancellationToken).ConfigureAwait(false);
        }
        catch (ReplicationException e) when (e.Error == ReplicationError.NotFound)
        {
        }
    }

    private static async Task CreateAsync(RbdGroup group)
    {
        try
        {
            await group.CreateAsync(CancellationToken.None).ConfigureAwait(false);
        }
        catch (CephException e) when (e.Errno == Errno.EEXIST)
        {
        }
    }

    // The other site's handle of a volume that could not be taken in stays until its own is there.
    private static async Task WriteAsync(VolumeGroup group, MembershipPlan plan, HashSet<GroupMember> left)
    {
        var removed = plan.KeysToRemove.Where(key => !left.Any(member => MembershipPlan.IsListed([key], member.Handle))).ToList();
        var added = plan.KeysToSet.Concat(plan.Joins.Except(left).Select(member => member.Id)).ToList();
        if (removed.Count + added.Count > 0)
            await group.Journal.ChangeMembersAsync(group.Entry, removed, added).ConfigureAwait(false);
    }

    private static async Task EachAsync(VolumeGroup group, MembershipRequest request, IReadOnlyList<GroupMember> members, Func<GroupMember, Task> act)
    {
        var failures = new ReplicationException?[members.Count];
        await Task.WhenAll(members.Select(async (member, i) =>
        {
            try
            {
                await act(member).ConfigureAwait(false);
            }
            catch (ReplicationException e)
            {
                failures[i] = e;
            }
        })).ConfigureAwait(false);
        if (MemberFailures.Of(failures.OfType<ReplicationException>(), $"{group}", request.IsCreation ? GroupCall.Create : GroupCall.Modify) is { } failure)
            throw failure;
    }
}

/// <summary>The members that a group is to have.</summary>
/// <param name="Members">The volumes.</param>
/// <param name="RemovesOthers">Whether this is the whole membership; otherwise those that are there stay.</param>
/// <param name="Flatten">What to do with clones.</param>
/// <param name="Credentials">Ceph user and key.</param>
internal sealed record MembershipRequest(IReadOnlyList<GroupMember> Members, bool RemovesOthers, FlattenMode Flatten, CephCredentials Credentials)
{
    /// <summary>Whether the group is made by it.</summary>
    public bool IsCreation => !RemovesOthers;
}
