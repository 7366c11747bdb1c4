using System.Diagnostics;

namespace RbdReplication.Ceph;

/// <summary>
/// Waiting until no other client, the manager's scheduler above all, is taking a mirror snapshot of an image. Where two do so at
/// once, librbd may end one of the processes or both, see <see cref="ApartProcess"/>.
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

    /// <summary>Waits until nobody but <paramref name="own"/> clients and the peers' mirror daemons has the image open, or two seconds have passed.</summary>
    public static async Task AwaitAsync(RbdImage image, IReadOnlyCollection<long> own, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        HashSet<long>? staying = null;
        while (Stopwatch.GetElapsedTime(started) < Patience)
        {
            var watchers = await image.ListWatchersAsync(cancellationToken).ConfigureAwait(false);
            var others = watchers.Select(watcher => watcher.ClientId).Except(own).ToHashSet();
            if (others.Count == 0)
                return;
            staying ??= [.. await image.Mirroring.ListPeerDaemonsAsync(cancellationToken).ConfigureAwait(false)];
            if (others.IsSubsetOf(staying))
                return;
            await Task.Delay(Poll, cancellationToken).ConfigureAwait(false);
        }
    }
}
