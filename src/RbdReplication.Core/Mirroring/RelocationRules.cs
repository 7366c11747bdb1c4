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
    /// <param name="chain">The image's mirror snapshots; empty in journal mode.</param>
    /// <param name="heldSince">
    /// Since when this site's mirror daemon is waited for to let go of the image, which holds the peer's demotion; null if it has.
    /// </param>
    /// <param name="own">This site's own report.</param>
    /// <param name="peer">The peer.</param>
    /// <param name="firstAsked">
    /// When this promotion was first asked for; of an own demotion, when it was first asked for with the peer holding it.
    /// </param>
    /// <param name="now">The time, by the clock of this cluster.</param>
    /// <param name="strict">Whether to wait for a living primary peer to be demoted instead of asking for force.</param>
    public static RelocationDecision Promotion(
        MirrorChain chain, DateTimeOffset? heldSince, MirrorSiteStatus? own, PeerView peer, DateTimeOffset firstAsked, DateTimeOffset now, bool strict)
    {
        if (chain.EndsInPeersDemotion)
            return OnPeersDemotion(chain.Newest!, heldSince, peer, firstAsked, now);
        if (chain.EndsInOwnDemotion)
            return OnOwnDemotion(chain, own, peer, firstAsked, now);
        if (chain.EndsInUnfinishedDemotion)
            return OnUnfinishedDemotion(peer, now);
        return OnOpenCopy(chain, own, peer, firstAsked, now, strict);
    }

    /// <summary>What to say of an image that an interrupted forced promotion has left behind.</summary>
    public const string HalfRolledBack =
        "an interrupted forced promotion has left a mix of two points in time; do not use this image: resync it from a good site or restore it";

    private static RelocationDecision OnPeersDemotion(
        MirrorSnapshot demotion, DateTimeOffset? heldSince, PeerView peer, DateTimeOffset firstAsked, DateTimeOffset now)
    {
        // A daemon that finds the image promoted while it still tidies up removes the copy of the demotion too (20.2.4), and
        // with it all by which the peer could follow. One that hangs, as on a peer that was cut off, is not waited for for ever.
        if (now - heldSince < SilenceLimit)
        {
            return RelocationDecision.Refuse(
                ReplicationError.Busy,
                $"this site's mirror daemon has copied the peer's demotion but not let go of the image yet; waiting for {SilenceLimit.TotalSeconds} s");
        }
        var age = now - demotion.TakenAt;
        if (age >= -ClockSkew && age < FreshDemotion)
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

    private static RelocationDecision OnOwnDemotion(
        MirrorChain chain, MirrorSiteStatus? own, PeerView peer, DateTimeOffset firstAsked, DateTimeOffset now) => peer.Role switch
        {
            PeerRole.Primary => RelocationDecision.Refuse(ReplicationError.Busy, $"{peer.Describe(now)}: demote it first"),
            PeerRole.Silent when now - firstAsked < SilenceLimit => AwaitWord(peer, now),
            PeerRole.Down or PeerRole.Silent => RelocationDecision.Refuse(
                ReplicationError.FailedPrecondition,
                $"this site was demoted and {peer.Describe(now)}: whether the peer was promoted since cannot be seen; force goes on from the data before the move"),
            _ when HasOwnError(chain, own) || peer.Role == PeerRole.Failed => RelocationDecision.Refuse(
                ReplicationError.FailedPrecondition,
                $"the histories of the sites have parted ({peer.Describe(now)}): resync the one whose data is to be discarded, or force to go on from this site's data"),
            _ when chain.AwaitedByPeer is not null => RelocationDecision.Refuse(
                ReplicationError.Busy, $"this site was demoted and the peer is still copying its last snapshot, wait for that: {peer.Describe(now)}"),
            _ when peer.Report!.LastUpdate >= firstAsked + OwnDemotionWait => RelocationDecision.Allow("the peer was not promoted since"),
            _ => RelocationDecision.Refuse(
                ReplicationError.Busy,
                $"this site was demoted, and the peer may have been promoted since: waiting for a report later than {firstAsked + OwnDemotionWait:HH:mm:ss} UTC; {peer.Describe(now)}"),
        };

    // No peer can have copied it, so only by force can one have been promoted since.
    private static RelocationDecision OnUnfinishedDemotion(PeerView peer, DateTimeOffset now) => peer.Role switch
    {
        PeerRole.Primary => RelocationDecision.Refuse(ReplicationError.Busy, $"{peer.Describe(now)}: demote it first"),
        PeerRole.Down when peer.LastWordIsPrimary => RelocationDecision.Refuse(
            ReplicationError.FailedPrecondition, $"{peer.Describe(now)}: it may hold newer data; force goes on from this site's"),
        _ => RelocationDecision.Allow("the demotion of this site was cut off before the peer could copy it"),
    };

    private static RelocationDecision OnOpenCopy(
        MirrorChain chain, MirrorSiteStatus? own, PeerView peer, DateTimeOffset firstAsked, DateTimeOffset now, bool strict)
    {
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
            // Journal mode: librbd itself refuses while entries before the peer's demotion are missing.
            PeerRole.NotPrimary when chain.Newest is null && isNew => RelocationDecision.Allow("the peer is not primary"),
            _ when chain.Newest is null => RelocationDecision.Refuse(
                ReplicationError.Busy,
                $"waiting for a report later than {firstAsked + ReportDelay:HH:mm:ss} UTC that says that the peer is not primary: {peer.Describe(now)}"),
            _ => RelocationDecision.Refuse(
                ReplicationError.Busy, $"the peer's last snapshot is on its way: {Progress(chain, own)}; {peer.Describe(now)}"),
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
    /// <param name="hasPeers">Whether the pool has peers that copy from this site.</param>
    /// <param name="peer">The peer.</param>
    /// <param name="awaited">
    /// The oldest mirror snapshot taken here that the peer still needs, while it has not completed one taken since this site
    /// became primary; null if it has, and in journal mode.
    /// </param>
    /// <param name="follows">Whether the peer is known to follow.</param>
    /// <param name="now">The time, by the clock of this cluster.</param>
    public static RelocationDecision BeforeDemotion(bool hasPeers, PeerView peer, MirrorSnapshot? awaited, bool follows, DateTimeOffset now)
    {
        if (!hasPeers)
            return RelocationDecision.Allow("the pool has no peer");
        if (follows && peer.Role != PeerRole.Down)
            return RelocationDecision.Allow("the peer follows");
        // After a forced failover: this site's history is the one that a resync discards.
        if (IsPrimaryToo(peer, awaited))
            return RelocationDecision.Allow("the peer does not take this site's data: it is primary too");
        if (peer.Role == PeerRole.Failed)
        {
            return RelocationDecision.Refuse(
                ReplicationError.FailedPrecondition,
                $"{peer.Describe(now)}: it does not take this site's data, which would then be held nowhere as primary; resync the volume there first, or demote with force");
        }
        return peer.Role is PeerRole.Down or PeerRole.Silent
            ? RelocationDecision.Refuse(
                ReplicationError.Unreachable,
                $"a planned demotion needs the peer's mirror daemon to copy the last writes, and {peer.Describe(now)}; start it, or demote with force")
            : RelocationDecision.Refuse(
                ReplicationError.Busy, $"the peer has not begun to follow this site yet, which takes up to half a minute: {peer.Describe(now)}");
    }

    /// <summary>Whether a demotion that has happened may be reported as done.</summary>
    /// <param name="chain">The image's mirror snapshots after the demotion; empty in journal mode.</param>
    /// <param name="hasPeers">Whether the pool has peers that copy from this site.</param>
    /// <param name="own">This site's own report.</param>
    /// <param name="peer">The peer.</param>
    /// <param name="now">The time, by the clock of this cluster.</param>
    public static RelocationDecision AfterDemotion(MirrorChain chain, bool hasPeers, MirrorSiteStatus? own, PeerView peer, DateTimeOffset now)
    {
        if (!hasPeers || chain.LeavesNothingToCopy)
            return RelocationDecision.Allow("the peer holds the demotion");
        if (HasOwnError(chain, own) || IsPrimaryToo(peer, chain.AwaitedByPeer))
            return RelocationDecision.Allow("the histories have parted; a resync decides which one stays");
        // A peer that is cut off after the copy and before it signs off the older snapshot never does the latter. It followed
        // when this site was demoted, so these words are about this demotion.
        if (peer.SaysDemotionIsCopied && peer.Report!.LastUpdate >= chain.Newest!.TakenAt + ContentDelay)
            return RelocationDecision.Allow("the peer reports that it holds the demotion");
        return peer.Role is PeerRole.Down or PeerRole.Silent
            ? RelocationDecision.Refuse(
                ReplicationError.Unreachable, $"demoted, but the peer has not copied the last snapshot and {peer.Describe(now)}; start its mirror daemon")
            : RelocationDecision.Refuse(
                ReplicationError.Busy, $"demoted; waiting for the peer to copy the last snapshot: {peer.Describe(now)}");
    }

    /// <summary>
    /// Whether a demotion has to be made anew: a mirror daemon that was killed before it had signed off the copy starts on a
    /// demoted image, which it leaves alone, and one that was not told of the demotion, because who demoted was killed before
    /// that, never looks. Promoted here the image is followed again. The peer may not have used the demotion meanwhile, so this
    /// waits as long as taking it back does.
    /// </summary>
    public static bool IsDemotionMissed(MirrorChain chain, PeerView peer) =>
        chain is { EndsInOwnDemotion: true, AwaitedByPeer: not null }
        && (peer is { Role: PeerRole.NotPrimary, SaysNobodyIsPrimary: true } || peer.FollowsIdly)
        && peer.Report!.LastUpdate >= chain.Newest!.TakenAt + OwnDemotionWait;

    /// <summary>Whether a peer is known to replay the journal of an image that has been primary here since <paramref name="firstAsked"/>.</summary>
    public static bool FollowsJournal(PeerView peer, DateTimeOffset firstAsked) =>
        peer.Role == PeerRole.Following && peer.Report!.LastUpdate >= firstAsked + ReportDelay;

    /// <summary>
    /// Whether the demotion of an image that is mirrored by journal may be reported as done. A peer that followed says that
    /// nobody is primary only when it has replayed the demotion, and with it all that was written before.
    /// </summary>
    /// <param name="hasPeers">Whether the pool has peers that copy from this site.</param>
    /// <param name="own">This site's own report.</param>
    /// <param name="peer">The peer.</param>
    /// <param name="firstAsked">When this demotion was first asked for.</param>
    /// <param name="now">The time, by the clock of this cluster.</param>
    public static RelocationDecision AfterJournalDemotion(
        bool hasPeers, MirrorSiteStatus? own, PeerView peer, DateTimeOffset firstAsked, DateTimeOffset now)
    {
        if (!hasPeers)
            return RelocationDecision.Allow("the pool has no peer");
        if (IsFollowing(own) && own!.LastUpdate >= firstAsked + ReportDelay)
            return RelocationDecision.Allow("this site follows the peer");
        return peer.Role switch
        {
            PeerRole.NotPrimary when peer.SaysNobodyIsPrimary && peer.Report!.LastUpdate > firstAsked => RelocationDecision.Allow("the peer has replayed the demotion"),
            PeerRole.Primary when peer.Report!.LastUpdate >= firstAsked + ReportDelay => RelocationDecision.Allow("the peer is primary"),
            PeerRole.Down or PeerRole.Silent => RelocationDecision.Refuse(
                ReplicationError.Unreachable, $"demoted, but the peer has not replayed all of the journal and {peer.Describe(now)}; start its mirror daemon"),
            _ => RelocationDecision.Refuse(ReplicationError.Busy, $"demoted; waiting for the peer to replay the journal: {peer.Describe(now)}"),
        };
    }

    // While it was primary this site reported no error: one that is newer than the demotion is about the demoted image.
    private static bool HasOwnError(MirrorChain chain, MirrorSiteStatus? own) =>
        own is { IsUp: true, State: MirrorStatusState.Error } && own.LastUpdate > chain.Newest!.TakenAt;

    // A site that was demoted a moment ago goes on reporting that it is primary: only a report that is late enough counts.
    private static bool IsPrimaryToo(PeerView peer, MirrorSnapshot? awaited) =>
        peer.Role == PeerRole.Primary && awaited is not null && peer.Report!.LastUpdate >= awaited.TakenAt + ReportDelay;
}
