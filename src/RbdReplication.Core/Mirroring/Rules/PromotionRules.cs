using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// When a secondary image may become primary without force: only on a copy that ends in the peer's demotion, or with reports that are
/// newer than the question. The table with the reasons is in <c>docs/relocation.md</c>.
/// </summary>
public static class PromotionRules
{
    /// <summary>Decides.</summary>
    /// <param name="seen">The image and its peers.</param>
    /// <param name="heldSince">
    /// Since when this site's mirror daemon is waited for to release the image, which holds the peer's demotion; null if it has.
    /// </param>
    /// <param name="firstAsked">Since when this promotion is asked for on what the image shows now.</param>
    /// <param name="strict">Whether to wait for a living primary peer to be demoted instead of asking for force.</param>
    public static RelocationDecision Decide(Sighting seen, DateTimeOffset? heldSince, DateTimeOffset firstAsked, bool strict)
    {
        var decision = !seen.HasPeers ? WithoutPeers(seen) : seen.End switch
        {
            HistoryEnd.PeersDemotion => OnPeersDemotion(seen, heldSince, firstAsked),
            HistoryEnd.OwnDemotion => OnOwnDemotion(seen, firstAsked),
            HistoryEnd.UnfinishedDemotion => OnUnfinishedDemotion(seen),
            _ => OnOpenCopy(seen, firstAsked, strict),
        };
        // Where others are advised to force, which would be refused.
        return decision.Refusal == ReplicationError.FailedPrecondition && seen.History.IsFirstCopy ? OnFirstCopy(seen) : decision;
    }

    /// <summary>
    /// Whether a secondary image may be promoted by force. In journal mode librbd promotes the first half of a first copy as well, and says OK
    /// (16.2: 14 of 128 blocks had come); in snapshot mode it answers EINVAL.
    /// </summary>
    public static RelocationDecision Forced(ImageHistory history) => history.IsFirstCopy
        ? RelocationDecision.Refuse(ReplicationError.FailedPrecondition, FirstCopyUnfinished)
        : RelocationDecision.Allow("this site has a complete copy");

    /// <summary>What to do with a first copy that is not complete.</summary>
    internal const string FirstCopyUnfinished =
        "its first copy is not known to be complete, so there may be no whole data at this site: wait until it is; where the peer is gone for good, restore it from a backup";

    private static RelocationDecision OnFirstCopy(Sighting seen) => seen.Peer.Role == PeerRole.Primary
        ? RelocationDecision.Refuse(ReplicationError.Busy, $"the first copy is on its way: {Progress(seen.Chain, seen.Own)}")
        : Forced(seen.History);

    // Nobody else can be primary. librbd itself refuses an image that was copied from a peer that has been removed since.
    private static RelocationDecision WithoutPeers(Sighting seen) => seen.End == HistoryEnd.Copy
        ? RelocationDecision.Refuse(
            ReplicationError.FailedPrecondition, "the pool has no peer any more, and this is a copy of one that was not demoted: force promotes what was copied")
        : RelocationDecision.Allow("the pool has no peer");

    /// <summary>
    /// Whether this site's mirror daemon matters, where it has the image open: it is not done with a demotion that it has copied. In
    /// journal mode nothing is tidied up.
    /// </summary>
    public static bool IsHoldAwaited(Sighting seen) => seen.Chain.End == HistoryEnd.PeersDemotion;

