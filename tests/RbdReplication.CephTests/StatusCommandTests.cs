using System.Text.Json;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;

namespace RbdReplication.CephTests;

public sealed class StatusCommandTests(TwoSites sites)
{
    [Fact]
    public async Task Both_sites_show_their_role_the_lag_and_the_schedule_of_a_healthy_volume()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        await volume.PromoteAsync(sites.A, interval: "5m");
        await volume.WriteAsync(sites.A, 0, new byte[4096]);
        await volume.TakeSnapshotAsync(sites.A);

        var primary = await Eventually.GetAsync(
            async () => await FindAsync(sites.A, volume) is { } line && line.GetProperty("lagSeconds").ValueKind == JsonValueKind.Number ? line.GetRawText() : null,
            "site-a shows a lag");
        var here = JsonDocument.Parse(primary).RootElement;
        Assert.Equal("primary", here.GetProperty("role").GetString());
        Assert.Equal("healthy", here.GetProperty("health").GetString());
        Assert.Equal("following", here.GetProperty("peer").GetString());
        Assert.Equal("5m", here.GetProperty("schedules")[0].GetString());
        Assert.Equal("pvc-" + volume.Handle.Uuid, here.GetProperty("persistentVolume").GetString());
        Assert.Equal(volume.Handle.ToString(), here.GetProperty("volumeHandle").GetString());

