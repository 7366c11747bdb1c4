using RbdReplication.Core;
using RbdReplication.Csi.Hosting;
using RbdReplication.Csi.VolumeMetrics;
using RbdReplication.Tests.Kubernetes;

namespace RbdReplication.Tests.VolumeMetrics;

// The meters of all tests have one name, and each collector sees them all.
[Collection(nameof(VolumeSeriesTests))]
[CollectionDefinition(nameof(VolumeSeriesTests), DisableParallelization = true)]
public sealed class VolumeSeriesTests : IDisposable
{
    private static readonly string[] Pool = ["cluster=site-a", "pool=replicapool", "rados_namespace="];
    private readonly ManualTime _time = new();
    private readonly VolumeMetricsOptions _options = Listed.Options(maximum: 2);
    private readonly LastListings _listings;
    private readonly VolumeSeries _series;
    private readonly Collector _collector;

    public VolumeSeriesTests()
    {
        _listings = new LastListings(Listed.Interval, _time);
        _series = new VolumeSeries(_options, _listings);
        _collector = new Collector(_options);
    }

    public void Dispose()
    {
        _series.Dispose();
        _collector.Dispose();
    }

    private void Publish(params MirroredVolume[] volumes) => Publish(Listed.Pool, Listed.At(_time.GetUtcNow(), volumes));

    private void Publish(PoolInUse pool, PoolListing listing)
    {
        _listings.Put(pool, listing);
        _series.Update();
    }

    [Fact]
    public void A_volume_has_its_figures_under_its_labels_and_one_series_for_each_state()
    {
        Publish(Listed.Volume("csi-vol-1", ReplicationHealth.Degraded, "pvc-1"));
        var scrape = _collector.Scrape();
        string[] volume = [.. Pool, "image=csi-vol-1", "persistentvolume=pvc-1"];
        Assert.Equal(1_800_000_000, scrape[Collector.Key(MetricCatalog.VolumeLastSyncTimestamp, volume)]);
        Assert.Equal(90, scrape[Collector.Key(MetricCatalog.VolumeLag, volume)]);
        Assert.Equal(81920, scrape[Collector.Key(MetricCatalog.VolumeLastSyncSize, volume)]);
        Assert.Equal(3, scrape[Collector.Key(MetricCatalog.VolumeLastSyncDuration, volume)]);
        Assert.Equal(300, scrape[Collector.Key(MetricCatalog.VolumeScheduleInterval, volume)]);
        foreach (var health in (string[])["unknown", "healthy", "degraded", "error"])
            Assert.Equal(health == "degraded" ? 1 : 0, scrape[Collector.Key(MetricCatalog.VolumeHealth, [.. volume, "health=" + health])]);
        foreach (var role in (string[])["unknown", "primary", "secondary"])
            Assert.Equal(role == "primary" ? 1 : 0, scrape[Collector.Key(MetricCatalog.VolumeRole, [.. volume, "role=" + role])]);
        Assert.Equal(1, scrape[Collector.Key(MetricCatalog.Volumes, [.. Pool, "role=primary", "health=degraded"])]);
        Assert.Equal(_time.GetUtcNow().ToUnixTimeSeconds(), scrape[Collector.Key(MetricCatalog.ListingTimestamp, Pool)]);
    }

    [Fact]
    public void Drills_are_counted_with_the_oldest_and_a_volume_shows_of_when_one_could_be()
    {
        var copy = Listed.Volume("csi-vol-1", persistentVolume: "pvc-1");
        var begun = DateTimeOffset.FromUnixTimeSeconds(1_700_000_000);
        string[] volume = [.. Pool, "image=csi-vol-1", "persistentvolume=pvc-1"];
        Publish(Listed.Pool, Listed.At(_time.GetUtcNow(), copy with { Status = copy.Status with { DrillableTime = begun } }) with
        {
            Drills = [new("new", begun.AddDays(1)), new("old", begun), new("of-another-release", null)],
        });
        var scrape = _collector.Scrape();
        Assert.Equal(begun.ToUnixTimeSeconds(), scrape[Collector.Key(MetricCatalog.VolumeDrillPoint, volume)]);
        Assert.Equal(3, scrape[Collector.Key(MetricCatalog.Drills, Pool)]);
        Assert.Equal(begun.ToUnixTimeSeconds(), scrape[Collector.Key(MetricCatalog.OldestDrill, Pool)]);

        Publish(Listed.Volume("csi-vol-1", persistentVolume: "pvc-1"));
        scrape = _collector.Scrape();
        Assert.Equal(0, scrape[Collector.Key(MetricCatalog.Drills, Pool)]);
        Assert.DoesNotContain(Collector.Key(MetricCatalog.OldestDrill, Pool), scrape.Keys);
        Assert.DoesNotContain(Collector.Key(MetricCatalog.VolumeDrillPoint, volume), scrape.Keys);
    }

