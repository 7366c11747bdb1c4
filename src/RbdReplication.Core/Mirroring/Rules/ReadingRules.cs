using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Where the replication info of a volume came from: the shared reading of its pool, or the image itself, and then why.</summary>
public enum InfoSource
{
    /// <summary>The reading.</summary>
    Reading,

    /// <summary>The image: there is no reading that is new enough.</summary>
    NoReading,

    /// <summary>The image: a call of this server changes the volume, or has changed it since the reading was begun.</summary>
    Changed,

    /// <summary>The image: it is not among the mirrored ones, or is being enabled or disabled, or has gone since.</summary>
    NotListed,

    /// <summary>The image: a site has not reported about it, or not so that it can be read, which a list tells otherwise than librbd does of one image.</summary>
    NotReported,

    /// <summary>The image: it is not primary.</summary>
    NotPrimary,

    /// <summary>The image: it is mirrored by journal, whose owner librbd alone tells.</summary>
    Journal,

    /// <summary>The image: the volume could not be looked at.</summary>
    Failed,
}

/// <summary>
/// Whether the replication info of a volume follows from what was read of its pool without opening the image. It does for a primary image that is mirrored
/// by snapshots: everything that the info is made of is then in the reports, the schedules and the snapshots, and the role is that of the newest mirror
/// snapshot, as librbd itself takes it. Statuses tell the role half a minute late. Where a list has made a report up, because there is none or it cannot be
/// read, it may hide another (16.2).
/// </summary>
public static class ReadingRules
{
    /// <summary>Decides it.</summary>
    /// <param name="reports">What is reported about the image; null: it is not among the mirrored ones.</param>
    /// <param name="image">What the image's header says; null: there is none.</param>
    public static InfoSource SourceOf(ImageReports? reports, StoredImage? image) => (reports?.Status.Info.State, image) switch
    {
        (not MirrorImageState.Enabled, _) or (_, null) => InfoSource.NotListed,
        (_, { Features: var features }) when features.HasFlag(ImageFeatures.Journaling) => InfoSource.Journal,
        (_, { Snapshots.Mirrors: not [.., { State: MirrorSnapshotState.Primary }] }) => InfoSource.NotPrimary,
        _ when !reports!.Status.Sites.Any() || reports.Status.Sites.Any(site => site.IsMadeUp) => InfoSource.NotReported,
        _ => InfoSource.Reading,
    };
}
