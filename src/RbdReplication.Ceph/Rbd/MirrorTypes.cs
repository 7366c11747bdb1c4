namespace RbdReplication.Ceph;

/// <summary>How an image is mirrored. <c>rbd_mirror_image_mode_t</c>.</summary>
public enum MirrorImageMode
{
    /// <summary>Every write is logged in a journal that the peer replays.</summary>
    Journal = 0,

    /// <summary>The peer copies the differences between mirror snapshots.</summary>
    Snapshot = 1,
}

/// <summary>Whether an image is mirrored. <c>rbd_mirror_image_state_t</c>; the fourth value is in no header but is returned by 16.2 to 20.2.</summary>
public enum MirrorImageState
{
    /// <summary>Mirroring is being switched off.</summary>
    Disabling = 0,

    /// <summary>The image is mirrored.</summary>
    Enabled = 1,

    /// <summary>The image is not mirrored.</summary>
    Disabled = 2,

    /// <summary>The mirror daemon is creating this secondary image; seen for about 0.1 s.</summary>
    Creating = 3,
}

/// <summary>Which images of a pool are mirrored. <c>rbd_mirror_mode_t</c>.</summary>
public enum MirrorPoolMode
{
    /// <summary>None.</summary>
    Disabled = 0,

    /// <summary>Those for which it is enabled one by one.</summary>
    Image = 1,

    /// <summary>All with the journaling feature.</summary>
    Pool = 2,

    /// <summary>None yet, but the pool takes part as a target (Ceph 20).</summary>
    InitOnly = 3,
}

/// <summary>What a mirror daemon says it is doing with an image. <c>rbd_mirror_image_status_state_t</c>.</summary>
public enum MirrorStatusState
{
    /// <summary>Nothing known, and also the normal answer while no site is primary.</summary>
    Unknown = 0,

    /// <summary>Replication has failed; the description says how.</summary>
    Error = 1,

    /// <summary>First copy of the image.</summary>
    Syncing = 2,

    /// <summary>About to replay.</summary>
    StartingReplay = 3,

    /// <summary>Following the primary.</summary>
    Replaying = 4,

    /// <summary>About to stop.</summary>
    StoppingReplay = 5,

    /// <summary>Not replaying: normal for a primary image.</summary>
    Stopped = 6,
}

/// <summary>State of a mirror snapshot. <c>rbd_snap_mirror_state_t</c>.</summary>
public enum MirrorSnapshotState
{
    /// <summary>Taken while the image was primary here.</summary>
    Primary = 0,

    /// <summary>Taken by the demotion of the image here.</summary>
    PrimaryDemoted = 1,

    /// <summary>Copied from the peer.</summary>
    NonPrimary = 2,

    /// <summary>Copy of the peer's demotion snapshot.</summary>
    NonPrimaryDemoted = 3,
}

/// <summary>In which direction a peer mirrors. <c>rbd_mirror_peer_direction_t</c>.</summary>
public enum MirrorPeerDirection
{
    /// <summary>From the peer to us.</summary>
    Receive = 0,

    /// <summary>From us to the peer.</summary>
    Transmit = 1,

    /// <summary>Both.</summary>
    Both = 2,
}

/// <summary>Mirroring of one image as seen locally. <c>rbd_mirror_image_info_t</c>.</summary>
/// <param name="GlobalId">The id that the image has at all sites; empty if it is not mirrored.</param>
/// <param name="State">Whether it is mirrored.</param>
/// <param name="IsPrimary">Whether this site's image is the primary one.</param>
public sealed record MirrorImageInfo(string GlobalId, MirrorImageState State, bool IsPrimary);

/// <summary>What the mirror daemon of one site last reported about an image. <c>rbd_mirror_image_site_status_t</c>.</summary>
/// <param name="MirrorUuid">Mirror uuid of the site's pool; empty for the local site.</param>
/// <param name="State">What it is doing.</param>
/// <param name="Description">In words, with a JSON object of figures behind "replaying, ".</param>
/// <param name="LastUpdate">When it was stored, by the clock of this cluster; whole seconds. Reports are stored again every 30 s even if nothing changed.</param>
/// <param name="IsUp">Whether that daemon still has its watch; turns false about 30 s after its death.</param>
public sealed record MirrorSiteStatus(string MirrorUuid, MirrorStatusState State, string Description, DateTimeOffset LastUpdate, bool IsUp)
{
    /// <summary>Whether this is the local site's own report.</summary>
    public bool IsLocal => MirrorUuid.Length == 0;
}

/// <summary>The reports of all sites about one image. <c>rbd_mirror_image_global_status_t</c>.</summary>
/// <param name="ImageName">Name of the image.</param>
/// <param name="Info">Local view. From a listing, <see cref="MirrorImageInfo.IsPrimary"/> is always false (measured on 16.2).</param>
/// <param name="Sites">One entry per site; the local one can be missing for up to 30 s after an image appears.</param>
public sealed record MirrorGlobalStatus(string ImageName, MirrorImageInfo Info, IReadOnlyList<MirrorSiteStatus> Sites)
{
    /// <summary>The local site's report, if it has made one.</summary>
    public MirrorSiteStatus? Local => Sites.FirstOrDefault(site => site.IsLocal);

    /// <summary>The reports of the other sites.</summary>
    public IEnumerable<MirrorSiteStatus> Peers => Sites.Where(site => !site.IsLocal);
}

/// <summary>One mirror snapshot of an image. <c>rbd_snap_mirror_namespace_t</c>.</summary>
/// <param name="Id">Local snapshot id; grows with time.</param>
/// <param name="State">Where it comes from.</param>
/// <param name="IsComplete">Whether it was copied completely; always true for snapshots taken here.</param>
/// <param name="PrimaryMirrorUuid">Mirror uuid of the site it was copied from; empty if it was taken here.</param>
/// <param name="PrimarySnapshotId">Id of the original at that site; <see cref="NoSnapshot"/> if it was taken here.</param>
/// <param name="MirrorPeerUuids">Peers that still need it; a peer is taken off at once when it has completed a newer one.</param>
/// <param name="LastCopiedObject">Number of the last object copied so far.</param>
/// <param name="TakenAt">Local creation time.</param>
public sealed record MirrorSnapshot(
    ulong Id, MirrorSnapshotState State, bool IsComplete, string PrimaryMirrorUuid, ulong PrimarySnapshotId,
    IReadOnlyList<string> MirrorPeerUuids, ulong LastCopiedObject, DateTimeOffset TakenAt)
{
    /// <summary>Stands for "no snapshot" in <see cref="PrimarySnapshotId"/> (<c>CEPH_NOSNAP</c>).</summary>
    public const ulong NoSnapshot = ulong.MaxValue - 1;
}

/// <summary>A peer of a pool. <c>rbd_mirror_peer_site_t</c>.</summary>
/// <param name="Uuid">Id of the peer entry; it stands in <see cref="MirrorSnapshot.MirrorPeerUuids"/>.</param>
/// <param name="SiteName">Name of the other site.</param>
/// <param name="MirrorUuid">Mirror uuid of the other site's pool; it stands in <see cref="MirrorSiteStatus.MirrorUuid"/>. Empty until it is known.</param>
/// <param name="Direction">Direction of mirroring.</param>
/// <param name="LastSeen">When the other site's daemon last announced itself here.</param>
public sealed record MirrorPeerSite(string Uuid, string SiteName, string MirrorUuid, MirrorPeerDirection Direction, DateTimeOffset LastSeen);
