using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>A promotion that does not ask the peer.</summary>
internal static class ForcedPromotion
{
    // The mirror daemon may be working on the image at the same moment (journal mode).
    private const int MaximumAttempts = 5;

    private static readonly TimeSpan ReleasePoll = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan Again = TimeSpan.FromSeconds(1);
    private const int MaximumAnnouncements = 6;

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

    /// <summary>
    /// Sees to it that librbd rolls a copy back that is not complete. It does not where that is one of the peer's demotion, nor where an earlier forced promotion was cut
    /// off meanwhile: it says OK, and leaves a mix of two points in time. And where snapshots of users came with the copy the process ends, as it takes each for
    /// a mirror snapshot when it looks for the one to roll back to (SIGSEGV; 16.2). None of these is whole, nor will be: they are made incomplete copies, too, which librbd
    /// removes when it has rolled back. To remove them here would make a mirror daemon abort that is still copying.
    /// </summary>
    private static async Task PrepareRollbackAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        if (await ReadAsync(open, cancellationToken).ConfigureAwait(false) is not { } stored)
            return;
        IReadOnlyList<MirrorSnapshot> misleading = stored.Mirrors is [.., { State: MirrorSnapshotState.NonPrimaryDemoted, IsComplete: false } demotion]
            ? [demotion]
            : new MirrorChain(stored.Mirrors).UnfinishedRollback;
        // As it will be: what is refused is left as it was.
        var inTheWay = (stored with
        {
            Mirrors = [.. stored.Mirrors.Select(snapshot => misleading.Contains(snapshot) ? snapshot with { State = MirrorSnapshotState.NonPrimary, IsComplete = false } : snapshot)],
        }).OfIncompleteCopy;
        if (misleading.Count == 0 && inTheWay.Count == 0)
            return;
        if (await FindCloneAsync(open, inTheWay, cancellationToken).ConfigureAwait(false) is { } used)
        {
            throw open.Refused(
                "promote", ReplicationError.FailedPrecondition,
                $"its last copy is not complete and has to be rolled back past snapshot {used.Name}, which came with that copy and has clones at this site (rbd children): remove them, as they are not whole either, and promote it again");
        }
        var (pool, imageId) = (open.Image.Pool, open.Image.GetId());
        foreach (var snapshot in misleading)
            await StoredSnapshots.MakeIncompleteAsync(pool, imageId, snapshot, cancellationToken).ConfigureAwait(false);
        foreach (var snapshot in inTheWay)
            await StoredSnapshots.MakeIncompleteAsync(pool, imageId, snapshot, stored.Mirrors[^1], cancellationToken).ConfigureAwait(false);
        await open.ReopenAsync(cancellationToken).ConfigureAwait(false);
    }

    private static async Task<StoredSnapshot?> FindCloneAsync(OpenVolume open, IReadOnlyList<StoredSnapshot> snapshots, CancellationToken cancellationToken) =>
        snapshots.FirstOrDefault(snapshot => snapshot.Clones > 0)
        ?? (snapshots.FirstOrDefault(snapshot => snapshot.IsProtected) is { } isProtected
            && (await open.Image.ListDescendantsAsync(cancellationToken).ConfigureAwait(false)).Count > 0
                ? isProtected
                : null);

    // How a later release stores them is not known, nor what it does with them.
    private static async Task<StoredSnapshots?> ReadAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        try
        {
            return await StoredSnapshots.ReadAsync(open.Image.Pool, open.Image.GetId(), cancellationToken).ConfigureAwait(false);
        }
        catch (FormatException)
        {
            return null;
        }
    }

    private static async Task PromoteAsync(OpenVolume open, TimeProvider time, CancellationToken cancellationToken)
    {
        await PrepareRollbackAsync(open, cancellationToken).ConfigureAwait(false);
        var watchers = await open.Image.ListWatchersAsync(cancellationToken).ConfigureAwait(false);
        var before = await open.Image.Mirroring.ListDaemonsAsync(watchers, cancellationToken).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        var isAlone = watchers.Except(before).All(watcher => watcher.ClientId == (long)open.Volume.Connection.Cluster.InstanceId);
        var promotion = open.Image.Mirroring.PromoteAsync(force: true, CancellationToken.None);
        var release = before.Count > 0 ? AnnounceReleaseAsync(open.Image, before, promotion, time) : Task.CompletedTask;
        while (before.Count > 0
            && await Task.WhenAny(promotion, Task.Delay(DaemonHold.Patience, time, CancellationToken.None)).ConfigureAwait(false) != promotion)
        {
            var wasAlone = isAlone;
            isAlone = await DaemonHold.IsAloneAsync(open).ConfigureAwait(false);
            if (wasAlone && isAlone)
                await DaemonHold.CutOffAsync(open, before).ConfigureAwait(false);
        }
        await release.ConfigureAwait(false);
        await promotion.ConfigureAwait(false);
    }

    /// <summary>
    /// librbd looks every second whether somebody has changed the image's header meanwhile, and only then, or after five seconds, whether the daemon still
    /// has the image open. The daemon's last change comes shortly before it closes the image, and where librbd has looked in between, nothing wakes it any more (16.2:
    /// all of 16 promotions at once, and one of three alone). So it is told when the daemon has gone; and again for as long as
    /// such a wait lasts, since it does not hear it between two of them.
    /// </summary>
    private static async Task AnnounceReleaseAsync(RbdImage image, IReadOnlyList<ImageWatcher> daemons, Task promotion, TimeProvider time)
    {
        var (isHeld, announced) = (true, 0);
        while (announced < MaximumAnnouncements && await Task.WhenAny(promotion, Task.Delay(isHeld ? ReleasePoll : Again, time, CancellationToken.None)).ConfigureAwait(false) != promotion)
        {
            try
            {
                isHeld = (await image.ListWatchersAsync(CancellationToken.None).ConfigureAwait(false)).Any(watcher => daemons.Any(daemon => daemon.ClientId == watcher.ClientId));
                if (isHeld)
                    continue;
                announced++;
                await HeaderUpdate.AnnounceAsync(image, CancellationToken.None).ConfigureAwait(false);
            }
            // The promotion's own end alone counts.
            catch (Exception e) when (e is CephException or ObjectDisposedException)
            {
            }
        }
    }
}