    private static RelocationDecision OnPeersDemotion(Sighting seen, DateTimeOffset? heldSince, DateTimeOffset firstAsked)
    {
        var (peer, now) = (seen.Peer, seen.At);
        // A daemon that finds the image promoted while it still tidies up removes the copy of the demotion too (20.2.4), and
        // with it all by which the peer could follow. One that hangs, as on a peer that was cut off, is not waited for for ever.
        if (now - heldSince < RelocationTimes.SilenceLimit)
        {
            return RelocationDecision.Refuse(
                ReplicationError.Busy,
                $"this site's mirror daemon has copied the peer's demotion but not released the image yet; waiting for {RelocationTimes.SilenceLimit.TotalSeconds} s");
        }
        if (now - seen.History.EndedAt is { } age && age >= -RelocationTimes.ClockSkew && age < RelocationTimes.FreshDemotion)
            return RelocationDecision.Allow("the peer's demotion has just been copied");
        return peer.Role switch
        {
            PeerRole.Down when peer.LastWordIsPrimary => RelocationDecision.Refuse(
                ReplicationError.FailedPrecondition,
                $"{peer.Describe(now)}: it may have been promoted again after the demotion that this site holds; force promotes what is here"),
            PeerRole.Down => RelocationDecision.Allow("the peer's demotion is copied and the peer is down"),
            PeerRole.Silent when now - firstAsked >= RelocationTimes.SilenceLimit => RelocationDecision.Allow("the peer's demotion is copied and the peer is silent"),
            PeerRole.Silent => AwaitWord(peer, now),
            PeerRole.Primary => RelocationDecision.Refuse(
                ReplicationError.Busy, $"{peer.Describe(now)}: it has been promoted again, or reports late; demote it first"),
            _ when peer.Report!.LastUpdate >= firstAsked + RelocationTimes.ContentDelay => RelocationDecision.Allow("the peer is not primary"),
            _ => RelocationDecision.Refuse(
                ReplicationError.Busy,
                $"the peer may have been promoted again: waiting for a report later than {firstAsked + RelocationTimes.ContentDelay:HH:mm:ss} UTC; {peer.Describe(now)}"),
        };
    }

    private static RelocationDecision OnOwnDemotion(Sighting seen, DateTimeOffset firstAsked)
    {
        var (peer, now) = (seen.Peer, seen.At);
        return peer.Role switch
        {
            PeerRole.Primary => RelocationDecision.Refuse(ReplicationError.Busy, $"{peer.Describe(now)}: demote it first"),
            PeerRole.Silent when now - firstAsked < RelocationTimes.SilenceLimit => AwaitWord(peer, now),
            PeerRole.Down or PeerRole.Silent => RelocationDecision.Refuse(
                ReplicationError.FailedPrecondition,
                $"this site was demoted and {peer.Describe(now)}: whether the peer was promoted since cannot be seen; force goes on from the data before the move"),
            _ when DemotionRules.IsFirstCopyCutOff(seen) => RelocationDecision.Allow("this site was demoted before the peer had a complete copy"),
            _ when DemotionRules.HasParted(seen, firstAsked) || peer.SaysSplitBrain => RelocationDecision.Refuse(
                ReplicationError.FailedPrecondition,
                $"the histories of the sites have parted ({peer.Describe(now)}): resync the one whose data is to be discarded, or force to go on from this site's data"),
            // A peer that does not hold it and will not copy it by itself cannot be promoted on it either.
            _ when !seen.PeerHoldsDemotion && !DemotionRules.IsMissed(seen) && (peer.Role != PeerRole.Failed || peer.IsTryingAgain) => RelocationDecision.Refuse(
                ReplicationError.Busy, $"this site was demoted and the peer is still copying its last snapshot, wait for that: {peer.Describe(now)}"),
            _ when peer.Report!.LastUpdate >= firstAsked + RelocationTimes.OwnDemotionWait => RelocationDecision.Allow("the peer was not promoted since"),
            _ => RelocationDecision.Refuse(
                ReplicationError.Busy,
                $"this site was demoted, and the peer may have been promoted since: waiting for a report later than {firstAsked + RelocationTimes.OwnDemotionWait:HH:mm:ss} UTC; {peer.Describe(now)}"),
        };
    }

