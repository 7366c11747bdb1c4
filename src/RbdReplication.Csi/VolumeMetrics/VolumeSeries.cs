using System.Diagnostics.Metrics;
using OpenTelemetry.Metrics;
using RbdReplication.Core;
using RbdReplication.Csi.Hosting;

namespace RbdReplication.Csi.VolumeMetrics;

/// <summary>
/// The metrics of single volumes. They are taken from <see cref="LastListings"/> when they are asked for, so a scrape
/// never waits for Ceph; what was listed too long ago is left out rather than shown as if it were so now.
/// </summary>
internal sealed class VolumeSeries : IDisposable
{
    /// <summary>Name of the meter.</summary>
    public const string MeterName = "RbdReplication.Volumes";

    // The SDK never forgets a set of labels, and lumps together what comes after so many.
    private const int MinimumSets = 1000;
    private const int SetsPerVolume = 2;

    private static readonly ImageRole[] Roles = Enum.GetValues<ImageRole>();
    private static readonly ReplicationHealth[] Healths = Enum.GetValues<ReplicationHealth>();

    private readonly int _maximum;
    private readonly int _maximumSets;
    private readonly LastListings _listings;
    private readonly Lock _lock = new();
    private readonly HashSet<(string Pool, string Image, string PersistentVolume)> _sets = [];
    private volatile IReadOnlyList<PoolSeries> _pools = [];
    private Counter<long>? _failures;
    private Meter? _meter;

    public VolumeSeries(VolumeMetricsOptions options, LastListings listings)
    {
        _maximum = options.MaximumVolumeSeries;
        _maximumSets = MaximumSets(options);
        _listings = listings;
    }

    /// <summary>How many sets of labels the SDK is to hold for an instrument of this meter; null for others.</summary>
    public static MetricStreamConfiguration? LimitOf(Instrument instrument, VolumeMetricsOptions options)
    {
        if (instrument.Meter.Name != MeterName)
            return null;
        var states = instrument.Name == MetricCatalog.VolumeHealth.Name ? Healths.Length : instrument.Name == MetricCatalog.VolumeRole.Name ? Roles.Length : 1;
        return new MetricStreamConfiguration { CardinalityLimit = MaximumSets(options) * states };
    }

    private static int MaximumSets(VolumeMetricsOptions options) => Math.Max(MinimumSets, options.MaximumVolumeSeries * SetsPerVolume);

    /// <summary>
    /// Chooses again which volumes have series: the worst of all pools, so that a volume in trouble has them however many healthy ones
    /// there are. To be called when a listing has come or gone.
    /// </summary>
    public void Update()
    {
        lock (_lock)
        {
            List<PoolSeries> pools = [.. _listings.ListWorst(_maximum).Select(entry => new PoolSeries(entry.Listing, entry.Worst))];
            _sets.UnionWith(pools.SelectMany(pool => pool.Sets));
            if (_sets.Count > _maximumSets)
            {
                // Only with a new meter the SDK begins again. A scrape at this moment finds nothing; the next one finds all.
                _meter?.Dispose();
                _meter = null;
                _sets.Clear();
                _sets.UnionWith(pools.SelectMany(pool => pool.Sets));
            }
            _pools = pools;
            Start();
        }
    }

    /// <summary>Counts a listing that failed.</summary>
    public void CountFailure(PoolInUse pool)
    {
        lock (_lock)
        {
            Start();
            _failures!.Add(1, TagsOf(pool.ClusterId, pool.PoolName, pool.Namespace));
        }
    }

    public void Dispose() => _meter?.Dispose();

    private IEnumerable<PoolSeries> Fresh => _pools.Where(pool => _listings.IsFresh(pool.Listing));

