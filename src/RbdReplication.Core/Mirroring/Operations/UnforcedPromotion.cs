namespace RbdReplication.Core;

/// <summary>Making this site's image primary without force, as soon as that loses nothing.</summary>
/// <param name="open">The volume.</param>
/// <param name="questions">Since when volumes are wanted as primary.</param>
/// <param name="time">Clock.</param>
/// <param name="consent">Given between the decision and the deed.</param>
internal sealed class UnforcedPromotion(OpenVolume open, OpenQuestions questions, TimeProvider time, Consent consent)
{
    // How long one call waits for this site's mirror daemon; then the caller is told to retry. It takes two rounds of
    // the monitors at most.
    private static readonly TimeSpan ReleaseWait = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ReleasePoll = TimeSpan.FromMilliseconds(50);

    /// <summary>Promotes.</summary>
    /// <param name="strict">Whether to wait for a living primary peer to be demoted instead of asking for force.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ReplicationException">It would lose something, or might.</exception>
    public async Task RunAsync(bool strict, CancellationToken cancellationToken)
    {
        var deadline = time.GetUtcNow() + ReleaseWait;
        while (true)
        {
            var (seen, question) = await questions.LookAsync(open, WantedRole.Primary, cancellationToken).ConfigureAwait(false);
            var isHeld = PromotionRules.IsHoldAwaited(seen) && await open.Image.Mirroring.IsHeldByDaemonAsync(cancellationToken).ConfigureAwait(false);
            question.HeldSince = isHeld ? question.HeldSince ?? seen.At : null;
            var decision = PromotionRules.Decide(seen, question.HeldSince, question.FirstAsked, strict);
            if (decision.Refusal is not { } refusal)
            {
                // Opening can take long on a slow cluster: what allowed the promotion has to be true right before it.
                if (open.IsWritable && await consent.IsGivenAsync(seen.At, cancellationToken).ConfigureAwait(false))
                {
                    await open.Image.Mirroring.PromoteAsync(force: false, cancellationToken).ConfigureAwait(false);
                    return;
                }
            }
            else if (!isHeld || time.GetUtcNow() >= deadline)
            {
                throw open.Refused("promote", refusal, decision.Reason);
            }
            else
            {
                await Task.Delay(ReleasePoll, time, cancellationToken).ConfigureAwait(false);
            }
            // The snapshots of an image that is open read-only never change.
            await open.RenewAsync(cancellationToken).ConfigureAwait(false);
        }
    }
}
