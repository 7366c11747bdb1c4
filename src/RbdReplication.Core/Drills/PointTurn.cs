using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>One look at a volume that is kept: takes a point if one is due and no other server does.</summary>
/// <param name="open">The volume.</param>
/// <param name="locks">One server for each volume's points.</param>
/// <param name="seen">Gets the plan as it is.</param>
/// <param name="report">Gets what became of the point.</param>
/// <param name="time">Clock.</param>
internal sealed class PointTurn(OpenVolume open, VolumeLocks locks, Action<PointPlan?> seen, PointReport report, TimeProvider time)
{
    /// <summary>Does it.</summary>
    /// <param name="giveWay">Begins no further step: a change of the volume goes before.</param>
    public async Task<DueLook> RunAsync(CancellationToken giveWay)
    {
        var wait = (await ReadAsync(giveWay).ConfigureAwait(false))?.UntilDue(time.GetUtcNow());
        if (wait != TimeSpan.Zero)
            return new(wait);
        // Losing it does no harm but that of one point too many.
        open.LockWith(() => locks.TakeAsync(open.Volume.Pool, open.Volume.Handle, PointSchedule.Name, onLost: () => { }, giveWay));
        await open.ForWritingAsync(giveWay).ConfigureAwait(false);
        // Another server may have taken it before the lock was ours.
        var plan = await ReadAsync(giveWay).ConfigureAwait(false);
        wait = plan?.UntilDue(time.GetUtcNow());
        if (plan is null || wait != TimeSpan.Zero)
            return new(wait);
        var begun = time.GetUtcNow();
        var name = PointRules.Unfinished(await MemberSnapshots.ReadAsync(open.Image, giveWay).ConfigureAwait(false)) ?? PointRules.NameOf(begun);
        await new PointTaking(name, plan.Keep, time).RunAsync(open, giveWay).ConfigureAwait(false);
        await PointPlans.SetTakenAsync(open, plan, begun).ConfigureAwait(false);
        report(open.Volume.Handle, name, "");
        return new((await ReadAsync(giveWay).ConfigureAwait(false))?.UntilDue(time.GetUtcNow()));
    }

    private async Task<PointPlan?> ReadAsync(CancellationToken cancellationToken)
    {
        var plan = await PointPlans.ReadAsync(open, cancellationToken).ConfigureAwait(false);
        if (plan is not null && await open.Image.Mirroring.GetInfoAsync(cancellationToken).ConfigureAwait(false) is not { State: MirrorImageState.Enabled, IsPrimary: true })
            plan = null;
        seen(plan);
        return plan;
    }
}
