using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>What a resync call does next.</summary>
public enum ResyncStep
{
    /// <summary>The image holds all that its peer had.</summary>
    Ready,

    /// <summary>The image follows, or waits for a primary to follow.</summary>
    Follow,

    /// <summary>Throw the image away and copy the peer's.</summary>
    CopyAnew,

    /// <summary>Refuse.</summary>
    Refuse,
}

/// <summary>An answer of <see cref="ResyncRules"/>.</summary>
/// <param name="Step">What to do.</param>
/// <param name="Refusal">The error to answer, for <see cref="ResyncStep.Refuse"/>.</param>
/// <param name="Reason">What is seen and what to do, for people.</param>
public readonly record struct ResyncDecision(ResyncStep Step, ReplicationError Refusal, string Reason)
{
    /// <summary>
    /// Whether a request to copy the image again that lies there is taken back. A request is for now: one that could not be carried out
    /// must not throw the image away some other day.
    /// </summary>
    public bool TakesRequestBack => Step != ResyncStep.CopyAnew;
}

/// <summary>
/// When a secondary image is ready to take over, and when it may be thrown away: only with force, only when its history has
/// parted from that of a peer that is primary, and never while a copy is under way.
/// </summary>
/// <remarks>
/// A caller takes "not ready" for "a copy is running". So that is said only while one is; whatever else has to be waited for is refused
/// as busy, which callers repeat.
/// </remarks>
public static class ResyncRules
{
    /// <summary>What the answer has in it where the histories of the two sites have parted, by which a caller that gets words alone can tell.</summary>
    public const string OnlyWithForce = "its data is thrown away only with force (autoResync in the VolumeReplication)";

    /// <summary>Whether an image can be asked for at all: a primary has nobody to copy from.</summary>
    public static RelocationDecision Secondary(bool isPrimary) => isPrimary
        ? RelocationDecision.Refuse(ReplicationError.FailedPrecondition, "it is primary at this site; demote it first")
        : RelocationDecision.Allow("it is secondary");

    /// <summary>Decides.</summary>
    /// <param name="seen">The image and its peers.</param>
    /// <param name="createdAt">When this copy of the image was created.</param>
    /// <param name="firstAsked">Since when this site is wanted as secondary on what the image shows now.</param>
    /// <param name="force">Whether the caller allows this site's data to be thrown away.</param>
    public static ResyncDecision Decide(Sighting seen, DateTimeOffset createdAt, DateTimeOffset firstAsked, bool force)
    {
        var (own, peer, now) = (seen.Own, seen.Peer, seen.At);
        if (!seen.HasPeers)
        {
            return seen.History.IsFirstCopy
                ? Refuse(ReplicationError.FailedPrecondition, PromotionRules.FirstCopyUnfinished)
                : new(ResyncStep.Ready, default, "the pool has no peer");
        }
        if (seen.End == HistoryEnd.PeersDemotion)
        {
            return peer.Role == PeerRole.Primary && peer.Report!.LastUpdate >= EndOf(seen, firstAsked) + RelocationTimes.ReportDelay
                ? Refuse(ReplicationError.Busy, $"this site holds the peer's demotion, but {peer.Describe(now)}: it was promoted again, and this site is about to follow")
                : new(ResyncStep.Ready, default, "this site holds all that the peer had");
        }
        if (seen.End == HistoryEnd.UnfinishedDemotion)
            return Refuse(ReplicationError.Busy, "the demotion of this site was cut off; demoting it again finishes it");
        if (own is null or { IsUp: false })
            return Refuse(ReplicationError.Unavailable, "this site's mirror daemon does not report; check that it runs");
        if (own.State == MirrorStatusState.Error)
            return OnError(seen, own, createdAt, firstAsked, force);
        if (seen.End == HistoryEnd.OwnDemotion)
            return OnOwnDemotion(seen, own, firstAsked);
        if (own.State is MirrorStatusState.Replaying or MirrorStatusState.Syncing)
            return new(ResyncStep.Follow, default, "");
        return Refuse(ReplicationError.Busy, $"no copy is running here: this site reports \"{SyncReport.Words(own.Description)}\"; {peer.Describe(now)}; a site that is to follow needs up to a minute");
    }

