using System.Text.Json;
using Grpc.Core;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;
using RbdReplication.Csi.Hosting;

namespace RbdReplication.CephTests;

/// <summary>Calls into Ceph are counted and a cluster is frozen: nothing else may run beside.</summary>
[Collection("Faults")]
public sealed class VolumeMetricsTests(TwoSites sites)
{
    private const string Health = "rbd_replication_volume_health";
    private const string Lag = "rbd_replication_volume_lag_seconds";
    private const string Listings = "rbd_replication_volume_listing_timestamp_seconds";
    private const string Calls = "rbd_replication_ceph_call_duration_seconds_count";

    private Task<ServerProcess> StartAsync(params string[] options) => OwnServer.StartAsync(
        [
            new { clusterID = sites.A.Name, monitors = sites.A.Monitors },
            new { clusterID = sites.B.Name, monitors = sites.B.Monitors },
            new { clusterID = "tenant", monitors = sites.A.Monitors, rbd = new { radosNamespace = TwoSites.Namespace } },
        ],
        "[]", options is ["--volume-metrics-interval", ..] ? options : ["--volume-metrics-interval", "500ms", .. options]);

    // Any call will do: with it the server learns of the pool and gets a key for it.
    private static Task<Status> AskAsync(ServerProcess server, Site site, TestVolume volume) =>
        Rpc.StatusAsync(server.Replication, Rpc.GetDestination, new() { Source = RpcArguments.Volume(volume.Handle.ToString()), Secrets = site.Secrets });

    private static Task<Scrape> UntilAsync(ServerProcess server, Func<Scrape, bool> condition, string what) => Eventually.GetAsync(
        async () => await Scrape.OfAsync(server) is var scrape && condition(scrape) ? scrape : null, what);

    private async Task<TestVolume[]> EnableAsync(int count)
    {
        var volumes = await Task.WhenAll(Enumerable.Range(0, count).Select(_ => TestVolume.CreateAsync(sites.A)));
        await Task.WhenAll(volumes.Select(volume => volume.EnableAsync(sites.A)));
        return volumes;
    }

    [Fact]
    public async Task A_protected_volume_shows_with_its_labels_and_the_values_that_the_calls_tell()
    {
        await using var server = await StartAsync();
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        await volume.PromoteAsync(sites.A, interval: "5m");
        await volume.WriteAsync(sites.A, 0, new byte[4096]);
        await volume.TakeSnapshotAsync(sites.A);
        await AskAsync(server, sites.A, volume);

        (string, string)[] here =
        [
            ("cluster", sites.A.Name), ("pool", TwoSites.Pool), ("rados_namespace", ""), ("image", volume.ImageName),
            ("persistentvolume", "pvc-" + volume.Handle.Uuid),
        ];
        var scrape = await UntilAsync(server, scrape => scrape.Value(Lag, here) is not null, "the lag is reported");
        foreach (var (name, state) in ((string, string)[])[("health", "healthy"), ("role", "primary")])
        {
            var states = scrape.Of($"rbd_replication_volume_{name}", here).ToList();
            Assert.Equal(state, Assert.Single(states, series => series.Value == 1).Labels[name]);
            Assert.Equal(name == "health" ? 4 : 3, states.Count);
        }
        var info = await volume.GetInfoAsync(sites.A);
        Assert.Equal(info.LastSyncTime.Seconds, scrape.Value("rbd_replication_volume_last_sync_timestamp_seconds", here));
        Assert.Equal(info.LastSyncBytes, scrape.Value("rbd_replication_volume_last_sync_size_bytes", here));
        Assert.Equal(info.LastSyncDuration?.Seconds, scrape.Value("rbd_replication_volume_last_sync_duration_seconds", here));
        Assert.Equal(300, scrape.Value("rbd_replication_volume_schedule_interval_seconds", here));
        Assert.Empty(scrape.Names.Where(name => name.StartsWith("rbd_", StringComparison.Ordinal)).Except(Declared()));

        await volume.DisableAsync(sites.A);
        await UntilAsync(server, scrape => !scrape.Of(Health, here).Any(), "a volume that is no longer mirrored vanishes");
    }

