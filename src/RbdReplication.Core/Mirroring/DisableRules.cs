using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>What disabling a secondary image does.</summary>
public enum DisableStep
{
    /// <summary>Disable it; its copy stays as an ordinary image.</summary>
    Disable,

    /// <summary>Nothing: this site's mirror daemon removes the copy when the primary is disabled.</summary>
    LeaveToDaemon,

    /// <summary>Refuse.</summary>
    Refuse,
}

/// <summary>When a secondary image may be disabled at its own site, without force.</summary>
public static class DisableRules
{
    /// <summary>Decides.</summary>
    /// <param name="own">This site's own report, if it has made one.</param>
    /// <param name="hasPeers">Whether the pool has any peer.</param>
    public static DisableStep Decide(MirrorSiteStatus? own, bool hasPeers) =>
        // Without peers there is no primary to disable first.
        !hasPeers ? DisableStep.Disable
        : own is { IsUp: true, State: MirrorStatusState.Replaying } ? DisableStep.LeaveToDaemon
        : DisableStep.Refuse;
}
