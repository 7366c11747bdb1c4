using System.Diagnostics;
using System.Text.Json;
using Grpc.Core;
using Grpc.Health.V1;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests.Faults;

/// <summary>
/// Calls that meet a cluster that does not answer, for longer than they may take. Callers wait much longer than the server's
/// own limit, so that each answer that comes is the server's.
/// </summary>
[Collection("Faults")]
public sealed class DeadlineTests(TwoSites sites)
{
    // More than a connection attempt takes to fail (4 s), and less than librados takes to give an operation up (30 s).
    private const string OperationTimeout = "6s";

    private static readonly TimeSpan CallersPatience = TimeSpan.FromMinutes(5);

    /// <summary>What of the calls is done all the same.</summary>
    private static bool IsUnharmed(string fault, FaultVolume volume) => fault switch
    {
        // Only what makes or removes a snapshot needs the monitors.
        "monitor frozen" => volume.Call is Rpc.Resync or Rpc.GetInfo or Rpc.GetDestination,
        // The daemon holds the lock of what it copies, and a forced promotion waits for that.
        "mirror daemon frozen" => !volume.IsForced,
        _ => false,
    };

    [Theory]
    [InlineData("OSD frozen")]
    [InlineData("monitor frozen")]
    [InlineData("mirror daemon frozen")]
    [InlineData("network cut")]
    public async Task Each_of_the_seven_calls_ends_in_time_and_all_else_is_served_and_afterwards_it_succeeds_with(string fault)
    {
        await using var server = await FaultServer.StartAsync(sites, stderr: null, "--operation-timeout", OperationTimeout);
        var volumes = await FaultVolume.ForEachCallAsync(sites, forcePromotion: fault == "mirror daemon frozen");
        var elsewhere = await TestVolume.CreateAsync(sites.B);
        await Task.WhenAll(AskAsync(server, volumes[^1].Volume, sites.A), AskAsync(server, elsewhere, sites.B));
        await BreakAsync(fault);
        try
        {
            var calls = volumes.Select(volume => volume.AttemptAsync(server.Process, CallersPatience)).ToList();
            await Eventually.TrueAsync(async () => (await PendingAsync(server)).Count > 0, "calls are under way");
            await MeasureAsync(fault, server);
            await TestVolume.RetryAsync(
                async () => await server.Process.Replication.EnableVolumeReplicationAsync(new() { ReplicationSource = elsewhere.Source, Secrets = { sites.B.Secrets } }),
                "site-b is served");

            var answers = await Task.WhenAll(calls);
            var stuck = volumes.Where(volume => !IsUnharmed(fault, volume)).ToList();
            foreach (var (volume, answer) in volumes.Zip(answers).Where(call => stuck.Contains(call.First)))
            {
                Assert.True(
                    answer.StatusCode == StatusCode.DeadlineExceeded && answer.Detail.Contains(volume.Volume.Handle.Uuid, StringComparison.Ordinal), $"{volume.Call}: {answer}");
            }
            // On a busy machine they may need more than one attempt.
            await Task.WhenAll(volumes.Except(stuck).Select(volume => volume.ReachGoalAsync(server.Process)));
            if (fault == "monitor frozen")
                await OverdueAsync(server, [.. stuck.Where(volume => volume.IsChanging)]);
            if (fault is "monitor frozen" or "network cut")
                await NoConnectionAsync();
            // What waits for the daemon frees itself of it, though its caller has gone.
            if (fault == "mirror daemon frozen")
                await Task.WhenAll(stuck.Select(volume => volume.ReachGoalAsync(server.Process)));
        }
        finally
        {
            await HealAsync(fault);
        }
        await Task.WhenAll(volumes.Select(async volume =>
        {
            await volume.ReachGoalAsync(server.Process);
            await volume.AssertGoalAsync();
            volume.AssertPatientAnswers();
        }));
        await Eventually.TrueAsync(async () => (await PendingAsync(server)).Count == 0, "nothing is pending");
    }

