using System.Diagnostics;

namespace RbdReplication.Ceph;

/// <summary>
/// Waiting until no other client, the manager's scheduler above all, is taking a mirror snapshot of an image. Where two do so at
/// once, one sees the other's while it is not complete yet, takes the peers off it, and as it is the newest cannot remove it:
/// librbd then calls itself until the stack is used up, in both processes (16.2, with any value of
/// <c>rbd_mirroring_max_mirroring_snapshots</c>).
/// </summary>
/// <remarks>
/// Who takes a snapshot has the image open meanwhile, and is seen as a watcher. One that comes while ours is being taken is not
/// kept out: librbd has no lock for that.
/// </remarks>
internal static class SnapshotTurn
{
    // Two rounds of the monitors, each of which gives numbers to snapshots. A node that has the volume stays for longer.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(20);

    /// <summary>Waits until nobody but this client and the peers' mirror daemons has the image open, or two seconds have passed.</summary>
    public static async Task AwaitAsync(RbdImage image, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        HashSet<long>? staying = null;
        while (Stopwatch.GetElapsedTime(started) < Patience)
        {
            var watchers = await image.ListWatchersAsync(cancellationToken).ConfigureAwait(false);
            var others = watchers.Select(watcher => watcher.ClientId).Where(id => id != (long)image.Pool.Cluster.InstanceId).ToHashSet();
            if (others.Count == 0)
                return;
            staying ??= [.. await image.Mirroring.ListPeerDaemonsAsync(cancellationToken).ConfigureAwait(false)];
            if (others.IsSubsetOf(staying))
                return;
            await Task.Delay(Poll, cancellationToken).ConfigureAwait(false);
        }
    }
}
