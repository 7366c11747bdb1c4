using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>What disabling does.</summary>
public enum DisableStep
{
    /// <summary>Disable it; the copy of a secondary stays as an ordinary image.</summary>
    Disable,

    /// <summary>Disable it once the peer, which was primary before, can follow that: <see cref="DisableRules.AwaitsFollower"/>.</summary>
    DisablePrimary,

    /// <summary>Disable it to the end: whoever began had the right to, and cut off it never goes on by itself.</summary>
    Finish,

    /// <summary>Look at the sites' reports: <see cref="DisableRules.Decide(Sighting)"/>.</summary>
    Look,

    /// <summary>Nothing: this site's mirror daemon removes the copy when the primary is disabled.</summary>
    LeaveToDaemon,

    /// <summary>Refuse.</summary>
    Refuse,

    /// <summary>Refuse until the state, which passes by itself, has done so.</summary>
    AwaitState,
}

/// <summary>When an image may be disabled: a secondary one at its own site only by force, or where there is no primary to disable first.</summary>
public static class DisableRules
{
    /// <summary>What to say of a secondary that is not disabled.</summary>
    public const string NotFollowing =
        "it is secondary at this site and does not follow a primary; disable it at the primary site, or with parameter force keep this copy as an ordinary image";

    /// <summary>What to say of a primary that is not disabled yet.</summary>
    public const string FollowsSoon = "the peer, which was primary before, has not begun to follow, and its copy would stay there for good; that takes up to a minute";

    /// <summary>Decides by what the image itself tells.</summary>
    /// <param name="info">Whether it is mirrored, and primary.</param>
    /// <param name="force">Whether a secondary is disabled too.</param>
    public static DisableStep Decide(MirrorImageInfo info, bool force) => info.State switch
    {
        MirrorImageState.Disabling => DisableStep.Finish,
        MirrorImageState.Enabled => force ? DisableStep.Disable : info.IsPrimary ? DisableStep.DisablePrimary : DisableStep.Look,
        _ => DisableStep.AwaitState,
    };

    /// <summary>
    /// Whether a primary is not disabled yet: after a move the peer's image ends in its own demotion until its mirror daemon has taken the
    /// first snapshot of this site's, or has replayed from it. The daemon removes an image that follows and loses its primary; one that
    /// ends in its own demotion stays for good, and nobody may disable it without force. A peer that is down or has parted holds up
    /// nothing, any other a minute at most.
    /// </summary>
    /// <param name="seen">The image, primary, and its peers.</param>
    /// <param name="firstAsked">When it was first asked to be disabled.</param>
    public static bool AwaitsFollower(Sighting seen, DateTimeOffset firstAsked) =>
        seen.HasFollowers && seen.History.IsPromotedPeersDemotion && seen.At < firstAsked + RelocationTimes.ReportDelay
        && seen.Peer is not { Role: PeerRole.Down } and not { SaysSplitBrain: true } && !HasReplayed(seen);

    // By a journal the promotion stays to be seen. Whatever the peer says is no word of this: it reports to replay before it has taken or replayed anything.
    private static bool HasReplayed(Sighting seen) =>
        seen.History.Journal?.IsReplayedSincePromotionBy([.. seen.Followers.Select(peer => peer.MirrorUuid)]) == true;

    /// <summary>Decides about a secondary, without force.</summary>
    public static DisableStep Decide(Sighting seen) =>
        !seen.HasPeers ? DisableStep.Disable
        : seen.Own is { IsUp: true, State: MirrorStatusState.Replaying } ? DisableStep.LeaveToDaemon
        : DisableStep.Refuse;
}
