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
    /// broke in mid-copy the daemon never does (16.2), and an attempt that is given up then leaves the image half copied: so
    /// the client that held the image from before and still does is cut off, upon which librbd rolls back and ends. The daemon
    /// connects anew by itself. Where several clients hold the image nobody is cut off: one of them may be a node that has it
    /// mapped, which would lose its other volumes too. Once begun all this is done to its end, whether or not the caller still
    /// waits: a promotion that nobody frees would keep the volume busy for as long as the daemon hangs.
    /// </summary>
    public static async Task RunAsync(OpenVolume open, TimeProvider time, CancellationToken cancellationToken)
    {
        var before = await OthersAsync(open, cancellationToken).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        var promotion = open.Image.Mirroring.PromoteAsync(force: true, CancellationToken.None);
        if (await Task.WhenAny(promotion, Task.Delay(Patience, time, CancellationToken.None)).ConfigureAwait(false) != promotion
            && before is [var holder] && (await OthersAsync(open, CancellationToken.None).ConfigureAwait(false)).Contains(holder))
        {
            await open.Volume.Connection.Cluster.BlocklistAsync(holder, BlocklistDuration, CancellationToken.None).ConfigureAwait(false);
        }
        await promotion.ConfigureAwait(false);
    }

    private static async Task<IReadOnlyList<string>> OthersAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        var watchers = await open.Image.ListWatchersAsync(cancellationToken).ConfigureAwait(false);
        var own = (long)open.Volume.Connection.Cluster.InstanceId;
        return [.. watchers.Where(watcher => watcher.ClientId != own).Select(watcher => watcher.Address).Distinct()];
    }
}