    private void Start()
    {
        if (_meter is not null)
            return;
        _meter = new Meter(MeterName);
        MetricCatalog.VolumeRole.Observe(_meter, () => States(Roles, "role", status => status.Role));
        MetricCatalog.VolumeHealth.Observe(_meter, () => States(Healths, "health", status => status.Health));
        MetricCatalog.VolumeLastSyncTimestamp.Observe(_meter, () => Values(status => status.LastSyncTime?.ToUnixTimeSeconds()));
        MetricCatalog.VolumeLag.Observe(_meter, () => Values(status => status.Lag?.TotalSeconds));
        MetricCatalog.VolumeLastSyncSize.Observe(_meter, () => Values(status => status.LastSyncBytes));
        MetricCatalog.VolumeLastSyncDuration.Observe(_meter, () => Values(status => status.LastSyncDuration?.TotalSeconds));
        MetricCatalog.VolumeScheduleInterval.Observe(_meter, () => Values(status => status.ScheduleInterval?.TotalSeconds));
        MetricCatalog.VolumeDrillPoint.Observe(_meter, () => Values(status => status.DrillableTime?.ToUnixTimeSeconds()));
        MetricCatalog.Volumes.Observe(_meter, Counts);
        MetricCatalog.Drills.Observe(_meter, () => Fresh.Select(pool => new Measurement<long>(pool.Listing.Drills.Count, pool.Tags)));
        MetricCatalog.OldestDrill.Observe(_meter, OldestDrills);
        MetricCatalog.VolumesLeftOut.Observe(_meter, () => Fresh.Sum(pool => (long)(pool.Listing.Count - pool.Volumes.Count)));
        MetricCatalog.ListingTimestamp.Observe(
            _meter, () => _pools.Select(pool => new Measurement<double>(pool.Listing.ListedAt.ToUnixTimeMilliseconds() / 1000.0, pool.Tags)));
        _failures = MetricCatalog.ListingFailures.Counter(_meter);
    }

    private IEnumerable<Measurement<long>> States<T>(T[] states, string label, Func<ImageStatus, T> read) where T : struct, Enum =>
        from pool in Fresh
        from volume in pool.Volumes
        from state in states
        select new Measurement<long>(read(volume.Status).Equals(state) ? 1 : 0, [.. volume.Tags, Tag(label, StatusWords.Word(state))]);

    private IEnumerable<Measurement<double>> Values(Func<ImageStatus, double?> read) =>
        from pool in Fresh
        from volume in pool.Volumes
        let value = read(volume.Status)
        where value is not null
        select new Measurement<double>(value.Value, volume.Tags);

    private IEnumerable<Measurement<long>> Counts() =>
        from pool in Fresh
        from role in Roles
        from health in Healths
        select new Measurement<long>(
            pool.Listing.Counts.GetValueOrDefault((role, health)), [.. pool.Tags, Tag("role", StatusWords.Word(role)), Tag("health", StatusWords.Word(health))]);

    private IEnumerable<Measurement<double>> OldestDrills() =>
        from pool in Fresh
        let oldest = pool.Listing.Drills.Min(drill => drill.CreatedAt)
        where oldest is not null
        select new Measurement<double>(oldest.Value.ToUnixTimeSeconds(), pool.Tags);

    private static KeyValuePair<string, object?> Tag(string name, string value) => new(name, value);

    private static KeyValuePair<string, object?>[] TagsOf(string cluster, string pool, string radosNamespace) =>
        [Tag("cluster", cluster), Tag("pool", pool), Tag("rados_namespace", radosNamespace)];

    private sealed class PoolSeries
    {
        public PoolSeries(PoolListing listing, IReadOnlyList<MirroredVolume> volumes)
        {
            Listing = listing;
            Tags = TagsOf(listing.ClusterId, listing.Pool, listing.Namespace);
            Volumes = [.. volumes.Select(volume =>
                (volume.Status, (KeyValuePair<string, object?>[])[.. Tags, Tag("image", volume.Status.ImageName), Tag("persistentvolume", volume.PersistentVolume ?? "")]))];
        }

        public PoolListing Listing { get; }

        public KeyValuePair<string, object?>[] Tags { get; }

        public IReadOnlyList<(ImageStatus Status, KeyValuePair<string, object?>[] Tags)> Volumes { get; }

        public IEnumerable<(string, string, string)> Sets =>
            Volumes.Select(volume => ($"{Listing.ClusterId}/{Listing.Pool}/{Listing.Namespace}", volume.Status.ImageName, (string)volume.Tags[^1].Value!));
    }
}
