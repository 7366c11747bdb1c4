using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// Keeps our mirror snapshots off the moments at which the manager's schedule takes one of the same image: two at once can end both
/// processes (librbd 16.2), and while ours is kept apart, the manager is not. <see cref="ImageMirroring.TakeSnapshotAsync"/> waits for one
/// that has begun; this is for one that is about to. A demotion needs no such distance: librbd keeps others out of the image while it
/// runs, and the snapshot it takes is of a kind that they leave alone (341 demotions against a client that took snapshots without a pause, 16.2.15).
/// </summary>
internal static class ManagersTurn
{
    // Longer than a snapshot of ours takes, two rounds of the monitors, and the wait for one that has begun.
    private static readonly TimeSpan Ahead = TimeSpan.FromSeconds(5);

    // The manager takes some images at a time: where many are due at once this one's turn comes later.
    private static readonly TimeSpan Queue = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(100);

    /// <summary>
    /// Waits until no snapshot is due within the next five seconds, and one that was due less than five seconds ago has been taken. One read.
    /// </summary>
    public static async Task AwaitAsync(OpenVolume open, TimeProvider time, CancellationToken cancellationToken)
    {
        var id = open.Image.GetId();
        var schedules = await SnapshotSchedules.ListInForceAsync(open.Volume.Connection, open.Volume.Pool, [id], cancellationToken).ConfigureAwait(false);
        var inForce = schedules.GetValueOrDefault(id, []);
        if (inForce.Min(schedule => schedule.UntilNext(time.GetUtcNow())) is { } next && next < Ahead)
            await Task.Delay(next, time, cancellationToken).ConfigureAwait(false);
        var due = inForce.Max(schedule => schedule.LastDue(time.GetUtcNow()));
        while (due is { } at && time.GetUtcNow() - at < Queue && !await IsTakenAsync(open, at, cancellationToken).ConfigureAwait(false))
            await Task.Delay(Poll, time, cancellationToken).ConfigureAwait(false);
    }

    private static async Task<bool> IsTakenAsync(OpenVolume open, DateTimeOffset due, CancellationToken cancellationToken)
    {
        var chain = await MirrorChain.ReadAsync(open.Image.Mirroring, cancellationToken).ConfigureAwait(false);
        return chain.Newest is { IsComplete: true } newest && newest.TakenAt >= due;
    }
}
