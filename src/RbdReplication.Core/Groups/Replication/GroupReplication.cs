using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// The replication calls for a volume group: those for a volume, applied to all members at once. What is done to a member is in
/// <c>Mirroring/Operations</c>, how the members go together in <see cref="GroupChange"/>, what their answers are as one in
/// <see cref="MemberFailures"/> and <see cref="GroupInfo"/>.
/// </summary>
/// <param name="resolver">Finds groups.</param>
/// <param name="operations">Runs operations on groups.</param>
/// <param name="volumes">Runs operations on members.</param>
/// <param name="time">Clock, for waiting and for the age of reports.</param>
/// <param name="flattenReport">Gets the progress of flattening.</param>
/// <param name="report">Gets told how forced promotions have ended.</param>
/// <param name="generations">Takes the generations of groups that are primary here.</param>
public sealed class GroupReplication(
    GroupResolver resolver, GroupOperations operations, VolumeOperations volumes, TimeProvider time, FlattenReport flattenReport, FailoverReport report,
    GenerationSchedule generations) : IReplication
{
    private readonly OpenQuestions _questions = new(time);

    /// <inheritdoc/>
    public async Task EnableAsync(VolumeRequest request, ReplicationParameters parameters, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        if (parameters.Mode == MirrorImageMode.Journal)
            throw new ReplicationException(ReplicationError.InvalidArgument, $"volume group {request.Handle}: parameter mirroringMode is \"journal\", and groups are mirrored in snapshot mode; correct the class");
        var hasPrimary = false;
        GroupState Enabled(GroupState? now) =>
            (now ?? new GroupState(hasPrimary ? WantedRole.Primary : WantedRole.Secondary, null)).ScheduledBy(parameters);
        await ChangeAsync(
            request, GroupCall.Enable, "enable",
            async (open, consent, token) =>
            {
                open.Require("enable", GroupRules.Barrier(await open.Image.GetFeaturesAsync(token).ConfigureAwait(false)));
                var enabling = new Enabling(parameters, flattenReport, consent);
                await enabling.RunAsync(open, token).ConfigureAwait(false);
                if (enabling.IsSecondary)
                    return;
                Volatile.Write(ref hasPrimary, true);
                // The group is taken as a whole.
                await SnapshotSchedules.ClearAsync(open, token).ConfigureAwait(false);
                await PointPlans.RemoveAsync(open, token).ConfigureAwait(false);
            },
            begun: now => now, Enabled, cancellationToken).ConfigureAwait(false);
        generations.Keep(request, isChanged: true);
    }

    /// <inheritdoc/>
    public async Task PromoteAsync(VolumeRequest request, ReplicationParameters parameters, bool force, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(parameters);
        await ChangeAsync(
            request, force ? VolumeReplication.ForcedPromotionName : "promote",
            (group, change, state, token) =>
            {
                var failover = new GroupFailoverRun(parameters, _questions, time, report);
                // One that was begun by force is finished by whichever promotion comes next.
                return force || state?.Failover is not null
                    ? change.RunAsync(
                        GroupCall.Promote, VolumeReplication.ForcedPromotionName, request.Credentials, failover.PromoteAsync, failover.Begun, failover.Ended,
                        to => failover.ReturnAsync(group, to, token), token)
                    : change.RunAsync(
                        GroupCall.Promote, "promote", request.Credentials,
                        (open, consent, stop) => new Promotion(parameters with { Schedule = null }, force: false, _questions, time, consent).RunAsync(open, stop),
                        failover.Ended, failover.Ended, together: null, token);
            }, cancellationToken).ConfigureAwait(false);
        generations.Keep(request, isChanged: true);
    }

    /// <inheritdoc/>
    public Task DemoteAsync(VolumeRequest request, bool force, CancellationToken cancellationToken)
    {
        // What a forced promotion has left undone is not wanted any more.
        static GroupState Secondary(GroupState? now) => (now ?? new GroupState(WantedRole.Secondary, null)) with { Role = WantedRole.Secondary, Failover = null, LastFailover = null };
        return ChangeAsync(
            request, GroupCall.Demote, "demote", (open, consent, token) => new Demotion(force, _questions, time, consent).RunAsync(open, token), Secondary, Secondary, cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<bool> ResyncAsync(VolumeRequest request, bool force, CancellationToken cancellationToken)
    {
        var unready = 0;
        await ChangeAsync(
            request, GroupCall.Resync, "resync",
            async (open, consent, token) =>
            {
                var resync = new Resync(force, _questions, consent);
                await resync.RunAsync(open, token).ConfigureAwait(false);
                if (!resync.IsReady)
                    Interlocked.Increment(ref unready);
            },
            begun: now => now, ended: now => now, cancellationToken).ConfigureAwait(false);
        return unready == 0;
    }

    /// <inheritdoc/>
    public Task DisableAsync(VolumeRequest request, bool force, CancellationToken cancellationToken) => ChangeAsync(
        request, GroupCall.Disable, "disable",
        async (open, consent, token) =>
        {
            await new Disabling(force, _questions, time, consent).RunAsync(open, token).ConfigureAwait(false);
            await GenerationRemoval.OfAllAsync(open, token).ConfigureAwait(false);
        },
        begun: now => now, ended: _ => null, cancellationToken);

    /// <inheritdoc/>
    public Task<ReplicationInfo> GetInfoAsync(VolumeRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        var doing = $"{InfoReading.Name} volume group {request.Handle}";
        return operations.ReadAsync(
            doing,
            async (scope, token) =>
            {
                var group = await resolver.FindCompleteAsync(request, scope, token).ConfigureAwait(false);
                generations.Keep(request, isChanged: false);
                var state = await new GroupStateObject(group.Pool, group.Entry.Uuid).ReadAsync(token).ConfigureAwait(false);
                if (state?.Failover is { } failover)
                    return GroupInfo.Of(failover);
                var reading = new InfoReading(time, state?.Schedule is { } schedule ? [schedule] : []);
                var members = await Task.WhenAll(
                    group.RequireMembers(doing).Select(member => ReadAsync(member.Id, new VolumeRequest(member.Handle, request.Credentials), reading, token))).ConfigureAwait(false);
                if (MemberFailures.Of(members.Select(member => member.Failure).OfType<ReplicationException>(), $"{group}", GroupCall.GetInfo) is { } failure)
                    throw failure;
                var sites = await group.Connection.GetSitesAsync(group.Pool, token).ConfigureAwait(false);
                // Of a member whose image is gone the peer has no generation that anybody could return to.
                var held = members.All(member => member.Snapshots is not null)
                    ? GenerationRules.HeldBy(group.Entry.Uuid, [.. members.Select(member => member.Snapshots!)], sites.FollowerUuids, state?.PartedAt)
                    : null;
                var info = GroupInfo.Of([.. members.Select(member => member.Info!)], held, state?.Taken ?? 0);
                return info.IsAwaited ? throw new ReplicationException(ReplicationError.NotFound, $"{group} has no sync time yet: {info.Message}") : info;
            }, cancellationToken);
    }

    private async Task<(MemberInfo? Info, MemberSnapshots? Snapshots, ReplicationException? Failure)> ReadAsync(
        string volume, VolumeRequest request, InfoReading reading, CancellationToken cancellationToken)
    {
        try
        {
            MemberSnapshots? snapshots = null;
            var info = await volumes.ReadAsync(
                request, InfoReading.Name,
                async (open, token) =>
                {
                    snapshots = await MemberSnapshots.ReadAsync(open.Image, token).ConfigureAwait(false);
                    return await reading.ReadAsync(open, token).ConfigureAwait(false);
                }, cancellationToken).ConfigureAwait(false);
            return (new MemberInfo(volume, info), snapshots, null);
        }
        // NotFound is what the caller ignores.
        catch (ReplicationException e) when (e.Error == ReplicationError.NotFound)
        {
            return (new MemberInfo(volume, new ReplicationInfo(ReplicationHealth.Error, e.Message, null, null, 0, IsAwaited: false)), null, null);
        }
        catch (ReplicationException e)
        {
            return (null, null, e);
        }
    }

    private Task<bool> ChangeAsync(
        VolumeRequest request, GroupCall call, string name, MemberOperation operation, Func<GroupState?, GroupState?> begun, Func<GroupState?, GroupState?> ended,
        CancellationToken cancellationToken) => ChangeAsync(
            request, name, (_, change, _, token) => change.RunAsync(call, name, request.Credentials, operation, begun, ended, together: null, token), cancellationToken);

    private Task<bool> ChangeAsync(
        VolumeRequest request, string name, Func<VolumeGroup, GroupChange, GroupState?, CancellationToken, Task> run, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        return operations.ChangeAsync(
            request.Handle, $"{name} volume group",
            async (scope, token) =>
            {
                var group = await resolver.FindCompleteAsync(request, scope, token).ConfigureAwait(false);
                var change = new GroupChange(group, scope, volumes, time);
                await run(group, change, await change.LookAsync(token).ConfigureAwait(false), token).ConfigureAwait(false);
                return true;
            }, cancellationToken);
    }
}