    [Fact]
    public async Task A_volume_of_a_rados_namespace_and_one_at_the_other_site_show_under_their_own_labels()
    {
        await using var server = await StartAsync();
        var tenant = await TestVolume.CreateAsync(sites.A, inTenant: true);
        await tenant.EnableAsync(sites.A);
        await AskAsync(server, sites.A, tenant);
        var copied = await TestVolume.CreateAsync(sites.A);
        await copied.ProtectAsync(sites.A, sites.B);
        await AskAsync(server, sites.B, TestVolume.At(sites.B, copied.Handle.Uuid));
        await UntilAsync(server, scrape => scrape.Of(Health, ("cluster", "tenant"), ("rados_namespace", TwoSites.Namespace), ("image", tenant.ImageName)).Any(), "the namespace is listed");
        await UntilAsync(
            server, scrape => scrape.Value("rbd_replication_volume_role", ("cluster", sites.B.Name), ("image", copied.ImageName), ("role", "secondary")) == 1, "the copy is secondary");
        Assert.Empty((await Scrape.OfAsync(server)).Of(Health, ("cluster", sites.A.Name)));
    }

    [Fact]
    public async Task A_point_that_has_come_over_shows_at_the_secondary_and_so_does_a_drill_as_long_as_it_is_there()
    {
        const string Point = "rbd_replication_volume_drill_point_timestamp_seconds", Drills = "rbd_replication_drills", Oldest = "rbd_replication_drills_oldest_created_timestamp_seconds";
        await using var server = await StartAsync();
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        await AskAsync(server, sites.A, volume);
        await AskAsync(server, sites.B, TestVolume.At(sites.B, volume.Handle.Uuid));
        var at = ("cluster", sites.B.Name);
        var before = (await UntilAsync(server, scrape => scrape.Value(Drills, at) is not null, "site-b is listed")).Value(Drills, at);
        var begun = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        await volume.TakePointAsync(sites.A, sites.B, new PointName("one").ToString());
        var scrape = await UntilAsync(server, scrape => scrape.Value(Point, at, ("image", volume.ImageName)) is not null, "the point shows");
        Assert.InRange(scrape.Value(Point, at, ("image", volume.ImageName))!.Value, begun - 1, DateTimeOffset.UtcNow.ToUnixTimeSeconds());
        Assert.Empty(scrape.Of(Point, ("cluster", sites.A.Name), ("image", volume.ImageName)));
        var drill = new DrillCalls(sites.B, sites.B.Pool);
        await drill.CreateOfAsync(volume);
        scrape = await UntilAsync(server, scrape => scrape.Value(Drills, at) == before + 1, "the drill shows");
        Assert.InRange(scrape.Value(Oldest, at)!.Value, 1, DateTimeOffset.UtcNow.ToUnixTimeSeconds());

        var (_, output, _) = await StatusRun.RunAsync(sites.B, "-o", "json", "--cluster-id", sites.B.Name);
        var status = JsonDocument.Parse(output).RootElement;
        Assert.Contains(status.GetProperty("drills").EnumerateArray(), one => one.GetProperty("name").GetString() == drill.Name && one.GetProperty("createdAt").GetDateTimeOffset().ToUnixTimeSeconds() >= begun);
        var shown = status.GetProperty("volumes").EnumerateArray().Single(one => one.GetProperty("image").GetString() == volume.ImageName);
        Assert.True(shown.GetProperty("newestPointAt").GetDateTimeOffset().ToUnixTimeSeconds() >= begun - 1);
        Assert.Matches(@"(?m)^\d+ drills?, the oldest of \d+\w+ ago: drill list shows them", (await StatusRun.RunAsync(sites.B, "--cluster-id", sites.B.Name)).Output);
        await drill.RemoveAsync();
        await UntilAsync(server, scrape => scrape.Value(Drills, at) == before, "the drill is gone");
    }

