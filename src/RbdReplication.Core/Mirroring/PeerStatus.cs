using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>What the peer is known to be doing with an image.</summary>
public enum PeerRole
{
    /// <summary>It has never reported.</summary>
    Silent,

    /// <summary>Its mirror daemon's watch is gone; the report is its last word.</summary>
    Down,

    /// <summary>It says that its image is primary.</summary>
    Primary,

    /// <summary>It copies from another site.</summary>
    Following,

    /// <summary>It is alive and not primary.</summary>
    NotPrimary,

    /// <summary>It reports an error, such as a split-brain.</summary>
    Failed,
}

/// <summary>The peer's side of an image, from its reports.</summary>
/// <param name="Role">What it is doing.</param>
/// <param name="SiteName">Its name, for messages.</param>
/// <param name="Report">The report this is taken from.</param>
public sealed record PeerStatus(PeerRole Role, string SiteName, MirrorSiteStatus? Report)
{
    /// <summary>Whether it says that neither it nor the site that it follows is primary.</summary>
    public bool SaysNobodyIsPrimary => Report is { IsUp: true, SaysNobodyIsPrimary: true };

    /// <summary>Whether it says that its history has parted from that of the primary.</summary>
    public bool SaysSplitBrain => Report is { SaysSplitBrain: true };

    /// <summary>Whether it has failed and not found out yet why.</summary>
    public bool IsTryingAgain => Report is { IsTryingAgain: true };

    /// <summary>Whether it says that it has copied all snapshots of a site that was demoted.</summary>
    public bool SaysDemotionIsCopied => Report is { IsUp: true, SaysDemotionIsCopied: true };

    /// <summary>Whether it says that it follows and has nothing to copy.</summary>
    public bool FollowsIdly => Role == PeerRole.Following && SyncReport.Parse(Report!.Description) is { IsSyncing: false };

    /// <summary>Whether its last report, however old, said that its image is primary.</summary>
    public bool LastWordIsPrimary => Report is { SaysPrimary: true };

    /// <summary>Where an image has several peers, the one that matters most: a primary, then a follower, then any that lives.</summary>
    public static PeerStatus From(MirrorGlobalStatus status, MirrorSites sites) =>
        status.Peers
            .Select(report => new PeerStatus(RoleOf(report), sites.NameOf(report.MirrorUuid), report))
            .OrderBy(view => Rank(view.Role))
            .FirstOrDefault() ?? new PeerStatus(PeerRole.Silent, sites.PeerNames, null);

    /// <summary>Role, age of the report and its words, for messages.</summary>
    public string Describe(DateTimeOffset now) => Report is null
        ? $"{SiteName} has not reported yet"
        : $"{SiteName} {(Report.IsUp ? "reports" : "is down; it last reported")} \"{SyncReport.Words(Report.Description)}\" {Age(now)} ago";

    private string Age(DateTimeOffset now) => $"{Math.Max(0, (long)(now - Report!.LastUpdate).TotalSeconds)} s";

    private static PeerRole RoleOf(MirrorSiteStatus report) => report switch
    {
        { IsUp: false } => PeerRole.Down,
        { SaysPrimary: true } => PeerRole.Primary,
        { State: MirrorStatusState.Replaying or MirrorStatusState.Syncing } => PeerRole.Following,
        { State: MirrorStatusState.Error } => PeerRole.Failed,
        _ => PeerRole.NotPrimary,
    };

    private static int Rank(PeerRole role) => role switch
    {
        PeerRole.Primary => 0,
        PeerRole.Following => 1,
        PeerRole.NotPrimary => 2,
        PeerRole.Failed => 3,
        PeerRole.Down => 4,
        _ => 5,
    };
}
