using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Which copy of an image a site has.</summary>
public enum ImageRole
{
    /// <summary>It does not show in the reports.</summary>
    Unknown,

    /// <summary>The one that is written to.</summary>
    Primary,

    /// <summary>A copy that follows, or waits to be promoted.</summary>
    Secondary,
}

/// <summary>One mirrored image as this site's cluster sees it, without opening the image.</summary>
/// <param name="ImageName">Image name.</param>
/// <param name="ImageId">Image id.</param>
/// <param name="Role">Which copy this site has.</param>
/// <param name="Health">How well it is replicated.</param>
/// <param name="Peer">What the peer reports, in a word or two.</param>
/// <param name="LastSyncTime">Time of the newest data that the secondary site holds completely; null where no site reports it.</param>
/// <param name="Lag">Age of that data; null where it is not known.</param>
/// <param name="LastSyncBytes">Size of the last snapshot that was copied; null where the copying site does not report it.</param>
/// <param name="LastSyncDuration">How long copying it took.</param>
/// <param name="Schedules">Snapshot schedules in force at this site.</param>
/// <param name="Message">What is seen and, where something is wrong, what to do; for people.</param>
public sealed record ImageStatus(
    string ImageName, string ImageId, ImageRole Role, ReplicationHealth Health, string Peer, DateTimeOffset? LastSyncTime, TimeSpan? Lag,
    long? LastSyncBytes, TimeSpan? LastSyncDuration, IReadOnlyList<ReplicationSchedule> Schedules, string Message)
{
    /// <summary>
    /// When the newest point was taken of which a drill can be made here, or the latest time when that can have been; null where there is none, where
    /// the image is not secondary, or where nobody has looked.
    /// </summary>
    public DateTimeOffset? DrillableTime { get; init; }

    /// <summary>Whether the site that has not the primary could take over now.</summary>
    public FailoverSafety Failover { get; init; } = FailoverSafety.NotReported;

    /// <summary>How much this volume wants to be looked at; the worst has the highest number.</summary>
    public int Severity => Health.Severity();

    /// <summary>The volume's uuid, with which ceph-csi ends image names; null for any other name.</summary>
    public string? VolumeUuid =>
        ImageName.Length > VolumeHandle.UuidLength && ImageName[^VolumeHandle.UuidLength..] is var uuid && VolumeHandle.IsUuid(uuid) ? uuid : null;

    /// <summary>Interval of the shortest schedule in force; null without a schedule.</summary>
    public TimeSpan? ScheduleInterval => ReplicationSchedule.ShortestInterval(Schedules);

    /// <summary>Judges an image by the reports of its sites.</summary>
    /// <param name="imageId">Image id.</param>
    /// <param name="reports">The reports, from a listing.</param>
    /// <param name="now">The time, by the clock of this cluster.</param>
    public static ImageStatus Of(string imageId, ImageReports reports, DateTimeOffset now)
    {
        var (status, sites, schedules, _) = reports;
        var peer = PeerStatus.From(status, sites);
        // Where this site's daemon has not reported yet, librbd makes an entry up: "status not found", at time zero.
        var own = status.Local is { } local && local.LastUpdate > DateTimeOffset.UnixEpoch ? local : null;
        var role = RoleOf(own, peer);
        var (health, message, lastSync) = status.Info.State != MirrorImageState.Enabled
            ? (ReplicationHealth.Unknown, $"mirroring is in state \"{status.Info.State}\", which ends by itself", null)
            : role switch
            {
                ImageRole.Primary => OfPrimary(reports, now),
                ImageRole.Secondary => OfSecondary(own, peer, now),
                _ => (ReplicationHealth.Degraded, OfUnknown(own, peer, now), null),
            };
        var lag = now - lastSync;
        var copying = role switch
        {
            ImageRole.Primary => peer.Report,
            ImageRole.Secondary => own,
            _ => null,
        };
        var sync = copying is null ? null : SyncReport.Parse(copying.Description);
        return new ImageStatus(
            status.ImageName, imageId, role, health, PeerWords(peer), lastSync, lag < TimeSpan.Zero ? TimeSpan.Zero : lag,
            sync?.LastSnapshotBytes, sync?.LastSnapshotDuration, schedules, message)
        {
            Failover = FailoverSafety.Of(role, health, message, own, peer, lastSync, now),
        };
    }

    /// <summary>The same with what an earlier look at the same image has told and this one does not.</summary>
    internal ImageStatus After(ImageStatus before) =>
        Role == ImageRole.Secondary && before.Role == ImageRole.Secondary ? this with { Failover = Failover.After(before.Failover) } : this;

    /// <summary>The same of an image with which a resync was left that nobody has carried out.</summary>
    public ImageStatus WithLeftResync() => this with
    {
        Health = Health is ReplicationHealth.Error ? Health : ReplicationHealth.Degraded,
        Message = $"{Message}; a resync that was asked for was left with this image, which is thrown away as soon as it is secondary and its peer primary: where that is not wanted, PromoteVolume, DemoteVolume or ResyncVolume without force takes it back",
    };

    // A listing does not tell which image is primary (the field is always false there), so the daemons' words must. This
    // site's own word is best, even an old one: a role changes by a call, and the daemon reports it within half a minute.
    private static ImageRole RoleOf(MirrorSiteStatus? own, PeerStatus peer) => own switch
    {
        { SaysPrimary: true } => ImageRole.Primary,
        { SaysForcePromoting: true } => ImageRole.Unknown,
        { State: MirrorStatusState.Replaying or MirrorStatusState.Syncing or MirrorStatusState.Error } => ImageRole.Secondary,
        { SaysNobodyIsPrimary: true } => ImageRole.Secondary,
        // "starting replay" is what the daemon of a primary says too, while it cannot reach the peer's cluster.
        _ when peer.LastWordIsPrimary => ImageRole.Secondary,
        _ when peer.Report is { State: MirrorStatusState.Replaying or MirrorStatusState.Syncing } => ImageRole.Primary,
        _ => ImageRole.Unknown,
    };

    private static (ReplicationHealth, string, DateTimeOffset?) OfPrimary(ImageReports reports, DateTimeOffset now)
    {
        var info = ReplicationInfo.Of(reports, primarySince: null, now);
        return (info.Health, info.Message, info.LastSyncTime);
    }

    private static (ReplicationHealth, string, DateTimeOffset?) OfSecondary(MirrorSiteStatus? own, PeerStatus peer, DateTimeOffset now)
    {
        if (own is null)
            return (ReplicationHealth.Degraded, OfUnknown(own, peer, now), null);
        var sync = SyncReport.Parse(own.Description);
        var words = SyncReport.Words(own.Description);
        var lastSync = sync?.LastSyncTime(own.LastUpdate);
        return own switch
        {
            { IsUp: false } => (ReplicationHealth.Degraded, $"this site's mirror daemon is down since about {own.LastUpdate:HH:mm:ss} UTC; start it, nothing is copied until it runs", lastSync),
            { State: MirrorStatusState.Error } =>
                (ReplicationHealth.Error, $"this site reports \"{words}\"; if it is a split-brain, resync the volume here, which discards this site's data (ResyncVolume with force)", lastSync),
            { State: MirrorStatusState.Replaying or MirrorStatusState.Syncing } when peer.Role == PeerRole.Down =>
                (ReplicationHealth.Degraded, $"{peer.Describe(now)}; check that site, its mirror daemon and the network", lastSync),
            { State: MirrorStatusState.Replaying or MirrorStatusState.Syncing } =>
                (ReplicationHealth.Healthy, sync is { IsSyncing: true } ? $"copying a snapshot, {sync.SyncingPercent ?? 0} %" : "in step", lastSync),
            { State: MirrorStatusState.StartingReplay } =>
                (ReplicationHealth.Degraded, $"this site is about to follow; if that lasts longer than a minute, check that its mirror daemon reaches the cluster of {peer.SiteName}", lastSync),
            _ when peer.Role == PeerRole.Primary =>
                (ReplicationHealth.Degraded, $"this site does not follow {peer.SiteName} yet, which takes up to a minute after a move", lastSync),
            _ => (ReplicationHealth.Degraded, $"no site is known to be primary: {peer.Describe(now)}; promote the volume where it is to be used", lastSync),
        };
    }

    private static string OfUnknown(MirrorSiteStatus? own, PeerStatus peer, DateTimeOffset now) =>
        own is null
            ? $"this site's mirror daemon has not reported this image, which takes up to 30 s after it appears; else check that the daemon runs; {peer.Describe(now)}"
            : own.SaysForcePromoting
            ? $"a forced promotion was made here, which shows until the peer is back; promoting again tells whether it has ended, and changes nothing then; {peer.Describe(now)}"
            : $"this site reports \"{SyncReport.Words(own.Description)}\"; {peer.Describe(now)}; after a move this lasts up to a minute";

    private static string PeerWords(PeerStatus peer) => peer.Role switch
    {
        PeerRole.Silent => "silent",
        PeerRole.Down => "down",
        PeerRole.Primary => "primary",
        PeerRole.Following => SyncReport.Parse(peer.Report!.Description) is { IsSyncing: true } ? "copying" : "following",
        PeerRole.Failed => SyncReport.Words(peer.Report!.Description),
        _ => "not primary",
    };
}
