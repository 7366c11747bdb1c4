using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Gets how far reclaiming is, at most twice a minute.</summary>
/// <param name="volume">The volume.</param>
/// <param name="percent">Finished part, in steps of ten.</param>
public delegate void ReclaimReport(Volume volume, int percent);

/// <summary>Gets that a volume was left untouched, and why.</summary>
/// <param name="volume">The volume.</param>
/// <param name="reason">Why.</param>
public delegate void UntouchedReport(Volume volume, string reason);

/// <summary>Freeing the objects of an image that hold nothing but zeros.</summary>
/// <param name="progress">Gets how far it is.</param>
/// <param name="untouched">Gets why nothing was done.</param>
/// <param name="time">Clock.</param>
internal sealed class Reclaiming(ReclaimReport progress, UntouchedReport untouched, TimeProvider time)
{
    // How long a node that wants the volume, or another server that changes its role, meets this one on it.
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan ReportPause = TimeSpan.FromSeconds(30);

    // The manager's scheduler has an image open for a round or two of the monitors with each mirror snapshot.
    private static readonly TimeSpan Passing = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(200);

    /// <summary>Frees what can be freed. An image that is in use, or whose primary is elsewhere, stays as it is.</summary>
    /// <param name="open">The volume.</param>
    /// <param name="caller">Ends waiting for its turn, and nothing is begun.</param>
    /// <param name="giveWay">Ends the work, at the next object.</param>
    /// <exception cref="ReplicationException">Busy: somebody else has taken the volume meanwhile.</exception>
    public async Task<ReclaimedSpace> RunAsync(OpenVolume open, CancellationToken caller, CancellationToken giveWay)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(caller, giveWay);
        if (await WhyNotAsync(open.Image, either.Token).ConfigureAwait(false) is { } reason)
            return Untouched(open, reason);
        var turns = open.Volume.Connection.ReclaimTurns;
        await turns.WaitAsync(either.Token).ConfigureAwait(false);
        try
        {
            await using var image = await open.Image.OpenForWritingAsync(either.Token).ConfigureAwait(false);
            if (await WhyNotAsync(image, either.Token).ConfigureAwait(false) is { } late)
                return Untouched(open, late);
            var before = await image.Space.GetUsedBytesAsync(either.Token).ConfigureAwait(false);
            either.Token.ThrowIfCancellationRequested();
            await SparsifyAsync(open, image, giveWay).ConfigureAwait(false);
            return before is null ? ReclaimedSpace.Unknown : new(before, await image.Space.GetUsedBytesAsync(CancellationToken.None).ConfigureAwait(false));
        }
        finally
        {
            turns.Release();
        }
    }

    private ReclaimedSpace Untouched(OpenVolume open, string reason)
    {
        untouched(open.Volume, reason);
        return ReclaimedSpace.Untouched;
    }

    private async Task<string?> WhyNotAsync(RbdImage image, CancellationToken cancellationToken)
    {
        for (var started = time.GetTimestamp(); ; await Task.Delay(Poll, time, cancellationToken).ConfigureAwait(false))
        {
            var seen = await ImageUse.ReadAsync(image, cancellationToken).ConfigureAwait(false);
            var reason = ReclaimRules.WhyNot(seen);
            if (seen.User is null || ReclaimRules.WhyNot(seen with { User = null }) is not null || time.GetElapsedTime(started) >= Passing)
                return reason;
        }
    }

    private async Task SparsifyAsync(OpenVolume open, RbdImage image, CancellationToken giveWay)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(giveWay);
        var token = stop.Token;
        var steps = new ProgressSteps(time, ReportPause, percent => progress(open.Volume, percent));
        var sparsifying = image.Space.SparsifyAsync(
            part =>
            {
                steps.Take(part);
                return !token.IsCancellationRequested;
            }, CancellationToken.None);
        string? taken = null;
        ImageWatcher? last = null;
        while (await Task.WhenAny(sparsifying, Task.Delay(Look, time, CancellationToken.None)).ConfigureAwait(false) != sparsifying)
        {
            if (await LookAsync(image).ConfigureAwait(false) is { } seen)
            {
                // One that was not there at the last look may be the scheduler.
                taken ??= ReclaimRules.WhyNot(seen with { User = seen.User?.ClientId == last?.ClientId ? seen.User : null });
                last = seen.User;
            }
            if (taken is not null)
                await stop.CancelAsync().ConfigureAwait(false);
        }
        try
        {
            await sparsifying.ConfigureAwait(false);
        }
        catch (CephException e) when (e.Errno is Errno.ECANCELED or Errno.ERESTART or Errno.EROFS or Errno.EBUSY or Errno.EOPNOTSUPP)
        {
            giveWay.ThrowIfCancellationRequested();
            throw open.Refused("reclaim space of", ReplicationError.Busy, $"somebody has taken the image meanwhile ({taken ?? e.Errno.ToString()}); retry", e);
        }
    }

    // What cannot be known now is looked at again.
    private static async Task<ImageUse?> LookAsync(RbdImage image)
    {
        try
        {
            return await ImageUse.ReadAsync(image, CancellationToken.None).ConfigureAwait(false);
        }
        catch (CephException)
        {
            return null;
        }
    }
}
