using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Gets told where each replication info came from.</summary>
/// <param name="source">Where from.</param>
/// <param name="age">Of one that came from a reading, how long ago that was begun; else zero.</param>
public delegate void InfoSourceReport(InfoSource source, TimeSpan age);

/// <summary>A volume of which everything is known that its replication info is made of, without its image having been opened.</summary>
/// <param name="Volume">The volume.</param>
/// <param name="Reports">What is reported about its image, which is primary.</param>
/// <param name="PrimarySince">When it was promoted at the latest.</param>
internal sealed record KnownVolume(Volume Volume, ImageReports Reports, DateTimeOffset PrimarySince);

/// <summary>What a look at what was read of a volume's pool tells.</summary>
/// <param name="Source">Where the replication info has to come from.</param>
/// <param name="Volume">The volume, where it comes from the reading.</param>
/// <param name="Age">How long ago that was begun then; else zero.</param>
internal sealed record InfoLook(InfoSource Source, KnownVolume? Volume = null, TimeSpan Age = default);

/// <summary>
/// The statuses of the mirrored images of pools, read for all that want them at once: the metrics, the page, and the replication info. A reading belongs to
/// the connection that it was made by, so that no other Ceph user and key is given it.
/// </summary>
/// <param name="maximumAge">How old a reading may be that the info is answered from; zero: it is not.</param>
/// <param name="changes">The volumes that calls of this server change.</param>
/// <param name="time">Clock.</param>
/// <param name="read">Gets told of each reading.</param>
/// <param name="answered">Gets told where each info came from.</param>
public sealed class SharedReports(TimeSpan maximumAge, RecentChanges changes, TimeProvider time, ReadingReport? read = null, InfoSourceReport? answered = null) : IDisposable
{
    private readonly SharedReadings<(ClusterConnection Connection, RadosPool Pool), PoolReports> _readings = new(
        maximumAge, (place, token) => PoolReports.ReadAsync(place.Connection, place.Pool, time, token), static reports => reports.Images.Count, time, read);

    /// <summary>The statuses of a pool, as others have read them or else read now.</summary>
    /// <param name="connection">The connection.</param>
    /// <param name="pool">Pool and rados namespace.</param>
    /// <param name="atMost">How old they may be when it is asked for, where that is less than the maximum age.</param>
    /// <param name="cancellationToken">Ends the wait; the reading goes on for others.</param>
    /// <exception cref="CephException">They cannot be read.</exception>
    public async Task<PoolReports> GetAsync(ClusterConnection connection, RadosPool pool, TimeSpan atMost, CancellationToken cancellationToken) =>
        (await _readings.GetAsync((connection, pool), atMost, cancellationToken).ConfigureAwait(false)).Value;

    /// <summary>Whether the replication info is answered from readings at all.</summary>
    internal bool IsUsed => maximumAge > TimeSpan.Zero;

    /// <summary>Looks whether the replication info of a volume follows from a reading of its pool.</summary>
    internal async Task<InfoLook> LookAsync(VolumeHandle handle, LocalCluster cluster, RadosPool pool, CancellationToken cancellationToken)
    {
        if (await _readings.TryGetAsync((cluster.Connection, pool), cancellationToken).ConfigureAwait(false) is not { } reading)
            return new InfoLook(InfoSource.NoReading);
        if (!changes.IsUnchangedSince(handle.Uuid, reading.BegunAt))
            return new InfoLook(InfoSource.Changed);
        VolumeLook look;
        try
        {
            look = await reading.Value.LookAtAsync(handle.Uuid, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is CephException or FormatException or ObjectDisposedException)
        {
            return new InfoLook(InfoSource.Failed);
        }
        // The look may have taken its time.
        if (!changes.IsUnchangedSince(handle.Uuid, reading.BegunAt))
            return new InfoLook(InfoSource.Changed);
        var age = time.GetElapsedTime(reading.BegunAt);
        if (age >= maximumAge)
            return new InfoLook(InfoSource.NoReading);
        var source = ReadingRules.SourceOf(look.Reports, look.Image);
        if (source != InfoSource.Reading)
            return new InfoLook(source);
        var volume = new Volume(handle, cluster.Entry, cluster.Connection, pool, look.Entry);
        var promotedAt = new MirrorChain(look.Image!.Snapshots.Mirrors).SincePromotion.First().TakenAt;
        return new InfoLook(source, new KnownVolume(volume, look.Reports!, promotedAt), age);
    }

    /// <summary>Reports where an info came from.</summary>
    internal void Report(InfoLook look) => answered?.Invoke(look.Source, look.Age);

    /// <summary>Ends the waits of readings under way.</summary>
    public void Dispose() => _readings.Dispose();
}