    // The peer has all that was written here; what it may have done since shows in its reports only.
    private static ResyncDecision OnOwnDemotion(Sighting seen, MirrorSiteStatus own, DateTimeOffset firstAsked)
    {
        var (peer, now) = (seen.Peer, seen.At);
        var believed = Later(firstAsked, EndOf(seen, firstAsked)) + RelocationTimes.ContentDelay;
        return peer.Role switch
        {
            PeerRole.Down or PeerRole.Silent => Refuse(
                ReplicationError.Unavailable, $"this site was demoted, and {peer.Describe(now)}: what the peer holds and whether it was promoted since cannot be seen"),
            // One that follows has a copy. Until then "replaying" is also what a daemon says that finds out again that the histories have parted.
            _ when peer.Role == PeerRole.Primary || (own.State == MirrorStatusState.Replaying && own.LastUpdate > EndOf(seen, firstAsked)) => Refuse(
                ReplicationError.Busy, $"{peer.Describe(now)}: this site is about to follow it, which takes up to a minute"),
            _ when !seen.PeerHoldsDemotion => Refuse(
                ReplicationError.Busy, $"this site was demoted; waiting for the peer to copy the last writes: {peer.Describe(now)}"),
            PeerRole.NotPrimary when peer.SaysNobodyIsPrimary && peer.Report!.LastUpdate >= believed =>
                new(ResyncStep.Ready, default, "the peer holds this site's demotion and was not promoted since"),
            _ => Refuse(
                ReplicationError.Busy, $"the peer holds this site's demotion: waiting for its report later than {believed:HH:mm:ss} UTC that it was not promoted since; {peer.Describe(now)}"),
        };
    }

    private static ResyncDecision OnError(Sighting seen, MirrorSiteStatus own, DateTimeOffset createdAt, DateTimeOffset firstAsked, bool force)
    {
        var (peer, now) = (seen.Peer, seen.At);
        var words = $"this site reports \"{SyncReport.Words(own.Description)}\"";
        // An error newer than the demotion is about the demoted image; an older one is left from an earlier term.
        if (seen.End == HistoryEnd.OwnDemotion && own.LastUpdate <= seen.History.EndedAt)
            return Refuse(ReplicationError.Busy, $"{words}, but was demoted after that; waiting for a later report");
        // Reports outlive the image that they are about: one that may be about the image before this copy starts nothing again.
        if (own.LastUpdate < createdAt + RelocationTimes.ReportDelay)
            return Refuse(ReplicationError.Busy, $"{words}, but the copy was begun only at {createdAt:HH:mm:ss} UTC; waiting for a later report");
        if (own.IsTryingAgain)
            return Refuse(ReplicationError.Busy, $"{words}: this site's mirror daemon has failed and tries again; waiting for what it finds");
        if (!own.SaysSplitBrain)
            return Refuse(ReplicationError.Unavailable, $"{words}, which is no split-brain: see the mirror daemon's log; the daemon tries again by itself (a clone of one of the volume's snapshots at this site has to be flattened or removed)");
        if (!force)
            return Refuse(ReplicationError.FailedPrecondition, $"{words}; {OnlyWithForce}");
        var believed = firstAsked + RelocationTimes.ContentDelay;
        return peer.Role switch
        {
            PeerRole.Down or PeerRole.Silent => Refuse(
                ReplicationError.Unavailable, $"{words}, and whether the peer is primary cannot be seen: {peer.Describe(now)}; this site's data is thrown away only beside a primary"),
            // The daemon carries a request out when it finds the peer primary: one that is left lying would be carried out whenever it does.
            _ when peer.Report!.LastUpdate < believed => Refuse(
                ReplicationError.Busy, $"{words}; {peer.Describe(now)}; that is believed from a report later than {believed:HH:mm:ss} UTC, since a peer that was just promoted or demoted goes on with what it said before"),
            PeerRole.Primary => new(ResyncStep.CopyAnew, default, $"a resync was started; awaiting the copy from {peer.SiteName}"),
            _ => Refuse(ReplicationError.FailedPrecondition, $"{words}, and there is no primary to copy from ({peer.Describe(now)}): promote the site whose data is to stay"),
        };
    }

    // A journal tells no time: it came to its end before this was first asked with what it shows now.
    private static DateTimeOffset EndOf(Sighting seen, DateTimeOffset firstAsked) => seen.History.EndedAt ?? firstAsked;

    private static DateTimeOffset Later(DateTimeOffset a, DateTimeOffset b) => a > b ? a : b;

    private static ResyncDecision Refuse(ReplicationError error, string reason) => new(ResyncStep.Refuse, error, reason);
}
