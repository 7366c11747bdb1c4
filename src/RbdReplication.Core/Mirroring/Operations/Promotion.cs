using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Making this site's image primary, and giving it its snapshot schedule.</summary>
/// <param name="parameters">The schedule, and how strict to be.</param>
/// <param name="force">Do not ask the peer.</param>
/// <param name="questions">Since when volumes are wanted as primary.</param>
/// <param name="time">Clock.</param>
/// <param name="consent">Given between the decision and the deed.</param>
internal sealed class Promotion(ReplicationParameters parameters, bool force, OpenQuestions questions, TimeProvider time, Consent consent)
{
    /// <summary>Promotes what is secondary, by <see cref="UnforcedPromotion"/> or <see cref="ForcedPromotion"/>.</summary>
    /// <exception cref="ReplicationException">It would lose something, or might.</exception>
    public async Task RunAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        var info = await open.RequireMirroredAsync(cancellationToken).ConfigureAwait(false);
        var mode = await open.GetModeAsync(cancellationToken).ConfigureAwait(false);
        if (!info.IsPrimary)
            await PromoteAsync(open, mode, cancellationToken).ConfigureAwait(false);
        else if (CutOffRules.IsReadOnlyPrimary(info.IsPrimary, await open.Image.GetFeaturesAsync(cancellationToken).ConfigureAwait(false)))
            await FinishAsync(open, cancellationToken).ConfigureAwait(false);
        // An image that was primary already is looked at as well: whoever promoted it may have been killed before this.
        if (mode == MirrorImageMode.Journal && (info.IsPrimary || !force))
            await TakeFromDaemonAsync(open, info.IsPrimary).ConfigureAwait(false);
        questions.Settle(open.Volume.Handle);
        if (parameters.Schedule is { } schedule && mode == MirrorImageMode.Snapshot)
            await SetScheduleAsync(open, schedule, parameters.ConsistencyPoints, cancellationToken).ConfigureAwait(false);
    }

    private async Task PromoteAsync(OpenVolume open, MirrorImageMode mode, CancellationToken cancellationToken)
    {
        // Who wants it as primary does not want it thrown away, and librbd's promotion leaves such a request where it is.
        await Resync.WithdrawAsync(open, cancellationToken).ConfigureAwait(false);
        if (force)
            await open.ForWritingAsync(cancellationToken).ConfigureAwait(false);
        if ((await DecideOnWholenessAsync(open, cancellationToken).ConfigureAwait(false)).Refusal is not null)
        {
            // So it looks, too, while another server is in the middle of it; with the lock it is known that none is.
            await open.ForWritingAsync(cancellationToken).ConfigureAwait(false);
            open.Require("promote", await DecideOnWholenessAsync(open, cancellationToken).ConfigureAwait(false));
        }
        if (force)
        {
            await consent.IsGivenAsync(Consent.Lasting, cancellationToken).ConfigureAwait(false);
            var parts = PointRules.Partial(await MemberSnapshots.ReadAsync(open.Image, cancellationToken).ConfigureAwait(false));
            await ForcedPromotion.RunAsync(open, mode, time, cancellationToken).ConfigureAwait(false);
            await RemoveAsync(open, parts).ConfigureAwait(false);
            return;
        }
        await new UnforcedPromotion(open, questions, time, consent).RunAsync(parameters.StrictFailover, cancellationToken).ConfigureAwait(false);
    }

    // Points that were being copied. The promotion has been made, and what is in the way of tidying must not have it called failed.
    private static async Task RemoveAsync(OpenVolume open, IReadOnlyList<PointName> parts)
    {
        try
        {
            foreach (var part in parts)
                await GenerationRemoval.RemoveAsync(open.Image, part.ToString(), CancellationToken.None).ConfigureAwait(false);
        }
        catch (CephException)
        {
        }
    }

    private async Task TakeFromDaemonAsync(OpenVolume open, bool wasPrimary)
    {
        if (await DaemonHold.LeavesPrimaryAsync(open, wasPrimary, time).ConfigureAwait(false))
            return;
        if (!force)
            throw DaemonHold.FollowsAgain(open);
        await open.ForWritingAsync(CancellationToken.None).ConfigureAwait(false);
        await ForcedPromotion.RunAsync(open, MirrorImageMode.Journal, time, CancellationToken.None).ConfigureAwait(false);
    }

    private async Task<RelocationDecision> DecideOnWholenessAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        var history = await ImageHistory.ReadAsync(open, cancellationToken).ConfigureAwait(false);
        var decision = CutOffRules.Rollback(history.Chain, force);
        return force && decision.Refusal is null ? PromotionRules.Forced(history) : decision;
    }

    // A promotion that was cut off has left the image primary and read-only.
    private async Task FinishAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        await Resync.WithdrawAsync(open, cancellationToken).ConfigureAwait(false);
        await open.ForWritingAsync(cancellationToken).ConfigureAwait(false);
        // Another tool may have been in the middle of it; with the lock it is no server of ours.
        var info = await open.RequireMirroredAsync(cancellationToken).ConfigureAwait(false);
        if (!CutOffRules.IsReadOnlyPrimary(info.IsPrimary, await open.Image.GetFeaturesAsync(cancellationToken).ConfigureAwait(false)))
            throw open.Refused("promote", ReplicationError.Busy, "another tool has changed its role just now; retry");
        await consent.IsGivenAsync(Consent.Lasting, cancellationToken).ConfigureAwait(false);
        await open.Image.Mirroring.DemoteAsync(cancellationToken).ConfigureAwait(false);
        await open.Image.Mirroring.PromoteAsync(force: false, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Whether an image that is primary has the schedule that is asked for, and no other.</summary>
    public static async Task<bool> HasScheduleAsync(Volume volume, string imageId, ReplicationParameters parameters, CancellationToken cancellationToken)
    {
        if (parameters.Schedule is not { } schedule)
            return true;
        var plan = parameters.ConsistencyPoints is { } keep ? new PointPlan(schedule, keep) : null;
        var ofManager = SnapshotSchedules.IsAsync(volume.Connection, volume.Pool, imageId, plan is null ? schedule : null, cancellationToken);
        var ofServer = PointPlans.ReadAsync(volume.Pool, imageId, cancellationToken);
        await Task.WhenAll(ofManager, ofServer).ConfigureAwait(false);
        return await ofManager.ConfigureAwait(false)
            && await ofServer.ConfigureAwait(false) is var present && (plan is null ? present is null : present?.Means(plan) == true);
    }

    // Adding first: there is no moment without any schedule.
    private static async Task SetScheduleAsync(OpenVolume open, ReplicationSchedule schedule, int? points, CancellationToken cancellationToken)
    {
        try
        {
            if (points is { } keep)
            {
                await PointPlans.SetAsync(open, new PointPlan(schedule, keep), cancellationToken).ConfigureAwait(false);
                await SnapshotSchedules.ClearAsync(open, cancellationToken).ConfigureAwait(false);
            }
            else
            {
                await SnapshotSchedules.SetAsync(open, schedule, cancellationToken).ConfigureAwait(false);
                await PointPlans.RemoveAsync(open, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (CephException e)
        {
            throw ReplicationException.From(e, $"set the snapshot schedule of {open.Volume}, which is promoted");
        }
    }
}