    [Fact]
    public void The_healthiest_are_left_out_and_counted()
    {
        Publish(Listed.Volume("a"), Listed.Volume("b"), Listed.Volume("c", ReplicationHealth.Error), Listed.Volume("d", ReplicationHealth.Degraded));
        Assert.Equal(["c", "d"], _collector.Images(MetricCatalog.VolumeHealth));
        Assert.Equal(["c", "d"], _collector.Images(MetricCatalog.VolumeLag));
        var scrape = _collector.Scrape();
        Assert.Equal(2, scrape[Collector.Key(MetricCatalog.VolumesLeftOut)]);
        Assert.Equal(2, scrape[Collector.Key(MetricCatalog.Volumes, [.. Pool, "role=primary", "health=healthy"])]);
    }

    [Fact]
    public void The_bound_is_for_all_pools_together()
    {
        Publish(Listed.Volume("a"), Listed.Volume("b"));
        Publish(Listed.InUse("other"), Listed.In("other", _time.GetUtcNow(), Listed.Volume("z", ReplicationHealth.Error)));
        Assert.Equal(["a", "z"], _collector.Images(MetricCatalog.VolumeLag));
        Assert.Equal(1, _collector.Scrape()[Collector.Key(MetricCatalog.VolumesLeftOut)]);
    }

    [Fact]
    public void A_volume_that_is_no_longer_listed_vanishes_with_the_next_scrape()
    {
        Publish(Listed.Volume("a"), Listed.Volume("b"));
        Assert.Equal(["a", "b"], _collector.Images(MetricCatalog.VolumeHealth));
        Publish(Listed.Volume("b"));
        Assert.Equal(["b"], _collector.Images(MetricCatalog.VolumeHealth));
    }

    [Fact]
    public void What_was_listed_three_intervals_ago_vanishes_and_the_time_of_the_listing_stays()
    {
        Publish(Listed.Volume("a"));
        _time.Advance((3 * Listed.Interval) - TimeSpan.FromSeconds(1));
        Assert.Equal(["a"], _collector.Images(MetricCatalog.VolumeHealth));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Empty(_collector.Images(MetricCatalog.VolumeHealth));
        var scrape = _collector.Scrape();
        Assert.DoesNotContain(scrape.Keys, key => key.StartsWith(MetricCatalog.Volumes.Name + "{", StringComparison.Ordinal));
        Assert.Contains(Collector.Key(MetricCatalog.ListingTimestamp, Pool), scrape.Keys);
    }

    [Fact]
    public void A_pool_that_is_no_longer_in_use_vanishes_altogether()
    {
        Publish(Listed.Volume("a"));
        Assert.True(_listings.Keep([]));
        _series.Update();
        Assert.DoesNotContain(_collector.Scrape().Keys, key => key.Contains("replicapool", StringComparison.Ordinal));
    }

    [Fact]
    public void Failures_are_counted_before_and_after_the_first_listing()
    {
        _series.CountFailure(Listed.Pool);
        Publish(Listed.Volume("a"));
        _series.CountFailure(Listed.Pool);
        Assert.Equal(2, _collector.Scrape()[Collector.Key(MetricCatalog.ListingFailures, Pool)]);
    }

    [Fact]
    public void Two_thousand_volumes_all_have_their_series()
    {
        var options = Listed.Options(maximum: 2000);
        using var series = new VolumeSeries(options, _listings);
        using var collector = new Collector(options);
        _listings.Put(Listed.Pool, Listed.At(_time.GetUtcNow(), [.. Enumerable.Range(0, 2000).Select(i => Listed.Volume($"csi-vol-{i}"))]));
        series.Update();
        var scrape = collector.Scrape();
        Assert.Equal(2000 * 4, scrape.Keys.Count(key => key.StartsWith(MetricCatalog.VolumeHealth.Name + "{", StringComparison.Ordinal)));
        Assert.DoesNotContain(scrape.Keys, key => key.Contains("overflow", StringComparison.Ordinal));
    }

    [Fact]
    public void However_many_volumes_come_and_go_each_has_its_series()
    {
        // Several times what the SDK holds.
        for (var i = 0; i < 5000; i++)
        {
            Publish(Listed.Volume($"a{i}"), Listed.Volume($"b{i}"));
            if (i % 50 == 0)
                Assert.Equal([$"a{i}", $"b{i}"], _collector.Images(MetricCatalog.VolumeHealth));
        }
        Assert.DoesNotContain(_collector.Scrape().Keys, key => key.Contains("overflow", StringComparison.Ordinal));
    }
}
