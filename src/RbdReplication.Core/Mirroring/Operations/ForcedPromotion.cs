using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>A promotion that does not ask the peer.</summary>
internal static class ForcedPromotion
{
    // The mirror daemon may be working on the image at the same moment (journal mode).
    private const int MaximumAttempts = 5;

    /// <summary>
    /// Promotes. librbd waits, without limit, until this site's mirror daemon releases the image. Where the link to the peer
    /// broke in mid-copy the daemon never does (16.2), and an attempt that is given up then leaves the image half copied: so a
    /// daemon that held the image from before and still does is cut off, upon which librbd rolls back and ends. The daemon
    /// connects again by itself, as a rule. Nobody else is cut off, however long it takes: a node that has the image mapped would lose its
    /// other volumes too; and the daemon is not as long as anybody else has the image open, whom librbd waits for first: a server
    /// that was killed in the middle of a promotion counts for half a minute. Once begun all this is done to its end, whether or not the caller still waits: a promotion that
    /// nobody frees would keep the volume busy for as long as the daemon hangs.
    /// </summary>
    public static async Task RunAsync(OpenVolume open, MirrorImageMode mode, TimeProvider time, CancellationToken cancellationToken)
    {
        for (var attempts = 1; ; attempts++)
        {
            try
            {
                await PromoteAsync(open, time, cancellationToken).ConfigureAwait(false);
                if (mode == MirrorImageMode.Snapshot || await DaemonHold.LeavesPrimaryAsync(open, wasPrimary: false, time).ConfigureAwait(false))
                    return;
                if (attempts == MaximumAttempts)
                    throw DaemonHold.FollowsAgain(open);
            }
            // The daemon has entered a tag in the journal at the same moment.
            catch (CephException e) when (e.Errno == Errno.EEXIST && attempts < MaximumAttempts)
            {
            }
        }
    }

    private static async Task PromoteAsync(OpenVolume open, TimeProvider time, CancellationToken cancellationToken)
    {
        var watchers = await open.Image.ListWatchersAsync(cancellationToken).ConfigureAwait(false);
        var before = await open.Image.Mirroring.ListDaemonsAsync(watchers, cancellationToken).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        var isAlone = watchers.Except(before).All(watcher => watcher.ClientId == (long)open.Volume.Connection.Cluster.InstanceId);
        var promotion = open.Image.Mirroring.PromoteAsync(force: true, CancellationToken.None);
        while (before.Count > 0
            && await Task.WhenAny(promotion, Task.Delay(DaemonHold.Patience, time, CancellationToken.None)).ConfigureAwait(false) != promotion)
        {
            var wasAlone = isAlone;
            isAlone = await DaemonHold.IsAloneAsync(open).ConfigureAwait(false);
            if (wasAlone && isAlone)
                await DaemonHold.CutOffAsync(open, before).ConfigureAwait(false);
        }
        await promotion.ConfigureAwait(false);
    }
}