    [Fact]
    public async Task However_many_images_there_are_an_interval_costs_one_listing_and_opens_none()
    {
        await using var server = await StartAsync();
        var volumes = await EnableAsync(40);
        await AskAsync(server, sites.A, volumes[0]);
        var before = await UntilAsync(server, scrape => volumes.All(volume => scrape.Of(Health, ("image", volume.ImageName)).Any()), "all are listed");
        static double Made(Scrape scrape, string call) => scrape.Of(Calls, ("rbd_call", call)).Sum(series => series.Value);
        static double Listed(Scrape scrape) => Made(scrape, "rbd_mirror_image_global_status_list");
        var after = await UntilAsync(server, scrape => Listed(scrape) >= Listed(before) + 10, "they are listed ten times more");

        var made = after.Of(Calls).Select(series => series.Labels["rbd_call"]).Distinct().ToDictionary(call => call, call => Made(after, call) - Made(before, call));
        var listings = Listed(after) - Listed(before);
        Assert.Equal(0, made.Where(call => call.Key.Contains("open", StringComparison.Ordinal)).Sum(call => call.Value));
        // Besides each listing one read of the schedules, one of the groups, and where other tests have such four for each, and one of the drills; the journal has been read before.
        var reads = 3 + (4 * (await GroupDirectory.ListNamesAsync(sites.A.Pool, CancellationToken.None)).Count);
        Assert.InRange(made["rados_aio_read_op_operate"], (listings * 3) - 3, (listings * reads) + reads);
        // The names of the sites are read once a minute.
        Assert.InRange(made.Values.Sum(), (listings * 4) - 3, (listings * (reads + 1)) + reads + 4);
    }

    [Fact]
    public async Task No_more_volumes_than_asked_for_have_series_and_the_others_are_counted()
    {
        await using var server = await StartAsync("--max-volume-series", "3");
        var volumes = await EnableAsync(5);
        await AskAsync(server, sites.A, volumes[0]);
        var scrape = await UntilAsync(server, scrape => scrape.Value("rbd_replication_volumes_left_out") > 0, "some are left out");
        var images = scrape.Of(Health).Select(series => series.Labels["image"]).Distinct().Count();
        Assert.Equal(3, images);
        Assert.InRange(scrape.Of("rbd_replication_volume_schedule_interval_seconds").Count(), 0, 3);
        var all = scrape.Of("rbd_replication_volumes").Sum(series => series.Value);
        Assert.InRange(all, 5, double.MaxValue);
        Assert.Equal(all - 3, scrape.Value("rbd_replication_volumes_left_out"));
    }

    [Fact]
    public async Task Without_an_interval_nothing_is_listed()
    {
        await using var server = await StartAsync("--volume-metrics-interval", "0");
        var volume = (await EnableAsync(1))[0];
        await AskAsync(server, sites.A, volume);
        var scrape = await Scrape.OfAsync(server);
        Assert.Null(scrape.Value(Calls, ("rbd_call", "rbd_mirror_image_global_status_list")));
        Assert.Empty(scrape.Of(Listings));
    }

