using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>A promotion that does not ask the peer.</summary>
internal static class ForcedPromotion
{
    // An idle image takes one to two seconds.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    // As long as librbd itself does when it breaks a lock.
    private static readonly TimeSpan BlocklistDuration = TimeSpan.FromHours(1);

    /// <summary>
    /// Promotes. librbd waits, without limit, until this site's mirror daemon lets go of the image. Where the link to the peer
    /// broke in mid-copy the daemon never does (16.2), and an attempt that is given up then leaves the image half copied: so a
    /// daemon that held the image from before and still does is cut off, upon which librbd rolls back and ends. The daemon
    /// connects anew by itself. Nobody else is cut off, however long it takes: a node that has the image mapped would lose its
    /// other volumes too. Once begun all this is done to its end, whether or not the caller still waits: a promotion that
    /// nobody frees would keep the volume busy for as long as the daemon hangs.
    /// </summary>
    public static async Task RunAsync(OpenVolume open, TimeProvider time, CancellationToken cancellationToken)
    {
        var before = await open.Image.Mirroring.ListHoldingDaemonsAsync(cancellationToken).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        var promotion = open.Image.Mirroring.PromoteAsync(force: true, CancellationToken.None);
        while (before.Count > 0 && await Task.WhenAny(promotion, Task.Delay(Patience, time, CancellationToken.None)).ConfigureAwait(false) != promotion)
            await CutOffAsync(open, before).ConfigureAwait(false);
        await promotion.ConfigureAwait(false);
    }

    // What fails here is tried again while the promotion goes on, whose end alone counts.
    private static async Task CutOffAsync(OpenVolume open, IReadOnlyList<ImageWatcher> before)
    {
        try
        {
            var now = await open.Image.Mirroring.ListHoldingDaemonsAsync(CancellationToken.None).ConfigureAwait(false);
            foreach (var address in now.Where(daemon => before.Any(held => held.ClientId == daemon.ClientId)).Select(daemon => daemon.Address).Distinct())
                await open.Volume.Connection.Cluster.BlocklistAsync(address, BlocklistDuration, CancellationToken.None).ConfigureAwait(false);
        }
        // Or another call has found the connection to be of no more use and closed it.
        catch (Exception e) when (e is CephException or ObjectDisposedException)
        {
        }
    }
}
