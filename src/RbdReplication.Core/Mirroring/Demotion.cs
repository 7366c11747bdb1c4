using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Making this site's image secondary, and waiting until the peer holds all that was written to it.</summary>
/// <param name="open">The volume.</param>
/// <param name="time">Clock.</param>
internal sealed class Demotion(OpenVolume open, TimeProvider time)
{
    // How long one call waits for the peer; then the caller is told to come again.
    private static readonly TimeSpan PeerWait = TimeSpan.FromSeconds(10);
    // A copy of what was written since the last snapshot normally takes less.
    private static readonly TimeSpan Nudge = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan PeerPoll = TimeSpan.FromMilliseconds(100);

    private ImageMirroring Mirroring => open.Image.Mirroring;

    /// <summary>Demotes what is primary, and returns when the peer holds the demotion; with force at once.</summary>
    /// <param name="isPrimary">Whether the image is primary.</param>
    /// <param name="force">Demote even though no peer can take the data over now.</param>
    /// <param name="firstAsked">Since when this demotion is asked for.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ReplicationException">The peer does not follow, or has not copied the demotion yet.</exception>
    public async Task RunAsync(bool isPrimary, bool force, DateTimeOffset firstAsked, CancellationToken cancellationToken)
    {
        var chain = await MirrorChain.ReadAsync(Mirroring, cancellationToken).ConfigureAwait(false);
        var primary = isPrimary;
        if (!primary && (chain.EndsInUnfinishedDemotion || (!force && await IsMissedAsync(chain, cancellationToken).ConfigureAwait(false))))
        {
            await open.ForWritingAsync(cancellationToken).ConfigureAwait(false);
            await Mirroring.PromoteAsync(force: false, cancellationToken).ConfigureAwait(false);
            primary = true;
        }
        if (!primary && (force || (chain.Newest is not null && chain.LeavesNothingToCopy)))
            return;
        var snapshotMode = await open.GetModeAsync(cancellationToken).ConfigureAwait(false) == MirrorImageMode.Snapshot;
        // The second also where only the copy is awaited: the snapshots of an image that is open read-only never change.
        if (primary || snapshotMode)
            await open.ForWritingAsync(cancellationToken).ConfigureAwait(false);
        if (primary)
        {
            // librbd makes the image read-only first and takes the demotion snapshot second. Cut off in between it can only be
            // demoted to the end: nothing can be written to it, no snapshot can be taken for a proof.
            var isReadOnly = (await open.Image.GetFeaturesAsync(cancellationToken).ConfigureAwait(false)).HasFlag(ImageFeatures.NonPrimary);
            if (!isReadOnly)
            {
                var metadata = await open.Image.ListMetadataAsync(".rbd", cancellationToken).ConfigureAwait(false);
                if (!force)
                {
                    // Journal mode copies the marks to the peer, where they may be those of a node of a site that is gone.
                    if (snapshotMode)
                        RequireUnpublished(metadata);
                    await AwaitFollowerAsync(snapshotMode, firstAsked, cancellationToken).ConfigureAwait(false);
                }
                await CreationMark.SetAsync(open.Image, metadata, cancellationToken).ConfigureAwait(false);
            }
            await Mirroring.DemoteAsync(cancellationToken).ConfigureAwait(false);
        }
        if (!force)
            await AwaitCopyAsync(snapshotMode, justDemoted: primary, firstAsked, cancellationToken).ConfigureAwait(false);
    }

    private void RequireUnpublished(IReadOnlyDictionary<string, string> metadata)
    {
        if (NodeMarks.Find(metadata) is { } mark)
        {
            throw open.Refused(
                "demote", ReplicationError.FailedPrecondition,
                $"a node still has the volume (image metadata {mark}); stop what uses it and let the driver unpublish it, which it cannot after the demotion, or demote with force");
        }
    }

    private async Task<bool> IsMissedAsync(MirrorChain chain, CancellationToken cancellationToken)
    {
        if (chain.LeavesNothingToCopy)
            return false;
        var (_, peer, _) = await SiteReports.ReadAsync(open, cancellationToken).ConfigureAwait(false);
        return RelocationRules.IsDemotionMissed(chain, peer);
    }

    // Demoting a site before its peer follows it would leave both waiting for each other for ever. The proof takes two
    // snapshots taken here since the promotion: the peer is taken off the older one when it holds the newer.
    private async Task AwaitFollowerAsync(bool snapshotMode, DateTimeOffset firstAsked, CancellationToken cancellationToken)
    {
        var started = time.GetUtcNow();
        ulong? own = null;
        while (true)
        {
            var (_, peer, sites) = await SiteReports.ReadAsync(open, cancellationToken).ConfigureAwait(false);
            // The journal is no proof that can be read: only a report of what the peer did after the question is one.
            var follows = !snapshotMode && RelocationRules.FollowsJournal(peer, firstAsked);
            MirrorSnapshot? awaited = null;
            if (snapshotMode && sites.HaveFollowers)
            {
                var chain = await MirrorChain.ReadAsync(Mirroring, cancellationToken).ConfigureAwait(false);
                var since = chain.SincePromotion.ToList();
                awaited = chain.AwaitedByPeer ?? chain.Newest;
                // A snapshot that was taken before the pool had a peer names none, and one whose taking was cut off is never
                // copied: neither proves anything.
                var counts = since.Count > 0 && since[^1] is { IsComplete: true, MirrorPeerUuids.Count: > 0 };
                var proves = counts && (since.Count >= 2 || since[^1].Id >= own);
                follows = proves && chain.AwaitedByPeer is null;
                // Whoever took the newest may have been killed before the peer was told of it: taking one more tells it.
                if (!follows && own is null && peer.Role != PeerRole.Down && (!proves || time.GetUtcNow() >= started + Nudge))
                    own = await Mirroring.CreateSnapshotAsync(cancellationToken).ConfigureAwait(false);
            }
            var decision = RelocationRules.BeforeDemotion(sites.HaveFollowers, peer, awaited, follows, time.GetUtcNow());
            if (decision.Refusal is not { } refusal)
                return;
            if (time.GetUtcNow() >= started + PeerWait || peer.Role == PeerRole.Down)
                throw open.Refused("demote", refusal, decision.Reason);
            await Task.Delay(PeerPoll, time, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task AwaitCopyAsync(bool snapshotMode, bool justDemoted, DateTimeOffset firstAsked, CancellationToken cancellationToken)
    {
        var deadline = time.GetUtcNow() + PeerWait;
        while (true)
        {
            var reports = await SiteReports.ReadAsync(open, cancellationToken).ConfigureAwait(false);
            RelocationDecision decision;
            if (snapshotMode)
            {
                var chain = await MirrorChain.ReadAsync(Mirroring, cancellationToken).ConfigureAwait(false);
                // The snapshots that this client knows may be a moment behind its own demotion.
                decision = justDemoted && !chain.EndsInOwnDemotion
                    ? RelocationDecision.Refuse(ReplicationError.Busy, "demoted; the demotion snapshot is not seen yet")
                    : RelocationRules.AfterDemotion(chain, reports.Sites.HaveFollowers, reports.Own, reports.Peer, time.GetUtcNow());
            }
            else
            {
                decision = RelocationRules.AfterJournalDemotion(reports.Sites.HaveFollowers, reports.Own, reports.Peer, firstAsked, time.GetUtcNow());
            }
            if (decision.Refusal is not { } refusal)
                return;
            if (time.GetUtcNow() >= deadline)
                throw open.Refused("demote", refusal, decision.Reason);
            await Task.Delay(PeerPoll, time, cancellationToken).ConfigureAwait(false);
        }
    }
}