    // No peer can have copied it, so only by force can one have been promoted since.
    private static RelocationDecision OnUnfinishedDemotion(Sighting seen) => seen.Peer.Role switch
    {
        PeerRole.Primary => RelocationDecision.Refuse(ReplicationError.Busy, $"{seen.Peer.Describe(seen.At)}: demote it first"),
        PeerRole.Down when seen.Peer.LastWordIsPrimary => RelocationDecision.Refuse(
            ReplicationError.FailedPrecondition, $"{seen.Peer.Describe(seen.At)}: it may hold newer data; force goes on from this site's"),
        _ => RelocationDecision.Allow("the demotion of this site was cut off before the peer could copy it"),
    };

    private static RelocationDecision OnOpenCopy(Sighting seen, DateTimeOffset firstAsked, bool strict)
    {
        var (chain, own, peer, now) = (seen.Chain, seen.Own, seen.Peer, seen.At);
        // A peer that was demoted a moment ago goes on reporting that it is primary, and forcing would lose its last writes.
        var isNew = peer.Report is { } report && report.LastUpdate >= firstAsked + RelocationTimes.ReportDelay;
        var waited = now - firstAsked >= RelocationTimes.SilenceLimit;
        return peer.Role switch
        {
            PeerRole.Primary when isNew && strict => RelocationDecision.Refuse(
                ReplicationError.Busy, $"{peer.Describe(now)}: demote it first (strictFailover is set)"),
            PeerRole.Primary when isNew => RelocationDecision.Refuse(
                ReplicationError.FailedPrecondition, $"{peer.Describe(now)}: demote it first, or force to fail over without its last writes"),
            PeerRole.Primary => RelocationDecision.Refuse(
                ReplicationError.Busy,
                $"{peer.Describe(now)}; that is believed from a report later than {firstAsked + RelocationTimes.ReportDelay:HH:mm:ss} UTC, since a peer that was just demoted goes on saying so"),
            PeerRole.Down when !IsFollowing(own) || waited => RelocationDecision.Refuse(
                ReplicationError.FailedPrecondition, $"{peer.Describe(now)}: force fails over to the last state that this site has copied"),
            PeerRole.Down => RelocationDecision.Refuse(
                ReplicationError.Busy, $"{peer.Describe(now)}, but this site's mirror daemon may still reach its cluster; waiting for {RelocationTimes.SilenceLimit.TotalSeconds} s"),
            PeerRole.Silent when waited => RelocationDecision.Refuse(
                ReplicationError.FailedPrecondition, $"{peer.Describe(now)}: force promotes what this site has copied"),
            PeerRole.Silent => AwaitWord(peer, now),
            // Whatever else it reports, its last writes are there and can be copied: a caller that is told to force does so at once.
            PeerRole.Failed when isNew && peer.SaysSplitBrain => RelocationDecision.Refuse(
                ReplicationError.FailedPrecondition, $"{peer.Describe(now)}: force promotes what this site has copied"),
            _ => RelocationDecision.Refuse(
                ReplicationError.Busy, $"the peer's last writes are on their way: {Progress(chain, own)}; {peer.Describe(now)}"),
        };
    }

    // A daemon that has just started has not stored its first report yet.
    private static RelocationDecision AwaitWord(PeerStatus peer, DateTimeOffset now) =>
        RelocationDecision.Refuse(ReplicationError.Busy, $"{peer.Describe(now)}; waiting for {RelocationTimes.SilenceLimit.TotalSeconds} s");

    private static bool IsFollowing(MirrorSiteStatus? own) =>
        own is { IsUp: true, State: MirrorStatusState.Replaying or MirrorStatusState.Syncing };

    private static string Progress(MirrorChain chain, MirrorSiteStatus? own)
    {
        if (own is not { IsUp: true })
            return "this site's mirror daemon is down, so nothing is copied until it runs";
        if (SyncReport.Parse(own.Description) is { IsSyncing: true, SyncingPercent: { } percent })
            return $"{percent} % copied";
        return chain.Newest is { IsComplete: false } ? "the copy has begun" : $"this site's mirror daemon says \"{SyncReport.Words(own.Description)}\"";
    }
}
