namespace RbdReplication.Core;

/// <summary>Making a group, or going on with one that was begun.</summary>
/// <param name="requestName">The name it is asked for by.</param>
/// <param name="namePrefix">What the RBD group's name has before the uuid.</param>
/// <param name="membership">Changes the members.</param>
/// <param name="time">Clock.</param>
internal sealed class GroupCreation(string requestName, string namePrefix, MembershipChange membership, TimeProvider time)
{
    /// <summary>Makes it: all volumes are looked at before anything is changed.</summary>
    public async Task<GroupDescription> RunAsync(
        GroupScope scope, GroupPlace place, VolumeHandle handle, MembershipRequest request, CancellationToken cancellationToken)
    {
        var journal = place.Journal;
        var (group, isEntered) = await SeeAsync(place, handle, cancellationToken).ConfigureAwait(false);
        var plan = await MembershipChange.PlanAsync(group, request, cancellationToken).ConfigureAwait(false);
        if (isEntered && plan.IsEmpty)
            return GroupDescription.Of(group);
        await membership.CheckAsync(group, request, plan, cancellationToken).ConfigureAwait(false);
        await scope.LockAsync(journal.Pool).ConfigureAwait(false);

        // Another server may have been here before the lock was ours.
        (group, isEntered) = await SeeAsync(place, handle, cancellationToken).ConfigureAwait(false);
        if (!isEntered)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var existing = await journal.ReadAsync(handle.Uuid, cancellationToken).ConfigureAwait(false);
            await journal.ReserveAsync(new(requestName, handle.Uuid, NameOf(handle), Members: []), existing, time.GetUtcNow()).ConfigureAwait(false);
            (group, _) = await SeeAsync(place, handle, cancellationToken).ConfigureAwait(false);
        }
        plan = await MembershipChange.PlanAsync(group, request, cancellationToken).ConfigureAwait(false);
        await membership.ApplyAsync(group, request, plan, cancellationToken).ConfigureAwait(false);
        return GroupDescription.Of((await SeeAsync(place, handle, cancellationToken).ConfigureAwait(false)).Group);
    }

    // Also whether the journal has all of it.
    private async Task<(VolumeGroup Group, bool IsEntered)> SeeAsync(GroupPlace place, VolumeHandle handle, CancellationToken cancellationToken)
    {
        var entry = await place.Journal.ReadAsync(handle.Uuid, cancellationToken).ConfigureAwait(false);
        if (GroupRules.Same(entry, requestName, NameOf(handle)) is { Refusal: { } refusal } decision)
            throw new ReplicationException(refusal, $"cannot create volume group {requestName}: {decision.Reason}");
        var listed = await place.Journal.FindAsync(requestName, cancellationToken).ConfigureAwait(false);
        var isEntered = entry is { IsComplete: true } && place.Journal.Names(listed, handle.Uuid);
        entry = (entry ?? new GroupEntry(handle.Uuid, null, null, [])) with { RecordedGroupName = NameOf(handle) };
        return (new VolumeGroup(handle, place.Cluster, place.Connection, place.Journal, entry), isEntered);
    }

    private string NameOf(VolumeHandle handle) => namePrefix + handle.Uuid;
}
