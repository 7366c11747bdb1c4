namespace RbdReplication.Core;

/// <summary>Making this site's image primary without force, as soon as that loses nothing.</summary>
/// <param name="open">The volume.</param>
/// <param name="time">Clock.</param>
internal sealed class Promotion(OpenVolume open, TimeProvider time)
{
    // How long one call waits for this site's mirror daemon; then the caller is told to come again. It takes two rounds of
    // the monitors at most.
    private static readonly TimeSpan ReleaseWait = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ReleasePoll = TimeSpan.FromMilliseconds(50);

    /// <summary>Promotes.</summary>
    /// <param name="chain">The image's mirror snapshots.</param>
    /// <param name="firstAsked">When this promotion was first asked for, which depends on them.</param>
    /// <param name="releaseFirstAsked">Since when the mirror daemon is waited for; asked only while it is.</param>
    /// <param name="strict">Whether to wait for a living primary peer to be demoted instead of asking for force.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ReplicationException">It would lose something, or might.</exception>
    public async Task RunAsync(
        MirrorChain chain, Func<MirrorChain, DateTimeOffset> firstAsked, Func<DateTimeOffset> releaseFirstAsked, bool strict, CancellationToken cancellationToken)
    {
        var deadline = time.GetUtcNow() + ReleaseWait;
        while (true)
        {
            var isHeld = chain.EndsInPeersDemotion && await open.Image.Mirroring.IsHeldByDaemonAsync(cancellationToken).ConfigureAwait(false);
            var reports = await SiteReports.ReadAsync(open, cancellationToken).ConfigureAwait(false);
            var decision = RelocationRules.Promotion(chain, isHeld ? releaseFirstAsked() : null, reports.Own, reports.Peer, firstAsked(chain), time.GetUtcNow(), strict);
            if (decision.Refusal is not { } refusal)
                break;
            if (!isHeld || time.GetUtcNow() >= deadline)
                throw open.Refused("promote", refusal, decision.Reason);
            await Task.Delay(ReleasePoll, time, cancellationToken).ConfigureAwait(false);
            // The snapshots of an image that is open read-only never change.
            await open.ForWritingAsync(cancellationToken).ConfigureAwait(false);
            chain = await MirrorChain.ReadAsync(open.Image.Mirroring, cancellationToken).ConfigureAwait(false);
        }
        await open.ForWritingAsync(cancellationToken).ConfigureAwait(false);
        await open.Image.Mirroring.PromoteAsync(force: false, cancellationToken).ConfigureAwait(false);
    }
}