    [Fact]
    public async Task A_frozen_cluster_loses_its_series_and_delays_neither_the_other_one_nor_a_scrape()
    {
        await using var server = await StartAsync();
        var here = (await EnableAsync(1))[0];
        await here.AwaitCopyAsync(sites.B);
        await AskAsync(server, sites.A, here);
        await AskAsync(server, sites.B, TestVolume.At(sites.B, here.Handle.Uuid));
        var atA = ("cluster", sites.A.Name);
        var atB = ("cluster", sites.B.Name);
        await UntilAsync(server, scrape => scrape.Of(Health, atA).Any() && scrape.Of(Health, atB).Any(), "both sites are listed");
        await sites.StopAsync(sites.B, "osd", "freeze");
        try
        {
            var frozen = await UntilAsync(
                server, scrape => !scrape.Of(Health, atB).Any() && scrape.Value("rbd_replication_volume_listing_failures_total", atB) >= 3, "the frozen site's volumes vanish");
            await UntilAsync(server, scrape => scrape.Value(Listings, atA) > frozen.Value(Listings, atA) + 2, "the other site is listed on");
            var later = await Scrape.OfAsync(server);
            Assert.NotEmpty(later.Of(Health, atA));
            Assert.Equal(frozen.Value(Listings, atB), later.Value(Listings, atB));
            var log = server.Log.Split('\n');
            int Told(string words) => log.Count(line => line.Contains($"of cluster {sites.B.Name} {words}", StringComparison.Ordinal));
            // Once for all that fail: on a busy machine a listing may take longer than the interval before that, and then succeeds again.
            Assert.Equal(1 + Told("are listed again"), Told("cannot be listed"));
        }
        finally
        {
            await sites.StartAsync(sites.B, "osd");
        }
        await UntilAsync(server, scrape => scrape.Of(Health, atB).Any(), "they are back");
        Assert.Contains($"of cluster {sites.B.Name} are listed again", server.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_operation_that_outlives_its_caller_shows_in_the_log_in_a_metric_and_in_status()
    {
        await using var server = await StartAsync();
        var created = await TestVolume.CreateAsync(sites.A);
        await created.ProtectAsync(sites.A, sites.B);
        var volume = TestVolume.At(sites.B, created.Handle.Uuid);
        // A forced promotion waits, without limit, until this site's mirror daemon releases the image. It is cut off where nobody
        // else has the image open.
        await using var open = await volume.OpenAsync(sites.B, readOnly: false);
        await sites.StopAsync(sites.B, "mirror", "freeze");
        try
        {
            var status = await Rpc.StatusAsync(
                server.Replication, Rpc.Promote, new() { Source = volume.Source, Secrets = sites.B.Secrets, Force = true },
                new CallOptions(deadline: DateTime.UtcNow.AddSeconds(3)));
            Assert.Equal(StatusCode.DeadlineExceeded, status.StatusCode);
            await UntilAsync(server, scrape => scrape.Value("rbd_replication_operations_overdue") == 1 && scrape.Value("rbd_replication_operations_overdue_age_seconds") > 1, "it is overdue");
            Assert.Single(server.Log.Split('\n'), line => line.Contains($"Overdue: forced promote of volume {volume.Handle}", StringComparison.Ordinal));
            using var shown = await StatusAsync(server);
            var operation = Assert.Single(shown.RootElement.GetProperty("operations").EnumerateArray());
            Assert.Equal((volume.Handle.ToString(), "forced promote"), (operation.GetProperty("volumeHandle").GetString(), operation.GetProperty("operation").GetString()));
            Assert.Equal(JsonValueKind.String, operation.GetProperty("overdueSince").ValueKind);
        }
        finally
        {
            await sites.StartAsync(sites.B, "mirror");
        }
        await UntilAsync(server, scrape => scrape.Value("rbd_replication_operations_overdue") == 0 && scrape.Value("rbd_replication_operations_overdue_age_seconds") == 0, "it has ended");
        await Eventually.TrueAsync(
            () => Task.FromResult(server.Log.Split('\n').Count(line => line.Contains($"Overdue forced promote of volume {volume.Handle} has ", StringComparison.Ordinal)) == 1), "its end is logged");
        using var later = await StatusAsync(server);
        Assert.Empty(later.RootElement.GetProperty("operations").EnumerateArray());
    }

    private async Task<JsonDocument> StatusAsync(ServerProcess server)
    {
        var run = await StatusRun.RunAsync(
            sites.B, "--cluster-id", sites.B.Name, "--timeout", "5s", "-o", "json", "--csi-addons-endpoint", "unix://" + server.SocketPath);
        return JsonDocument.Parse(run.Output);
    }

    private static IEnumerable<string> Declared() => MetricCatalog.All.SelectMany(metric =>
        metric.Kind == MetricKind.Histogram ? (string[])["_bucket", "_sum", "_count"] : [""], (metric, end) => metric.PrometheusName + end);
}
