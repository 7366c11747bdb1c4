using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Making this site's image secondary, and waiting until the peer holds all that was written to it.</summary>
/// <param name="force">Demote even though no peer can take the data over now.</param>
/// <param name="questions">Since when volumes are wanted as secondary.</param>
/// <param name="time">Clock.</param>
/// <param name="consent">Given between the decision and the deed.</param>
internal sealed class Demotion(bool force, OpenQuestions questions, TimeProvider time, Consent consent)
{
    // How long one call waits for the peer; then the caller is told to retry.
    private static readonly TimeSpan PeerWait = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan PeerPoll = TimeSpan.FromMilliseconds(100);

    /// <summary>Demotes what is primary, and returns when the peer holds the demotion; with force at once.</summary>
    /// <exception cref="ReplicationException">The peer does not follow, or has not copied the demotion yet.</exception>
    public async Task RunAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        var isPrimary = (await open.RequireMirroredAsync(cancellationToken).ConfigureAwait(false)).IsPrimary;
        questions.Withdraw(open.Volume.Handle, WantedRole.Primary);
        var snapshotMode = await open.GetModeAsync(cancellationToken).ConfigureAwait(false) == MirrorImageMode.Snapshot;
        var primary = isPrimary;
        if (!primary && await IsToBeMadeAgainAsync(open, cancellationToken).ConfigureAwait(false))
        {
            await open.ForWritingAsync(cancellationToken).ConfigureAwait(false);
            primary = await IsToBeMadeAgainAsync(open, cancellationToken).ConfigureAwait(false);
        }
        if (!primary)
            consent.IsNotNeeded();
        if (!primary && (force || !await EndsInDemotionAsync(open, cancellationToken).ConfigureAwait(false)))
            return;
        if (primary)
        {
            // A request to copy the image again, left from before it was promoted, would be carried out on the demoted image.
            await Resync.WithdrawAsync(open, cancellationToken).ConfigureAwait(false);
            await open.ForWritingAsync(cancellationToken).ConfigureAwait(false);
            await DemoteAsync(open, snapshotMode, isPrimary, cancellationToken).ConfigureAwait(false);
            await PointPlans.RemoveAsync(open, cancellationToken).ConfigureAwait(false);
        }
        if (!force)
            await AwaitCopyAsync(open, snapshotMode, justDemoted: primary, cancellationToken).ConfigureAwait(false);
    }

    private static async Task<bool> EndsInDemotionAsync(OpenVolume open, CancellationToken cancellationToken) =>
        (await ImageHistory.ReadAsync(open, cancellationToken).ConfigureAwait(false)).IsDemotedHere;

    private async Task<bool> IsToBeMadeAgainAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        if (!await EndsInDemotionAsync(open, cancellationToken).ConfigureAwait(false))
            return false;
        var (seen, _) = await LookAsync(open, cancellationToken).ConfigureAwait(false);
        return DemotionRules.IsToBeRepeated(seen, force);
    }

    private async Task DemoteAsync(OpenVolume open, bool snapshotMode, bool isPrimary, CancellationToken cancellationToken)
    {
        var isReadOnly = CutOffRules.IsReadOnlyPrimary(isPrimary, await open.Image.GetFeaturesAsync(cancellationToken).ConfigureAwait(false));
        var metadata = await open.Image.ListMetadataAsync(".rbd", cancellationToken).ConfigureAwait(false);
        if (!isReadOnly && !force)
            open.Require("demote", DemotionRules.Unpublished(metadata, snapshotMode ? MirrorImageMode.Snapshot : MirrorImageMode.Journal));
        if (!isPrimary || isReadOnly)
            await consent.IsGivenAsync(Consent.Lasting, cancellationToken).ConfigureAwait(false);
        if (!isPrimary)
            await open.Image.Mirroring.PromoteAsync(force: false, cancellationToken).ConfigureAwait(false);
        while (!isReadOnly)
        {
            var seenAt = force ? Consent.Lasting : await AwaitFollowerAsync(open, snapshotMode, cancellationToken).ConfigureAwait(false);
            await CreationMark.SetAsync(open.Image, metadata, cancellationToken).ConfigureAwait(false);
            // On a slow cluster all that can take long: what allowed the demotion has to be true right before it.
            if (await consent.IsGivenAsync(seenAt, cancellationToken).ConfigureAwait(false))
                break;
        }
        await open.Image.Mirroring.DemoteAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task<DateTimeOffset> AwaitFollowerAsync(OpenVolume open, bool snapshotMode, CancellationToken cancellationToken)
    {
        var started = time.GetUtcNow();
        var hasTaken = false;
        while (true)
        {
            var (seen, question) = await LookAsync(open, cancellationToken).ConfigureAwait(false);
            var decision = DemotionRules.Before(seen, question.First, question.FirstAsked);
            if (decision.Refusal is not { } refusal)
                return seen.At;
            if (!FollowerProof.IsWorthWaitingFor(seen))
                throw open.Refused("demote", refusal, decision.Reason);
            var next = FollowerProof.NextSnapshot(seen, time.GetUtcNow() - started, question.HasNudged);
            if (snapshotMode && !hasTaken && next != ProofSnapshot.None)
            {
                question.HasNudged |= next == ProofSnapshot.Nudge;
                hasTaken = true;
                await ManagersTurn.AwaitAsync(open, time, cancellationToken).ConfigureAwait(false);
                await open.Image.Mirroring.TakeSnapshotAsync(cancellationToken).ConfigureAwait(false);
            }
            // After the snapshot: where one look takes longer than this, the next call would find nothing new either.
            if (time.GetUtcNow() >= started + PeerWait)
                throw open.Refused("demote", refusal, decision.Reason);
            await Task.Delay(PeerPoll, time, cancellationToken).ConfigureAwait(false);
            await open.RenewAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task AwaitCopyAsync(OpenVolume open, bool snapshotMode, bool justDemoted, CancellationToken cancellationToken)
    {
        var deadline = time.GetUtcNow() + PeerWait;
        while (true)
        {
            var (seen, question) = await LookAsync(open, cancellationToken).ConfigureAwait(false);
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

    private Task<(Sighting Seen, OpenQuestion Question)> LookAsync(OpenVolume open, CancellationToken cancellationToken) =>
        questions.LookAsync(open, WantedRole.Secondary, cancellationToken);
}
