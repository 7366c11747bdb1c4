using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>An answer of <see cref="RelocationRules"/>.</summary>
/// <param name="Refusal">Null: go ahead.</param>
/// <param name="Reason">What is seen and what to do, for people.</param>
public readonly record struct RelocationDecision(ReplicationError? Refusal, string Reason)
{
    /// <summary>Go ahead.</summary>
    public static RelocationDecision Allow(string reason) => new(null, reason);

    /// <summary>Refuse.</summary>
    public static RelocationDecision Refuse(ReplicationError error, string reason) => new(error, reason);
}

/// <summary>
/// When an image may change its role without losing acknowledged writes: the only place where that is decided. The table
/// with the reasons is in <c>docs/relocation.md</c>.
/// </summary>
/// <remarks>
/// librbd looks at the local image alone, and the statuses of the sites are up to half a minute old. What is always true are
/// the image's own mirror snapshots. So a demotion succeeds only when the snapshots prove that the peer holds it
/// (<see cref="BeforeDemotion"/>, <see cref="AfterDemotion"/>), and an unforced promotion only on a copy that ends in the
/// peer's demotion, or with reports that are newer than the question.
/// </remarks>
public static class RelocationRules
{
    /// <summary>
    /// How long after the copy of the peer's demotion has begun a promotion needs no report. The site that was demoted does
    /// not let itself be promoted again before <see cref="OwnDemotionWait"/>, which is longer.
    /// </summary>
    public static readonly TimeSpan FreshDemotion = TimeSpan.FromSeconds(60);

    /// <summary>
    /// How old the content of a report can be when it is stored: a mirror daemon looks at an image that it does not copy
    /// every 30 s, and stores its reports every 30 s whether or not it has looked again.
    /// </summary>
    public static readonly TimeSpan ContentDelay = TimeSpan.FromSeconds(30);

    /// <summary>The same with room for a busy daemon, where believing an old report would make a caller force.</summary>
    public static readonly TimeSpan ReportDelay = 2 * ContentDelay;

    /// <summary>
    /// How much newer than the question a report must be before a site may take back its own demotion: the time in which a
    /// peer may still be promoted without a report, and the delay of its report of that.
    /// </summary>
    public static readonly TimeSpan OwnDemotionWait = FreshDemotion + ReportDelay;

    /// <summary>How far the clocks of a cluster and of this server may be apart.</summary>
    public static readonly TimeSpan ClockSkew = TimeSpan.FromSeconds(5);

    /// <summary>How long a peer that has not reported, or whose cluster still seems to be followed, is waited for.</summary>
    public static readonly TimeSpan SilenceLimit = TimeSpan.FromSeconds(45);

    /// <summary>Whether an unforced promotion of a secondary image is safe.</summary>
    /// <param name="seen">The image and its peers.</param>
    /// <param name="heldSince">
    /// Since when this site's mirror daemon is waited for to release the image, which holds the peer's demotion; null if it has.
    /// </param>
    /// <param name="firstAsked">Since when this promotion is asked for on what the image shows now.</param>
    /// <param name="strict">Whether to wait for a living primary peer to be demoted instead of asking for force.</param>
    public static RelocationDecision Promotion(Sighting seen, DateTimeOffset? heldSince, DateTimeOffset firstAsked, bool strict)
    {
        if (!seen.HasPeers)
            return WithoutPeers(seen);
        return seen.End switch
        {
            HistoryEnd.PeersDemotion => OnPeersDemotion(seen, heldSince, firstAsked),
            HistoryEnd.OwnDemotion => OnOwnDemotion(seen, firstAsked),
            HistoryEnd.UnfinishedDemotion => OnUnfinishedDemotion(seen),
            _ => OnOpenCopy(seen, firstAsked, strict),
        };
    }

    // Nobody else can be primary. librbd itself refuses an image that was copied from a peer that has been removed since.
    private static RelocationDecision WithoutPeers(Sighting seen) => seen.End == HistoryEnd.Copy
        ? RelocationDecision.Refuse(
            ReplicationError.FailedPrecondition, "the pool has no peer any more, and this is a copy of one that was not demoted: force promotes what was copied")
        : RelocationDecision.Allow("the pool has no peer");

