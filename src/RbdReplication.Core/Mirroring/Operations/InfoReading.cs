namespace RbdReplication.Core;

/// <summary>Time, size and health of a primary image's replication.</summary>
/// <param name="time">Clock.</param>
/// <param name="ofGroup">The schedules by which snapshots of a member of a group are due; null: the image's own.</param>
internal sealed class InfoReading(TimeProvider time, IReadOnlyList<ReplicationSchedule>? ofGroup = null)
{
    /// <summary>What is done, to follow "cannot".</summary>
    public const string Name = "get the replication info of";

    /// <summary>Whether consistency points were found to be due of the image.</summary>
    public bool TakesPoints { get; private set; }

    /// <summary>Reads them.</summary>
    /// <exception cref="ReplicationException">
    /// NotFound: nothing is known yet, as it is in the first minutes of a primary. FailedPrecondition: it is secondary, or not mirrored.
    /// </exception>
    public async Task<ReplicationInfo> RunAsync(OpenVolume open, CancellationToken cancellationToken) =>
        Answer(open.Volume, await ReadAsync(open, cancellationToken).ConfigureAwait(false));

    /// <summary>The same of a volume of which everything is known.</summary>
    /// <exception cref="ReplicationException">NotFound: nothing is known yet, as it is in the first minutes of a primary.</exception>
    public ReplicationInfo Of(KnownVolume known) => Answer(known.Volume, Judge(known.Reports, known.PrimarySince));

    /// <summary>The same, also where nothing is known yet.</summary>
    /// <exception cref="ReplicationException">FailedPrecondition: it is secondary, or not mirrored.</exception>
    public async Task<ReplicationInfo> ReadAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        // All at the same time; a whole pool's are read by PoolLister.
        var schedules = ofGroup is null ? ReadSchedulesAsync(open, cancellationToken) : Task.FromResult(new SchedulesInForce(ofGroup, SnapshotTaker.Group));
        var status = open.Image.Mirroring.GetGlobalStatusAsync(cancellationToken);
        var sites = await open.Volume.Connection.GetSitesAsync(open.Volume.Pool, cancellationToken).ConfigureAwait(false);
        var global = await status.ConfigureAwait(false);
        open.RequireMirrored(global.Info);
        if (!global.Info.IsPrimary)
            throw open.Refused(Name, ReplicationError.FailedPrecondition, "it is secondary at this site; ask the primary site");
        var chain = await MirrorChain.ReadAsync(open.Image.Mirroring, cancellationToken).ConfigureAwait(false);
        // The first snapshot stays until the peer has a newer one. Journal mode has none, and keeps no time.
        var primarySince = chain.SincePromotion.FirstOrDefault()?.TakenAt ?? open.Image.GetCreateTimestamp().ToDateTimeOffset();
        var (due, taker) = await schedules.ConfigureAwait(false);
        return Judge(new ImageReports(global, sites, due, taker), primarySince);
    }

    private ReplicationInfo Judge(ImageReports reports, DateTimeOffset primarySince)
    {
        TakesPoints = reports.Taker == SnapshotTaker.Points;
        return ReplicationInfo.Of(reports, primarySince, time.GetUtcNow());
    }

    private static ReplicationInfo Answer(Volume volume, ReplicationInfo info) => info.IsAwaited
        ? throw new ReplicationException(ReplicationError.NotFound, $"{volume} has no sync time yet: {info.Message}")
        : info;

    private static async Task<SchedulesInForce> ReadSchedulesAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        var id = open.Image.GetId();
        var schedules = await SchedulesInForce.ListAsync(open.Volume.Connection, open.Volume.Pool, [id], cancellationToken).ConfigureAwait(false);
        return schedules.GetValueOrDefault(id, SchedulesInForce.None);
    }
}
