using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// Keeps our mirror snapshots off the moments at which the manager's schedule takes one of the same image: two at once end both
/// processes (librbd 16.2). <see cref="ImageMirroring"/> waits for one that has begun; this is for one that is about to.
/// </summary>
internal static class ManagersTurn
{
    // Longer than a snapshot of ours takes: two rounds of the monitors.
    private static readonly TimeSpan Ahead = TimeSpan.FromSeconds(3);

    // By then the manager has the image open, and is seen.
    private static readonly TimeSpan Margin = TimeSpan.FromSeconds(0.5);

    /// <summary>Waits until no snapshot is due within the next three seconds. One read.</summary>
    public static async Task AwaitAsync(OpenVolume open, TimeProvider time, CancellationToken cancellationToken)
    {
        var id = open.Image.GetId();
        var schedules = await SnapshotSchedules.ListInForceAsync(open.Volume.Connection, open.Volume.Pool, [id], cancellationToken).ConfigureAwait(false);
        var next = schedules.GetValueOrDefault(id, []).Min(schedule => schedule.UntilNext(time.GetUtcNow()));
        if (next < Ahead)
            await Task.Delay(next.Value + Margin, time, cancellationToken).ConfigureAwait(false);
    }
}