    /// <summary>What to say of an image that an interrupted forced promotion has left behind.</summary>
    public const string HalfRolledBack =
        "an interrupted forced promotion has left a mix of two points in time; do not use this image: resync it from a good site or restore it";

    private static RelocationDecision OnPeersDemotion(Sighting seen, DateTimeOffset? heldSince, DateTimeOffset firstAsked)
    {
        var (peer, now) = (seen.Peer, seen.At);
        // A daemon that finds the image promoted while it still tidies up removes the copy of the demotion too (20.2.4), and
        // with it all by which the peer could follow. One that hangs, as on a peer that was cut off, is not waited for for ever.
        if (now - heldSince < SilenceLimit)
        {
            return RelocationDecision.Refuse(
                ReplicationError.Busy,
                $"this site's mirror daemon has copied the peer's demotion but not released the image yet; waiting for {SilenceLimit.TotalSeconds} s");
        }
        if (now - seen.History.EndedAt is { } age && age >= -ClockSkew && age < FreshDemotion)
            return RelocationDecision.Allow("the peer's demotion has just been copied");
        return peer.Role switch
        {
            PeerRole.Down when peer.LastWordIsPrimary => RelocationDecision.Refuse(
                ReplicationError.FailedPrecondition,
                $"{peer.Describe(now)}: it may have been promoted again after the demotion that this site holds; force promotes what is here"),
            PeerRole.Down => RelocationDecision.Allow("the peer's demotion is copied and the peer is down"),
            PeerRole.Silent when now - firstAsked >= SilenceLimit => RelocationDecision.Allow("the peer's demotion is copied and the peer is silent"),
            PeerRole.Silent => AwaitWord(peer, now),
            PeerRole.Primary => RelocationDecision.Refuse(
                ReplicationError.Busy, $"{peer.Describe(now)}: it has been promoted again, or reports late; demote it first"),
            _ when peer.Report!.LastUpdate >= firstAsked + ContentDelay => RelocationDecision.Allow("the peer is not primary"),
            _ => RelocationDecision.Refuse(
                ReplicationError.Busy,
                $"the peer may have been promoted again: waiting for a report later than {firstAsked + ContentDelay:HH:mm:ss} UTC; {peer.Describe(now)}"),
        };
    }