        await Eventually.TrueAsync(
            async () => await FindAsync(sites.B, volume) is { } line && line.GetProperty("role").GetString() == "secondary"
                && line.GetProperty("health").GetString() == "healthy" && line.GetProperty("peer").GetString() == "primary",
            "site-b shows a healthy secondary");
    }

    [Fact]
    public async Task A_volume_of_a_rados_namespace_is_shown_under_its_cluster_id_and_only_there()
    {
        var volume = await TestVolume.CreateAsync(sites.A, inTenant: true);
        await volume.ProtectAsync(sites.A, sites.B);
        Assert.Equal(TwoSites.Namespace, (await FindAsync(sites.A, volume, "--namespace", TwoSites.Namespace))!.Value.GetProperty("namespace").GetString());
        Assert.NotNull(await FindAsync(sites.A, volume, "--cluster-id", "tenant", "--pool", TwoSites.Pool));
        Assert.Null(await FindAsync(sites.A, volume, "--cluster-id", sites.A.Name));
        Assert.Null(await FindAsync(sites.A, volume, "--cluster-id", "tenant", "--pool", "otherpool"));
    }

    [Fact]
    public async Task A_primary_without_a_schedule_says_what_to_set()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        await Eventually.TrueAsync(
            async () => await FindAsync(sites.A, volume) is { } line
                && line.GetProperty("message").GetString()!.StartsWith("no snapshot schedule", StringComparison.Ordinal),
            "the missing schedule is reported");
    }

    [Fact]
    public async Task A_split_brain_is_an_error_that_says_resync_and_makes_the_exit_code_1()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        await volume.PromoteAsync(sites.B, force: true);
        await volume.DemoteAsync(sites.A, force: true);
        await Eventually.TrueAsync(
            async () => await FindAsync(sites.A, volume) is { } line && line.GetProperty("health").GetString() == "error"
                && line.GetProperty("message").GetString()!.Contains("resync the volume here", StringComparison.Ordinal),
            "site-a reports the split-brain");
        // The daemon tries again now and then, and says something else meanwhile.
        await Eventually.TrueAsync(async () =>
        {
            var run = await StatusRun.RunAsync(sites.A, "--cluster-id", sites.A.Name);
            // The groups of other tests come first.
            var lines = run.Output.Split('\n').SkipWhile(line => !line.StartsWith("VOLUME ", StringComparison.Ordinal)).ToList();
            Assert.Equal(lines.Any(line => line.Contains(" error ", StringComparison.Ordinal)), lines[1].Contains(" error ", StringComparison.Ordinal));
            // One line for each volume when no terminal reads it.
            return run.ExitCode == 1
                && lines.Any(line => line.Contains(volume.Handle.Uuid, StringComparison.Ordinal) && line.Contains("split-brain", StringComparison.Ordinal));
        }, "the table begins with errors, has the split-brain, and the exit code tells");
    }

    [Fact]
    public async Task A_cluster_that_does_not_answer_is_named_and_does_not_hide_the_others()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        var run = await StatusRun.RunAsync(sites.A, "--output", "json");
        Assert.Equal(1, run.ExitCode);
        using var json = JsonDocument.Parse(run.Output);
        Assert.Contains("dead", Assert.Single(json.RootElement.GetProperty("problems").EnumerateArray()).GetString(), StringComparison.Ordinal);
        Assert.Contains(
            json.RootElement.GetProperty("volumes").EnumerateArray(), line => line.GetProperty("image").GetString() == volume.ImageName);
    }

    [Theory]
    [InlineData("nosuchpool", "nosuchpool")]
    [InlineData("device_health_metrics", "device_health_metrics")]
    public async Task A_pool_that_is_asked_for_and_cannot_be_listed_is_a_failure_that_names_it(string pool, string named)
    {
        var run = await StatusRun.RunAsync(sites.A, "--cluster-id", sites.A.Name, "--pool", pool);
        Assert.Equal(1, run.ExitCode);
        Assert.Contains(named, run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_cluster_id_is_one_line_and_names_the_known_ones()
    {
        var run = await StatusRun.RunAsync(sites.A, "--cluster-id", "elsewhere");
        Assert.Equal(1, run.ExitCode);
        Assert.Equal("", run.Output);
        Assert.Equal("rbd-replication: cluster elsewhere is not in the cluster configuration; known are site-a, tenant, dead\n", run.Error);
    }

    [Fact]
    public async Task Watching_shows_one_document_after_the_other_until_it_is_stopped()
    {
        using var process = StatusRun.Start(sites.A, "--cluster-id", sites.A.Name, "--watch", "--interval", "100ms", "--output", "json");
        for (var look = 0; look < 3; look++)
        {
            using var json = JsonDocument.Parse((await process.StandardOutput.ReadLineAsync(CancellationToken.None))!);
            Assert.Equal(JsonValueKind.Array, json.RootElement.GetProperty("volumes").ValueKind);
        }
        // Ctrl-C's own signal is ignored by all that a script starts in the background, tests included; the command treats both alike.
        await ProcessOutput.OfAsync("kill", "-TERM", process.Id.ToString());
        await process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        await process.WaitForExitAsync(CancellationToken.None);
        Assert.Equal(0, process.ExitCode);
    }

    [Fact]
    public async Task The_listing_costs_no_image_open()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        await using var connections = new ClusterConnections(TimeProvider.System);
        var calls = new System.Collections.Concurrent.ConcurrentBag<string>();
        using var listener = new System.Diagnostics.Metrics.MeterListener
        {
            InstrumentPublished = (instrument, l) =>
            {
                if (instrument.Name == CephTelemetry.CallDurationName)
                    l.EnableMeasurementEvents(instrument);
            },
        };
        // The other tests of this process make calls too.
        var mine = new AsyncLocal<bool> { Value = true };
        listener.SetMeasurementEventCallback<double>((_, _, tags, _) =>
        {
            foreach (var tag in tags)
            {
                if (mine.Value && tag.Value is string call)
                    calls.Add(call);
            }
        });
        listener.Start();
        var config = ClusterConfig.Parse(await File.ReadAllBytesAsync(sites.A.ConfigPath, CancellationToken.None));
        var listed = await new PoolLister(connections, TimeProvider.System).ListAsync(
            config.Find(sites.A.Name)!, sites.A.Credentials, TwoSites.Pool, opensMembers: false, CancellationToken.None);
        Assert.Contains(listed.SelectMany(listing => listing.Volumes), entry => entry.Status.ImageName == volume.ImageName);
        Assert.Contains("rbd_mirror_image_global_status_list", calls);
        Assert.DoesNotContain(calls, call => call.Contains("open", StringComparison.Ordinal));
    }

    private static async Task<JsonElement?> FindAsync(Site site, TestVolume volume, params string[] options)
    {
        // The cluster that nobody answers for would make each look wait for it.
        string[] named = options.Length > 0 ? options : ["--cluster-id", site.Name];
        var run = await StatusRun.RunAsync(site, [.. named, "--output", "json"]);
        using var json = JsonDocument.Parse(run.Output);
        return json.RootElement.GetProperty("volumes").EnumerateArray()
            .Where(line => line.GetProperty("image").GetString() == volume.ImageName)
            .Select(line => (JsonElement?)line.Clone()).FirstOrDefault();
    }
}
