using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>What disabling does.</summary>
public enum DisableStep
{
    /// <summary>Disable it; the copy of a secondary stays as an ordinary image.</summary>
    Disable,

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

    /// <summary>Decides by what the image itself tells.</summary>
    /// <param name="info">Whether it is mirrored, and primary.</param>
    /// <param name="force">Whether a secondary is disabled too.</param>
    public static DisableStep Decide(MirrorImageInfo info, bool force) => info.State switch
    {
        MirrorImageState.Disabling => DisableStep.Finish,
        MirrorImageState.Enabled => info.IsPrimary || force ? DisableStep.Disable : DisableStep.Look,
        _ => DisableStep.AwaitState,
    };

    /// <summary>Decides about a secondary, without force.</summary>
    public static DisableStep Decide(Sighting seen) =>
        !seen.HasPeers ? DisableStep.Disable
        : seen.Own is { IsUp: true, State: MirrorStatusState.Replaying } ? DisableStep.LeaveToDaemon
        : DisableStep.Refuse;
}