    private static RelocationDecision OnOwnDemotion(Sighting seen, DateTimeOffset firstAsked)
    {
        var (peer, now) = (seen.Peer, seen.At);
        return peer.Role switch
        {
            PeerRole.Primary => RelocationDecision.Refuse(ReplicationError.Busy, $"{peer.Describe(now)}: demote it first"),
            PeerRole.Silent when now - firstAsked < SilenceLimit => AwaitWord(peer, now),
            PeerRole.Down or PeerRole.Silent => RelocationDecision.Refuse(
                ReplicationError.FailedPrecondition,
                $"this site was demoted and {peer.Describe(now)}: whether the peer was promoted since cannot be seen; force goes on from the data before the move"),
            _ when HasOwnError(seen, firstAsked) || peer.Role == PeerRole.Failed => RelocationDecision.Refuse(
                ReplicationError.FailedPrecondition,
                $"the histories of the sites have parted ({peer.Describe(now)}): resync the one whose data is to be discarded, or force to go on from this site's data"),
            // A peer that does not hold it and will not copy it by itself cannot be promoted on it either.
            _ when !seen.PeerHoldsDemotion && !IsDemotionMissed(seen) => RelocationDecision.Refuse(
                ReplicationError.Busy, $"this site was demoted and the peer is still copying its last snapshot, wait for that: {peer.Describe(now)}"),
            _ when peer.Report!.LastUpdate >= firstAsked + OwnDemotionWait => RelocationDecision.Allow("the peer was not promoted since"),
            _ => RelocationDecision.Refuse(
                ReplicationError.Busy,
                $"this site was demoted, and the peer may have been promoted since: waiting for a report later than {firstAsked + OwnDemotionWait:HH:mm:ss} UTC; {peer.Describe(now)}"),
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
        var isNew = peer.Report is { } report && report.LastUpdate >= firstAsked + ReportDelay;
        var waited = now - firstAsked >= SilenceLimit;
        return peer.Role switch
        {
            PeerRole.Primary when isNew && strict => RelocationDecision.Refuse(
                ReplicationError.Busy, $"{peer.Describe(now)}: demote it first (strictFailover is set)"),
            PeerRole.Primary when isNew => RelocationDecision.Refuse(
                ReplicationError.FailedPrecondition, $"{peer.Describe(now)}: demote it first, or force to fail over without its last writes"),
            PeerRole.Primary => RelocationDecision.Refuse(
                ReplicationError.Busy,
                $"{peer.Describe(now)}; that is believed from a report later than {firstAsked + ReportDelay:HH:mm:ss} UTC, since a peer that was just demoted goes on saying so"),
            PeerRole.Down when !IsFollowing(own) || waited => RelocationDecision.Refuse(
                ReplicationError.FailedPrecondition, $"{peer.Describe(now)}: force fails over to the last state that this site has copied"),
            PeerRole.Down => RelocationDecision.Refuse(
                ReplicationError.Busy, $"{peer.Describe(now)}, but this site's mirror daemon may still reach its cluster; waiting for {SilenceLimit.TotalSeconds} s"),
            PeerRole.Silent when waited => RelocationDecision.Refuse(
                ReplicationError.FailedPrecondition, $"{peer.Describe(now)}: force promotes what this site has copied"),
            PeerRole.Silent => AwaitWord(peer, now),
            PeerRole.Failed when isNew => RelocationDecision.Refuse(
                ReplicationError.FailedPrecondition, $"{peer.Describe(now)}: force promotes what this site has copied"),
            _ => RelocationDecision.Refuse(
                ReplicationError.Busy, $"the peer's last writes are on their way: {Progress(chain, own)}; {peer.Describe(now)}"),
        };
    }

    // A daemon that has just started has not stored its first report yet.
    private static RelocationDecision AwaitWord(PeerView peer, DateTimeOffset now) =>
        RelocationDecision.Refuse(ReplicationError.Busy, $"{peer.Describe(now)}; waiting for {SilenceLimit.TotalSeconds} s");

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

    /// <summary>Whether a primary image may be demoted, before anything is changed.</summary>
    /// <param name="seen">The image and its peers.</param>
    /// <param name="before">The image's mirror snapshots when this demotion was first asked for.</param>
    /// <param name="firstAsked">When that was.</param>
    public static RelocationDecision BeforeDemotion(Sighting seen, MirrorChain before, DateTimeOffset firstAsked)
    {
        var (peer, now) = (seen.Peer, seen.At);
        if (!seen.HasFollowers)
            return RelocationDecision.Allow("the pool has no peer");
        if (PeerFollows(seen, before, firstAsked) && peer.Role != PeerRole.Down)
            return RelocationDecision.Allow("the peer follows");
        // After a forced failover: this site's history is the one that a resync discards.
        if (IsPrimaryToo(peer, seen.Awaited?.TakenAt ?? seen.History.EndedAt ?? firstAsked))
            return RelocationDecision.Allow("the peer does not take this site's data: it is primary too");
        return peer.Role switch
        {
            PeerRole.Failed when peer.SaysSplitBrain => RelocationDecision.Refuse(
                ReplicationError.FailedPrecondition,
                $"{peer.Describe(now)}: it does not take this site's data, which would then be held nowhere as primary; resync the volume there first, or demote with force"),
            PeerRole.Failed => RelocationDecision.Refuse(
                ReplicationError.FailedPrecondition,
                $"{peer.Describe(now)}, which is no split-brain: it does not take this site's data, which would then be held nowhere as primary; see the mirror daemon's log there (a clone of one of the volume's snapshots at that site has to be flattened or removed), or demote with force"),
            PeerRole.Down or PeerRole.Silent => RelocationDecision.Refuse(
                ReplicationError.Unreachable,
                $"a planned demotion needs the peer's mirror daemon to copy the last writes, and {peer.Describe(now)}; start it, or demote with force"),
            _ => RelocationDecision.Refuse(
                ReplicationError.Busy, $"the peer has not begun to follow this site yet, which takes up to half a minute: {peer.Describe(now)}"),
        };
    }

    /// <summary>
    /// Whether the peer follows, so that it will copy the demotion too. Of a snapshot it needed it was seen to complete a newer one; or it
    /// needs none of those before the newest, and says itself that it follows, since a snapshot that nobody ever needed looks the same.
    /// Of a journal it has replayed an entry under the newest tag, which was made here as primary; where nothing was written under that yet,
    /// a report of what the peer did after the question is the proof.
    /// </summary>
    public static bool PeerFollows(Sighting seen, MirrorChain before, DateTimeOffset firstAsked) => seen.History.Journal is { } journal
        ? journal.IsReplayedBy(seen.Followers.Select(peer => peer.MirrorUuid)) || (seen.Peer.Role == PeerRole.Following && seen.Peer.Report!.LastUpdate >= firstAsked + ReportDelay)
        : seen.Chain.ShowsFollowerSince(before, seen.FollowerIds) || (NeedsNoneButTheNewest(seen) && seen.Peer.Role == PeerRole.Following);

    /// <summary>
    /// Whether one more mirror snapshot is needed for that proof: while there is none that could prove it, or the newest is not one that a
    /// peer copies. One that a peer still needs proves it soon.
    /// </summary>
    public static bool NeedsProof(Sighting seen) => !seen.Chain.NamesFollower(seen.FollowerIds) || seen.Awaited is null;

    private static bool NeedsNoneButTheNewest(Sighting seen) =>
        seen.Chain.NamesFollower(seen.FollowerIds) && seen.Awaited is null && seen.Chain.SincePromotion.Skip(1).Any();

    /// <summary>Whether a demotion that has happened may be reported as done.</summary>
    /// <param name="seen">The image and its peers.</param>
    /// <param name="firstAsked">Since when this site is wanted as secondary on what the image shows now.</param>
    public static RelocationDecision AfterDemotion(Sighting seen, DateTimeOffset firstAsked)
    {
        var (peer, now) = (seen.Peer, seen.At);
        if (!seen.HasFollowers || seen.PeerHoldsDemotion)
            return RelocationDecision.Allow("the peer holds the demotion");
        if (HasOwnError(seen, firstAsked) || IsPrimaryToo(peer, seen.Awaited?.TakenAt ?? seen.History.EndedAt ?? firstAsked))
            return RelocationDecision.Allow("the histories have parted; a resync decides which one stays");
        return peer.Role is PeerRole.Down or PeerRole.Silent
            ? RelocationDecision.Refuse(
                ReplicationError.Unreachable, $"demoted, but the peer has not copied the last writes and {peer.Describe(now)}; start its mirror daemon")
            : RelocationDecision.Refuse(
                ReplicationError.Busy, $"demoted; waiting for the peer to copy the last writes: {peer.Describe(now)}");
    }

    /// <summary>
    /// Whether a demotion has to be made anew: a mirror daemon that was killed before it had signed off the copy starts on a
    /// demoted image, which it leaves alone, and one that was not told of the demotion, because who demoted was killed before
    /// that, never looks. Promoted here the image is followed again. The peer may not have used the demotion meanwhile, so this
    /// waits as long as taking it back does.
    /// </summary>
    public static bool IsDemotionMissed(Sighting seen) =>
        seen is { End: HistoryEnd.OwnDemotion, PeerHoldsDemotion: false }
        && (seen.Peer is { Role: PeerRole.NotPrimary, SaysNobodyIsPrimary: true } || seen.Peer.FollowsIdly)
        && seen.Peer.Report!.LastUpdate >= seen.History.EndedAt + OwnDemotionWait;

    // While it was primary this site reported no error: one that is newer than the demotion is about the demoted image.
    private static bool HasOwnError(Sighting seen, DateTimeOffset firstAsked) =>
        seen.Own is { IsUp: true, State: MirrorStatusState.Error } own && own.LastUpdate > (seen.History.EndedAt ?? firstAsked);

    // A site that was demoted a moment ago goes on reporting that it is primary: only a report that is late enough counts.
    private static bool IsPrimaryToo(PeerView peer, DateTimeOffset since) =>
        peer.Role == PeerRole.Primary && peer.Report!.LastUpdate >= since + ReportDelay;
}