    [Fact]
    public async Task However_many_calls_hang_the_threads_are_bounded_and_other_volumes_of_the_cluster_are_served()
    {
        // 64 for calls that change something, 16 for those that read, and those of librados and .NET.
        const int MaximumThreads = 160;
        await using var server = await FaultServer.StartAsync(sites, stderr: null, "--operation-timeout", "20s");
        var bystander = await TestVolume.CreateAsync(sites.A);
        await bystander.ProtectAsync(sites.A, sites.B);
        var volumes = await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => TestVolume.CreateAsync(sites.A)));
        await AskAsync(server, bystander, sites.A);
        await BreakAsync("monitor frozen");
        try
        {
            var calls = volumes.Select(volume => Rpc.StatusAsync(
                server.Process.Replication, Rpc.Enable, new() { Source = volume.Source, Secrets = sites.A.Secrets }, new CallOptions(deadline: DateTime.UtcNow + CallersPatience))).ToList();
            await Eventually.TrueAsync(async () => (await PendingAsync(server)).Count == volumes.Length, "all are under way");
            foreach (var call in (string[])[Rpc.GetInfo, Rpc.GetDestination])
            {
                var status = await Rpc.StatusAsync(server.Process.Replication, call, new() { Source = bystander.Source, Secrets = sites.A.Secrets });
                Assert.True(status.StatusCode is StatusCode.OK or StatusCode.NotFound, $"{call}: {status}");
            }
            Assert.All(await Task.WhenAll(calls), status => Assert.Equal(StatusCode.DeadlineExceeded, status.StatusCode));
            var threads = server.Process.Threads;
            TestContext.Current.SendDiagnosticMessage($"{threads} threads with {volumes.Length} calls that hang");
            Assert.InRange(threads, 1, MaximumThreads);
        }
        finally
        {
            await HealAsync("monitor frozen");
        }
        await Task.WhenAll(volumes.Select(volume => TestVolume.RetryAsync(
            () => Rpc.CallAsync(server.Process.Replication, Rpc.Enable, new() { Source = volume.Source, Secrets = sites.A.Secrets }), "it is enabled")));
    }

    [Theory]
    [InlineData("OSD frozen")]
    [InlineData("monitor frozen")]
    [InlineData("network cut")]
    public async Task A_server_that_is_stopped_meanwhile_says_what_it_leaves_behind_and_ends_cleanly_with(string fault)
    {
        await using var server = await FaultServer.StartAsync(sites, stderr: null, "--stop-timeout", "1s");
        var volumes = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => TestVolume.CreateAsync(sites.A)));
        await AskAsync(server, volumes[0], sites.A);
        await BreakAsync(fault);
        try
        {
            string[] rpcs = [Rpc.Enable, Rpc.Enable, Rpc.Promote, Rpc.GetInfo];
            var calls = volumes.Zip(rpcs, (volume, rpc) => Rpc.StatusAsync(
                server.Process.Replication, rpc, new() { Source = volume.Source, Secrets = sites.A.Secrets }, new CallOptions(deadline: DateTime.UtcNow + CallersPatience))).ToList();
            await Eventually.TrueAsync(async () => (await PendingAsync(server)).Any(operation => operation.Handle == volumes[1].Handle.ToString()), "calls are under way");
            Assert.Equal(0, await server.Process.TerminateAsync());
            Assert.Contains($"enable of volume {volumes[1].Handle} is left behind", server.Log, StringComparison.Ordinal);
            await Task.WhenAll(calls);
        }
        finally
        {
            await HealAsync(fault);
        }
    }

    private static Task<Status> AskAsync(FaultServer server, TestVolume volume, Site site) =>
        Rpc.StatusAsync(server.Process.Replication, Rpc.GetDestination, new() { Source = volume.Source, Secrets = site.Secrets });

    private static async Task<IReadOnlyList<(string Handle, bool IsOverdue)>> PendingAsync(FaultServer server)
    {
        using var operations = JsonDocument.Parse(await Scrape.GetAsync(server.Process, "/operations"));
        return [.. operations.RootElement.GetProperty("operations").EnumerateArray().Select(operation =>
            (operation.GetProperty("volumeHandle").GetString()!, operation.GetProperty("overdueSince").ValueKind == JsonValueKind.String))];
    }

    // What a server that does not hang answers by itself; how quickly is told but not judged: the machine may be busy.
    private static async Task MeasureAsync(string fault, FaultServer server)
    {
        var health = new Health.HealthClient(server.Process.Channel);
        await TimeAsync("Probe", async () => Assert.True((await server.Process.Identity.ProbeAsync(new())).Ready));
        await TimeAsync("health", async () => Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, (await health.CheckAsync(new())).Status));
        await TimeAsync("/metrics", async () => Assert.Contains("rbd_replication_operations_pending", await Scrape.GetAsync(server.Process, "/metrics"), StringComparison.Ordinal));

        async Task TimeAsync(string what, Func<Task> ask)
        {
            List<double> milliseconds = [];
            for (var i = 0; i < 20; i++)
            {
                var started = Stopwatch.GetTimestamp();
                await ask();
                milliseconds.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
            }
            milliseconds.Sort();
            TestContext.Current.SendDiagnosticMessage($"{fault}: {what} took {milliseconds[10]:0.0} ms (median of 20), {milliseconds[^1]:0.0} ms at most");
        }
    }

    // What was changing something goes on and holds its volume. What only waited for its image to open does not.
    private static async Task OverdueAsync(FaultServer server, FaultVolume[] stuck)
    {
        var overdue = await Eventually.GetAsync(
            async () =>
            {
                await Task.WhenAll(stuck.Select(volume => volume.AttemptAsync(server.Process, CallersPatience)));
                var handles = await OverdueHandlesAsync(server);
                return stuck.FirstOrDefault(volume => handles.Contains(volume.Volume.Handle.ToString()));
            },
            "what hangs is shown as overdue");
        var metric = (await Scrape.OfAsync(server.Process)).Value("rbd_replication_operations_overdue");
        var retried = await overdue.AttemptAsync(server.Process, CallersPatience);
        // Unless the client library has given it up meanwhile.
        if ((await OverdueHandlesAsync(server)).Contains(overdue.Volume.Handle.ToString()))
        {
            Assert.InRange(metric!.Value, 1, stuck.Length);
            Assert.True(retried.StatusCode == StatusCode.Aborted && retried.Detail.Contains("has been pending for", StringComparison.Ordinal), $"{overdue.Call}: {retried}");
        }
        await Eventually.TrueAsync(
            () => Task.FromResult(server.Log.Split('\n').Any(line => line.Contains("Overdue: ", StringComparison.Ordinal) && line.Contains(overdue.Volume.Handle.Uuid, StringComparison.Ordinal))),
            "the log tells of it");
    }

    private static async Task<HashSet<string>> OverdueHandlesAsync(FaultServer server) =>
        [.. (await PendingAsync(server)).Where(operation => operation.IsOverdue).Select(operation => operation.Handle)];

    // A server that has to connect first.
    private async Task NoConnectionAsync()
    {
        await using var fresh = await FaultServer.StartAsync(sites);
        var answers = await Task.WhenAll(Rpc.All.Select(call => Rpc.StatusAsync(
            fresh.Process.Replication, call, new() { Source = TestVolume.At(sites.A, Guid.NewGuid().ToString()).Source, Secrets = sites.A.Secrets },
            new CallOptions(deadline: DateTime.UtcNow + CallersPatience))));
        Assert.All(answers, answer =>
        {
            Assert.Equal(StatusCode.Unavailable, answer.StatusCode);
            Assert.Contains($"cannot connect to cluster {sites.A.Name}", answer.Detail, StringComparison.Ordinal);
        });
    }

    private Task BreakAsync(string fault) => fault switch
    {
        "OSD frozen" => sites.StopAsync(sites.A, "osd", "freeze"),
        "monitor frozen" => sites.StopAsync(sites.A, "mon", "freeze"),
        "mirror daemon frozen" => sites.StopAsync(sites.A, "mirror", "freeze"),
        _ => sites.IsolateAsync(sites.A),
    };

    private Task HealAsync(string fault) => fault switch
    {
        "OSD frozen" => sites.StartAsync(sites.A, "osd"),
        "monitor frozen" => sites.StartAsync(sites.A, "mon"),
        "mirror daemon frozen" => sites.StartAsync(sites.A, "mirror"),
        _ => sites.HealAsync(),
    };
}
