using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// When a primary image may become secondary, and when that is done: a demotion succeeds only when the image's own snapshots or journal,
/// which are always true, prove that the peer holds it. The table with the reasons is in <c>docs/relocation.md</c>.
/// </summary>
public static class DemotionRules
{
    /// <summary>Whether no node has the volume, as far as its image tells.</summary>
    /// <param name="metadata">The image's metadata.</param>
    /// <param name="mode">How it is mirrored: journal mode copies the marks to the peer, where they may be those of a node of a site that is gone.</param>
    public static RelocationDecision Unpublished(IReadOnlyDictionary<string, string> metadata, MirrorImageMode mode) =>
        mode == MirrorImageMode.Snapshot && NodeMarks.Find(metadata) is { } mark
            ? RelocationDecision.Refuse(
                ReplicationError.FailedPrecondition,
                $"a node still has the volume (image metadata {mark}); stop what uses it and let the driver unpublish it, which it cannot after the demotion, or demote with force")
            : RelocationDecision.Allow("no node has the volume");

    /// <summary>Whether a primary image may be demoted, before anything is changed.</summary>
    /// <param name="seen">The image and its peers.</param>
    /// <param name="before">The image's mirror snapshots when this demotion was first asked for.</param>
    /// <param name="firstAsked">When that was.</param>
    public static RelocationDecision Before(Sighting seen, MirrorChain before, DateTimeOffset firstAsked)
    {
        var (peer, now) = (seen.Peer, seen.At);
        if (!seen.HasFollowers)
            return RelocationDecision.Allow("the pool has no peer");
        if (FollowerProof.PeerFollows(seen, before, firstAsked) && peer.Role != PeerRole.Down)
            return RelocationDecision.Allow("the peer follows");
        // After a forced failover: this site's history is the one that a resync discards.
        if (IsPrimaryToo(peer, seen.Awaited?.TakenAt ?? seen.History.EndedAt ?? firstAsked))
            return RelocationDecision.Allow("the peer does not take this site's data: it is primary too");
        return peer.Role switch
        {
            PeerRole.Failed when peer.SaysSplitBrain => RelocationDecision.Refuse(
                ReplicationError.FailedPrecondition,
                $"{peer.Describe(now)}: it does not take this site's data, which would then be held nowhere as primary; resync the volume there first, or demote with force"),
            PeerRole.Failed when peer.IsTryingAgain => RelocationDecision.Refuse(
                ReplicationError.Busy, $"{peer.Describe(now)}: its mirror daemon has failed and tries again; waiting for what it finds"),
            PeerRole.Failed => RelocationDecision.Refuse(
                ReplicationError.FailedPrecondition,
                $"{peer.Describe(now)}, which is no split-brain: it does not take this site's data, which would then be held nowhere as primary; see the mirror daemon's log there (a clone of one of the volume's snapshots at that site has to be flattened or removed), or demote with force"),
            PeerRole.Down or PeerRole.Silent => RelocationDecision.Refuse(
                ReplicationError.Unavailable,
                $"a planned demotion needs the peer's mirror daemon to copy the last writes, and {peer.Describe(now)}; start it, or demote with force"),
            _ when seen.IsBeingCopied => RelocationDecision.Refuse(
                ReplicationError.Busy, $"the peer's first copy has to be complete before: {peer.Describe(now)}"),
            _ => RelocationDecision.Refuse(
                ReplicationError.Busy, $"the peer has not begun to follow this site yet, which takes up to half a minute: {peer.Describe(now)}"),
        };
    }

    /// <summary>Whether a demotion that has happened may be reported as done.</summary>
    /// <param name="seen">The image and its peers.</param>
    /// <param name="firstAsked">Since when this site is wanted as secondary on what the image shows now.</param>
    /// <param name="justDemoted">Whether this call has demoted it: what its client knows may be a moment behind.</param>
    public static RelocationDecision After(Sighting seen, DateTimeOffset firstAsked, bool justDemoted)
    {
        var (peer, now) = (seen.Peer, seen.At);
        if (justDemoted && seen.End != HistoryEnd.OwnDemotion)
            return RelocationDecision.Refuse(ReplicationError.Busy, "demoted; the demotion is not seen yet");
        if (!seen.HasFollowers || seen.PeerHoldsDemotion)
            return RelocationDecision.Allow("the peer holds the demotion");
        if (HasParted(seen, firstAsked) || IsPrimaryToo(peer, seen.Awaited?.TakenAt ?? seen.History.EndedAt ?? firstAsked))
            return RelocationDecision.Allow("the histories have parted; a resync decides which one stays");
        return peer.Role is PeerRole.Down or PeerRole.Silent
            ? RelocationDecision.Refuse(
                ReplicationError.Unavailable, $"demoted, but the peer has not copied the last writes and {peer.Describe(now)}; start its mirror daemon")
            : RelocationDecision.Refuse(
                ReplicationError.Busy, $"demoted; waiting for the peer to copy the last writes: {peer.Describe(now)}");
    }

    /// <summary>
    /// Whether a demotion has to be made again: a mirror daemon that was killed before it had signed off the copy starts on a
    /// demoted image, which it leaves alone, and one that was not told of the demotion, because who demoted was killed before
    /// that, never looks. Promoted here the image is followed again. The peer may not have used the demotion meanwhile, so this
    /// waits as long as taking it back does; it cannot where the demotion came before its first copy was complete, which it never completes then.
    /// </summary>
    public static bool IsMissed(Sighting seen) => IsFirstCopyCutOff(seen)
        || (seen is { End: HistoryEnd.OwnDemotion, PeerHoldsDemotion: false }
        && (seen.Peer is { Role: PeerRole.NotPrimary, SaysNobodyIsPrimary: true } || seen.Peer.FollowsIdly)
        && seen.Peer.Report!.LastUpdate >= seen.History.EndedAt + RelocationTimes.OwnDemotionWait);

    /// <summary>Whether this site was demoted while a peer, which is alive, made its first copy: only by force can that have been promoted since.</summary>
    public static bool IsFirstCopyCutOff(Sighting seen) =>
        seen is { End: HistoryEnd.OwnDemotion, IsBeingCopied: true } && seen.Peer.Role is not (PeerRole.Primary or PeerRole.Down or PeerRole.Silent);

    /// <summary>Whether a demotion that was made here has to be made again, on the image promoted for that: it was cut off, or the peer misses it.</summary>
    /// <param name="seen">The image and its peers.</param>
    /// <param name="force">Whether the peer is not waited for.</param>
    public static bool IsToBeRepeated(Sighting seen, bool force) => seen.End == HistoryEnd.UnfinishedDemotion || (!force && IsMissed(seen));

    // While it was primary this site reported no split-brain: one that is newer than the demotion is about the demoted image.
    internal static bool HasParted(Sighting seen, DateTimeOffset firstAsked) =>
        seen.Own is { IsUp: true, SaysSplitBrain: true } own && own.LastUpdate > (seen.History.EndedAt ?? firstAsked);

    // A site that was demoted a moment ago goes on reporting that it is primary: only a report that is late enough counts.
    private static bool IsPrimaryToo(PeerStatus peer, DateTimeOffset since) =>
        peer.Role == PeerRole.Primary && peer.Report!.LastUpdate >= since + RelocationTimes.ReportDelay;
}
