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
public readonly record struct ResyncDecision(ResyncStep Step, ReplicationError Refusal, string Reason);

/// <summary>
/// When a secondary image is ready to take over, and when it may be thrown away: only with force, only when its history has
/// parted from that of a peer that is primary, and never while a copy is under way.
/// </summary>
public static class ResyncRules
{
    private const string SplitBrainWords = "split-brain";

    /// <summary>Decides.</summary>
    /// <param name="chain">The image's mirror snapshots; empty in journal mode.</param>
    /// <param name="own">This site's own report.</param>
    /// <param name="peer">The peer.</param>
    /// <param name="createdAt">When this copy of the image was created.</param>
    /// <param name="force">Whether the caller allows this site's data to be thrown away.</param>
    /// <param name="now">The time, by the clock of this cluster.</param>
    public static ResyncDecision Decide(
        MirrorChain chain, MirrorSiteStatus? own, PeerView peer, DateTimeOffset createdAt, bool force, DateTimeOffset now)
    {
        if (chain.EndsInPeersDemotion)
            return new(ResyncStep.Ready, default, "this site holds all that the peer had");
        if (own is null or { IsUp: false })
            return Refuse(ReplicationError.Unreachable, "this site's mirror daemon does not report; check that it runs");
        if (own.State != MirrorStatusState.Error)
            return new(ResyncStep.Follow, default, "");
        var seen = $"this site reports \"{SyncReport.Words(own.Description)}\"";
        // Reports outlive the image that they are about: one that may be about the image before this copy starts nothing anew.
        if (own.LastUpdate < createdAt + RelocationRules.ReportDelay)
            return Refuse(ReplicationError.Busy, $"{seen}, but the copy was begun only at {createdAt:HH:mm:ss} UTC; waiting for a later report");
        if (!own.Description.StartsWith(SplitBrainWords, StringComparison.Ordinal))
            return Refuse(ReplicationError.Unreachable, $"{seen}, which is no split-brain: see the mirror daemon's log; the daemon tries again by itself");
        if (!force)
            return Refuse(ReplicationError.FailedPrecondition, $"{seen}; its data is thrown away only with force (autoResync in the VolumeReplication)");
        return peer.Role == PeerRole.Primary
            ? new(ResyncStep.CopyAnew, default, $"a resync was started; awaiting the copy from {peer.SiteName}")
            : Refuse(ReplicationError.FailedPrecondition, $"{seen}, and there is no primary to copy from ({peer.Describe(now)}): promote the site whose data is to stay");
    }

    private static ResyncDecision Refuse(ReplicationError error, string reason) => new(ResyncStep.Refuse, error, reason);
}
