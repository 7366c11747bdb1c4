using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Gets told of a mirror daemon that was put on the cluster's blocklist.</summary>
/// <param name="volume">The volume whose promotion waited for it.</param>
/// <param name="address">Its network address.</param>
/// <param name="patience">For how long, at least, it was waited for.</param>
public delegate void CutOffReport(Volume volume, string address, TimeSpan patience);

/// <summary>The image as this site's mirror daemon has it open, which a promotion has to see the end of.</summary>
internal static class DaemonHold
{
    /// <summary>How long a daemon may take to release an image that is being promoted. An idle one takes one to two seconds.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(50);

    // As long as librbd itself does when it breaks a lock.
    private static readonly TimeSpan BlocklistDuration = TimeSpan.FromHours(1);

    /// <summary>
    /// Waits, after a promotion in journal mode, until this site's mirror daemon has released the image, and answers whether the image is primary
    /// then. librbd does not take the image from the daemon in this mode. Until the daemon learns of it, it refuses the image to every writer
    /// (EROFS); and the tag that it enters for each new writer at the peer may come behind that of a forced promotion, upon which the image
    /// is secondary again and followed as if nothing had been asked (16.2: 18 of 96 that were promoted in that moment). A daemon that has
    /// released the image and opens it once more finds the promotion. One that does not release it in time is cut off.
    /// </summary>
    /// <param name="open">The volume.</param>
    /// <param name="wasPrimary">Whether the image was seen as primary before: one that nobody holds then needs no second look.</param>
    /// <param name="time">Clock.</param>
    public static async Task<bool> LeavesPrimaryAsync(OpenVolume open, bool wasPrimary, TimeProvider time)
    {
        var before = await open.Image.Mirroring.ListHoldingDaemonsAsync(CancellationToken.None).ConfigureAwait(false);
        if (wasPrimary && before.Count == 0)
            return true;
        var holding = before;
        var since = time.GetTimestamp();
        // In this order: what is no longer held stays as it is.
        while ((await open.Image.Mirroring.GetInfoAsync(CancellationToken.None).ConfigureAwait(false)).IsPrimary)
        {
            if (holding.Count == 0)
                return true;
            if (time.GetElapsedTime(since) >= Patience)
            {
                await CutOffAsync(open, before).ConfigureAwait(false);
                before = holding;
                since = time.GetTimestamp();
            }
            await Task.Delay(Poll, time, CancellationToken.None).ConfigureAwait(false);
            holding = await open.Image.Mirroring.ListHoldingDaemonsAsync(CancellationToken.None).ConfigureAwait(false);
        }
        return false;
    }

    /// <summary>What to throw where it did not leave it primary.</summary>
    public static ReplicationException FollowsAgain(OpenVolume open) =>
        open.Refused("promote", ReplicationError.Busy, "this site's mirror daemon has begun to follow the peer at the same moment; retry");

    /// <summary>Whether nobody but this client and mirror daemons has the image open for writing; false where that cannot be seen.</summary>
    public static async Task<bool> IsAloneAsync(OpenVolume open)
    {
        try
        {
            return (await open.Image.Mirroring.ListUsersAsync(CancellationToken.None).ConfigureAwait(false)).Count == 0;
        }
        catch (Exception e) when (e is CephException or ObjectDisposedException)
        {
            return false;
        }
    }

    /// <summary>
    /// Puts those on the cluster's blocklist that held the image before and still do. What fails here is left to the next attempt: the
    /// promotion's end alone counts.
    /// </summary>
    public static async Task CutOffAsync(OpenVolume open, IReadOnlyList<ImageWatcher> before)
    {
        try
        {
            var now = await open.Image.Mirroring.ListHoldingDaemonsAsync(CancellationToken.None).ConfigureAwait(false);
            foreach (var address in now.Where(daemon => before.Any(held => held.ClientId == daemon.ClientId)).Select(daemon => daemon.Address).Distinct())
            {
                await open.Volume.Connection.Cluster.BlocklistAsync(address, BlocklistDuration, CancellationToken.None).ConfigureAwait(false);
                open.CutOffs?.Invoke(open.Volume, address, Patience);
            }
        }
        // Or another call has found the connection to be of no more use and closed it.
        catch (Exception e) when (e is CephException or ObjectDisposedException)
        {
        }
    }
}
