using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>How well an image is replicated.</summary>
public enum ReplicationHealth
{
    /// <summary>Not known.</summary>
    Unknown,

    /// <summary>Data reaches the peer.</summary>
    Healthy,

    /// <summary>Replication is behind or a mirror daemon does not report.</summary>
    Degraded,

    /// <summary>Replication has stopped and does not recover by itself.</summary>
    Error,
}

/// <summary>How health is compared and named.</summary>
public static class ReplicationHealthOrder
{
    /// <summary>How much what has this health wants to be looked at; the worst has the highest number.</summary>
    public static int Severity(this ReplicationHealth health) => health switch
    {
        ReplicationHealth.Error => 3,
        ReplicationHealth.Degraded => 2,
        ReplicationHealth.Unknown => 1,
        _ => 0,
    };

    /// <summary>What volumes of this health are, within a sentence.</summary>
    internal static string Words(this ReplicationHealth health) => health switch
    {
        ReplicationHealth.Error => "in error",
        ReplicationHealth.Degraded => "degraded",
        ReplicationHealth.Unknown => "of unknown health",
        _ => "healthy",
    };
}

/// <summary>Replication of one primary image.</summary>
/// <param name="Health">How well it works.</param>
/// <param name="Message">What is seen on each site and what to do, for people.</param>
/// <param name="LastSyncTime">Time of the newest data that the peer holds completely; null before the first sync.</param>
/// <param name="LastSyncDuration">How long the last transfer took; null where Ceph does not tell.</param>
/// <param name="LastSyncBytes">Size of the last transfer.</param>
/// <param name="IsAwaited">The peer has not begun to follow, which is normal in the first five minutes of a primary.</param>
public sealed record ReplicationInfo(
    ReplicationHealth Health, string Message, DateTimeOffset? LastSyncTime, TimeSpan? LastSyncDuration, long LastSyncBytes, bool IsAwaited)
{
    // How long after an image became primary nothing is to be made of a peer that does not follow it yet.
    private static readonly TimeSpan FirstMinutes = TimeSpan.FromMinutes(5);

    // Reports are stored every 30 s whether or not anything changed; three missed in a row are no accident.
    private static readonly TimeSpan StaleReport = TimeSpan.FromSeconds(100);

    private static readonly TimeSpan ReportInterval = TimeSpan.FromSeconds(30);

    // A snapshot is due once in an interval and then has to be copied and reported: twice the interval is no accident.
    internal const int LateAfterIntervals = 2;

    // Schedules of the cluster as a whole cannot be seen, so without any the interval may still be short. This is the one that
    // the controller asks in where its class names none.
    private static readonly TimeSpan AssumedInterval = TimeSpan.FromHours(1);

    /// <summary>Judges a primary image by the reports of its sites.</summary>
    /// <param name="reports">The reports.</param>
    /// <param name="primarySince">When this site was promoted at the latest; null where that is not known.</param>
    /// <param name="now">The time, by the clock of this cluster.</param>
    public static ReplicationInfo Of(ImageReports reports, DateTimeOffset? primarySince, DateTimeOffset now)
    {
        var (status, sites, _, _) = reports;
        var own = status.Local;
        var peer = PeerStatus.From(status, sites);
        var sync = peer.Report is { } report ? SyncReport.Parse(report.Description) : null;
        var (health, message) = Judge(own, peer, sync, reports, primarySince, now);
        foreach (var absent in sites.AbsentOf(status))
            message += $"; peer {absent.SiteName} of the pool does not report this image: where its site is gone for good, remove it here with rbd mirror pool peer remove POOL {absent.Uuid}";
        var lastSync = sync?.LastSyncTime(peer.Report!.LastUpdate);
        var isAwaited = lastSync is null && health == ReplicationHealth.Degraded && peer.Role is PeerRole.Silent or PeerRole.NotPrimary or PeerRole.Primary
            && now < primarySince + FirstMinutes;
        return new ReplicationInfo(health, message, lastSync, sync?.LastSnapshotDuration, sync?.LastSnapshotBytes ?? 0, isAwaited);
    }

    private static (ReplicationHealth, string) Judge(
        MirrorSiteStatus? own, PeerStatus peer, SyncReport? sync, ImageReports reports, DateTimeOffset? primarySince, DateTimeOffset now)
    {
        var sites = reports.Sites;
        var seen = peer.Describe(now);
        return peer.Role switch
        {
            PeerRole.Primary when peer.Report!.LastUpdate < primarySince + RelocationTimes.ReportDelay =>
                (ReplicationHealth.Degraded, $"{seen}: a peer that was demoted goes on saying so for up to a minute; if it lasts, both sites are primary"),
            PeerRole.Primary => (ReplicationHealth.Error, $"both sites are primary: {seen}; demote the one whose data is to be discarded, then resync it"),
            PeerRole.Failed => (ReplicationHealth.Error, $"{seen}; if it is a split-brain, resync the volume at the site whose data is to be discarded"),
            _ when own is { IsUp: true, State: MirrorStatusState.Error } =>
                (ReplicationHealth.Error, $"{sites.Local} reports \"{SyncReport.Words(own.Description)}\"; {seen}"),
            PeerRole.Silent when !sites.HaveFollowers =>
                (ReplicationHealth.Error, "the pool has no peer that copies from this site, so the data is here only; peer the pools of the two sites (rbd mirror pool peer bootstrap create and import)"),
            PeerRole.Silent => (ReplicationHealth.Degraded, $"{seen}: its mirror daemon has not found the image yet, which takes some seconds after enabling; otherwise check that it runs and that the pools are peered"),
            PeerRole.Down => (ReplicationHealth.Degraded, $"{seen}; check the mirror daemon there and the network between the sites"),
            _ when now - peer.Report!.LastUpdate > StaleReport => (ReplicationHealth.Degraded, $"reports are late: {seen}"),
            PeerRole.Following => Following(peer, sync, reports, now),
            // Where a site has just become primary its peer needs up to half a minute to notice.
            _ => (ReplicationHealth.Degraded, $"the peer does not follow yet: {seen}"),
        };
    }

    private static (ReplicationHealth, string) Following(PeerStatus peer, SyncReport? sync, ImageReports reports, DateTimeOffset now)
    {
        var progress = sync switch
        {
            { EntriesBehindPrimary: { } behind } => $"journal entries behind: {behind}; the sync time is that of the report, since journal mode tells no other",
            { IsSyncing: true } => $"copying a snapshot, {sync.SyncingPercent ?? 0} %",
            { LocalSnapshotTime: null } => "in step, the time of the last sync is not reported until the next one",
            null => "no figures reported yet",
            _ => "in step",
        };
        var seen = $"{peer.Describe(now)}: {progress}";
        if (sync is not { RemoteSnapshotTime: { } newest })
            return (ReplicationHealth.Healthy, seen);
        var interval = ReplicationSchedule.ShortestInterval(reports.Schedules);
        var isLate = now - (sync.LocalSnapshotTime ?? newest) > ((interval ?? AssumedInterval) * LateAfterIntervals) + ReportInterval;
        var message = interval switch
        {
            null => $"no snapshot schedule, so what is written after {newest:HH:mm:ss} UTC does not reach the peer; set schedulingInterval in the VolumeReplicationClass; {seen}",
            _ when !isLate => seen,
            { } length when sync.IsSyncing => $"behind: {seen}; a copy takes longer than the interval of {length.TotalMinutes} min: lengthen it, or look at the network between the sites",
            { } length when reports.Taker == SnapshotTaker.Points =>
                $"behind: no consistency point in {LateAfterIntervals} intervals of {length.TotalMinutes} min; event 2013 in the servers' logs says why, and where there is none no server was called for the volume since it started; where they are taken, check the mirror daemon at {peer.SiteName}",
            { } length when reports.Taker == SnapshotTaker.Group => $"behind: {GroupStatus.NoGeneration(length)}; where they are taken, check the mirror daemon at {peer.SiteName}",
            { } length => $"behind: no snapshot in {LateAfterIntervals} intervals of {length.TotalMinutes} min; check the manager's rbd_support module (rbd mirror snapshot schedule status) and the mirror daemon at {peer.SiteName}",
        };
        return (isLate ? ReplicationHealth.Degraded : ReplicationHealth.Healthy, message);
    }
}
