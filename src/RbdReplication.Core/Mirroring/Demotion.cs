using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Making this site's image secondary, and waiting until the peer holds all that was written to it.</summary>
/// <param name="open">The volume.</param>
/// <param name="questions">Since when volumes are wanted as secondary.</param>
/// <param name="time">Clock.</param>
internal sealed class Demotion(OpenVolume open, OpenQuestions questions, TimeProvider time)
{
    // How long one call waits for the peer; then the caller is told to come again.
    private static readonly TimeSpan PeerWait = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan PeerPoll = TimeSpan.FromMilliseconds(100);

    private ImageMirroring Mirroring => open.Image.Mirroring;

    /// <summary>Demotes what is primary, and returns when the peer holds the demotion; with force at once.</summary>
    /// <param name="isPrimary">Whether the image is primary.</param>
    /// <param name="force">Demote even though no peer can take the data over now.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ReplicationException">The peer does not follow, or has not copied the demotion yet.</exception>
    public async Task RunAsync(bool isPrimary, bool force, CancellationToken cancellationToken)
    {
        questions.Withdraw(open.Volume.Handle, WantedRole.Primary);
        var snapshotMode = await open.GetModeAsync(cancellationToken).ConfigureAwait(false) == MirrorImageMode.Snapshot;
        var primary = isPrimary;
        if (!primary && await IsToBeMadeAnewAsync(force, cancellationToken).ConfigureAwait(false))
        {
            await open.ForWritingAsync(cancellationToken).ConfigureAwait(false);
            primary = await IsToBeMadeAnewAsync(force, cancellationToken).ConfigureAwait(false);
        }
        if (!primary && (force || !await EndsInDemotionAsync(cancellationToken).ConfigureAwait(false)))
            return;
        if (primary)
        {
            // A request to copy the image anew, left from before it was promoted, would be carried out on the demoted image.
            await Resync.WithdrawAsync(open, cancellationToken).ConfigureAwait(false);
            await open.ForWritingAsync(cancellationToken).ConfigureAwait(false);
            await DemoteAsync(snapshotMode, isPrimary, force, cancellationToken).ConfigureAwait(false);
        }
        if (!force)
            await AwaitCopyAsync(snapshotMode, justDemoted: primary, cancellationToken).ConfigureAwait(false);
    }

    private async Task<bool> EndsInDemotionAsync(CancellationToken cancellationToken) =>
        (await ImageHistory.ReadAsync(open, cancellationToken).ConfigureAwait(false)).IsDemotedHere;

    private async Task<bool> IsToBeMadeAnewAsync(bool force, CancellationToken cancellationToken)
    {
        if (!await EndsInDemotionAsync(cancellationToken).ConfigureAwait(false))
            return false;
        var (seen, _) = await LookAsync(cancellationToken).ConfigureAwait(false);
        return DemotionRules.IsToBeRepeated(seen, force);
    }

    private async Task DemoteAsync(bool snapshotMode, bool isPrimary, bool force, CancellationToken cancellationToken)
    {
        var isReadOnly = CutOffRules.IsReadOnlyPrimary(isPrimary, await open.Image.GetFeaturesAsync(cancellationToken).ConfigureAwait(false));
        var metadata = await open.Image.ListMetadataAsync(".rbd", cancellationToken).ConfigureAwait(false);
        if (!isReadOnly && !force)
            open.Require("demote", DemotionRules.Unpublished(metadata, snapshotMode ? MirrorImageMode.Snapshot : MirrorImageMode.Journal));
        if (!isPrimary)
            await Mirroring.PromoteAsync(force: false, cancellationToken).ConfigureAwait(false);
        while (!isReadOnly)
        {
            var seenAt = force ? DateTimeOffset.MaxValue : await AwaitFollowerAsync(snapshotMode, cancellationToken).ConfigureAwait(false);
            await CreationMark.SetAsync(open.Image, metadata, cancellationToken).ConfigureAwait(false);
            // On a slow cluster all that can take long: what allowed the demotion has to be true right before it.
            if (time.GetUtcNow() - seenAt < Sighting.Lifetime)
                break;
        }
        await Mirroring.DemoteAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task<DateTimeOffset> AwaitFollowerAsync(bool snapshotMode, CancellationToken cancellationToken)
    {
        var started = time.GetUtcNow();
        var hasTaken = false;
        while (true)
        {
            var (seen, question) = await LookAsync(cancellationToken).ConfigureAwait(false);
            var decision = DemotionRules.Before(seen, question.First, question.FirstAsked);
            if (decision.Refusal is not { } refusal)
                return seen.At;
            if (time.GetUtcNow() >= started + PeerWait || !FollowerProof.IsWorthWaitingFor(seen))
                throw open.Refused("demote", refusal, decision.Reason);
            var next = FollowerProof.NextSnapshot(seen, time.GetUtcNow() - started, question.HasNudged);
            if (snapshotMode && !hasTaken && next != ProofSnapshot.None)
            {
                question.HasNudged |= next == ProofSnapshot.Nudge;
                hasTaken = true;
                await ManagersTurn.AwaitAsync(open, time, cancellationToken).ConfigureAwait(false);
                await Mirroring.TakeSnapshotAsync(cancellationToken).ConfigureAwait(false);
            }
            await Task.Delay(PeerPoll, time, cancellationToken).ConfigureAwait(false);
            await open.RenewAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task AwaitCopyAsync(bool snapshotMode, bool justDemoted, CancellationToken cancellationToken)
    {
        var deadline = time.GetUtcNow() + PeerWait;
        while (true)
        {
            var (seen, question) = await LookAsync(cancellationToken).ConfigureAwait(false);
            var decision = DemotionRules.After(seen, question.FirstAsked, justDemoted);
            if (decision.Refusal is not { } refusal)
                return;
            if (time.GetUtcNow() >= deadline)
                throw open.Refused("demote", refusal, decision.Reason);
            await Task.Delay(PeerPoll, time, cancellationToken).ConfigureAwait(false);
            // The snapshots of an image that is open read-only never change.
            if (snapshotMode)
                await open.RenewAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private Task<(Sighting Seen, OpenQuestion Question)> LookAsync(CancellationToken cancellationToken) =>
        questions.LookAsync(open, WantedRole.Secondary, cancellationToken);
}
