using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;

namespace RbdReplication.Benchmarks;

/// <summary>
/// The calls that a controller repeats for ever, on volumes where they find nothing to do, through the socket of the
/// published binary; beside them, in the same rounds, what they cannot be faster than.
/// </summary>
internal sealed class RpcBenchmark(BenchSite a, BenchSite b, ServerProcess serverA, ServerProcess serverB)
{
    private const int Rounds = 5;
    private const int Concurrency = 32;
    private const string Interval = "12h";

    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(2);

    private readonly List<Case> _cases = [];

    public static async Task RunAsync(string sandbox, int calls)
    {
        await using var a = await BenchSite.ConnectAsync(sandbox, "site-a");
        await using var b = await BenchSite.ConnectAsync(sandbox, "site-b");
        await using var serverA = await a.StartServerAsync("bench", "--volume-metrics-interval", "0", "--status-max-age", "0");
        await using var serverB = await b.StartServerAsync("bench", "--volume-metrics-interval", "0", "--status-max-age", "0");
        await new RpcBenchmark(a, b, serverA, serverB).RunAsync(calls);
    }

    private async Task RunAsync(int calls)
    {
        var mirrored = await BenchVolume.CreateAsync(a, 2 * Concurrency);
        var plain = await BenchVolume.CreateAsync(a, Concurrency);
        await Load.RunAsync(mirrored, mirrored.Count, Concurrency, async volume =>
        {
            await volume.EnableAsync(serverA, a);
            await volume.PromoteAsync(serverA, a, interval: Interval);
        });
        // One more snapshot: a peer reports the time of its last sync from the second one on.
        await BenchVolume.AwaitCopiesAsync(mirrored, b);
        foreach (var volume in mirrored)
        {
            await using var image = await RbdImage.OpenAsync(a.Pool, volume.ImageName, readOnly: false, CancellationToken.None);
            await image.Mirroring.CreateSnapshotAsync(CancellationToken.None);
        }
        foreach (var volume in mirrored)
            await BenchVolume.RetryAsync(() => volume.GetInfoAsync(serverA, a));

        Add(Info, a, serverA, mirrored, v => v.GetInfoAsync(serverA, a));
        Add("EnableVolumeReplication, enabled", a, serverA, mirrored, v => v.EnableAsync(serverA, a));
        Add("PromoteVolume, primary", a, serverA, mirrored, v => v.PromoteAsync(serverA, a));
        Add("PromoteVolume, primary, with its schedule", a, serverA, mirrored, v => v.PromoteAsync(serverA, a, interval: Interval));
        Add("DemoteVolume, secondary", b, serverB, mirrored, v => v.At(b).DemoteAsync(serverB, b));
        Add("DisableVolumeReplication, not mirrored", a, serverA, plain, v => v.DisableAsync(serverA, a));
        Add(Floor, a, null, mirrored, v => BareAsync(v, readOnly: true, async image => await image.Mirroring.GetGlobalStatusAsync(CancellationToken.None)));
        Add("librbd alone: open, get_info, close", a, null, mirrored, v => BareAsync(v, readOnly: true, async image => await image.Mirroring.GetInfoAsync(CancellationToken.None)));
        Add("librbd alone: open for writing, get_info, close", a, null, mirrored, v => BareAsync(v, readOnly: false, async image => await image.Mirroring.GetInfoAsync(CancellationToken.None)));

        Console.WriteLine($"{await Table.MachineAsync(a)}; medians of {Rounds} rounds of {calls} calls");
        for (var round = 0; round <= Rounds; round++)
        {
            var background = new Dictionary<BenchSite, double> { [a] = await a.BackgroundRateAsync(Idle), [b] = await b.BackgroundRateAsync(Idle) };
            foreach (var concurrency in (int[])[1, Concurrency])
            {
                foreach (var one in _cases)
                    one.Runs.Add(await MeasureAsync(one, calls, concurrency, background[one.Site], isWarmUp: round == 0));
            }
        }
        PrintCosts();
        PrintProfile();
        PrintTimes(1);
        PrintTimes(Concurrency);
        await PrintCliAsync(mirrored[0]);
        await PrintAllocationsAsync(mirrored, plain);
    }

    private const string Info = "GetVolumeReplicationInfo";
    private const string Floor = "librbd alone: open, get_global_status, close";

    private void Add(string name, BenchSite site, ServerProcess? server, IReadOnlyList<BenchVolume> volumes, Func<BenchVolume, Task> call) =>
        _cases.Add(new Case(name, site, server, volumes, call, []));

    private async Task BareAsync(BenchVolume volume, bool readOnly, Func<RbdImage, Task> call)
    {
        await using var image = await RbdImage.OpenAsync(a.Pool, volume.ImageName, readOnly, CancellationToken.None);
        await call(image);
    }

    private static async Task<Run> MeasureAsync(Case one, int calls, int concurrency, double background, bool isWarmUp)
    {
        var process = one.Server?.ProcessId ?? Environment.ProcessId;
        var cephBefore = await CephCallsAsync(one.Server);
        var cpuBefore = ProcessCpu.Of(process);
        var operationsBefore = await one.Site.OsdOperationsAsync();
        var load = await Load.RunAsync(one.Volumes, calls, concurrency, one.Call);
        var operations = await one.Site.OsdOperationsAsync() - operationsBefore - background * load.Elapsed.TotalSeconds;
        var cpu = ProcessCpu.Of(process) - cpuBefore;
        var ceph = (await CephCallsAsync(one.Server)).ToDictionary(
            pair => pair.Key, pair => (pair.Value - cephBefore.GetValueOrDefault(pair.Key, new CephCalls(0, 0))) / load.Calls);
        return new Run(concurrency, isWarmUp, load, cpu / load.Calls, operations / load.Calls, ceph);
    }

    private static async Task<Dictionary<string, CephCalls>> CephCallsAsync(ServerProcess? server)
    {
        if (server is null)
            return [];
        // The exporter answers from a cache for 300 ms.
        await Task.Delay(TimeSpan.FromMilliseconds(400));
        var scrape = await Scrape.OfAsync(server);
        Dictionary<string, double> Of(string part) => scrape.Of($"rbd_replication_ceph_call_duration_seconds_{part}")
            .GroupBy(series => series.Labels["rbd_call"]).ToDictionary(group => group.Key, group => group.Sum(series => series.Value));
        var seconds = Of("sum");
        return Of("count").ToDictionary(pair => pair.Key, pair => new CephCalls(pair.Value, seconds[pair.Key]));
    }

    // What is not a call into Ceph's libraries is closing the image, gRPC, and our own code.
    private void PrintProfile()
    {
        var run = _cases.Single(one => one.Name == Info).Measured(1)[^1];
        var mean = run.Load.Latencies.Average(latency => latency.TotalSeconds);
        Table.Begin($"Where {Info} spends its time, means of the last round at concurrency 1:", "step", "ms");
        foreach (var (function, calls) in run.CephCalls.Where(pair => pair.Value.Count > 0.01).OrderByDescending(pair => pair.Value.Seconds))
            Table.Row(function, Table.Milliseconds(TimeSpan.FromSeconds(calls.Seconds)));
        Table.Row("all else", Table.Milliseconds(TimeSpan.FromSeconds(mean - run.CephCalls.Values.Sum(calls => calls.Seconds))));
        Table.Row("in all", Table.Milliseconds(TimeSpan.FromSeconds(mean)));
    }

    private void PrintCosts()
    {
        Table.Begin("What one call costs, counted at concurrency 1:", "RPC", "image opens", "librados and librbd calls", "RADOS operations", "calls");
        foreach (var one in _cases)
        {
            var runs = one.Measured(1);
            var calls = runs[^1].CephCalls.Select(pair => KeyValuePair.Create(pair.Key, pair.Value.Count)).Where(pair => pair.Value > 0.01).OrderBy(pair => pair.Key, StringComparer.Ordinal).ToList();
            var isBare = one.Server is null;
            Table.Row(
                one.Name, isBare ? "1" : Table.Number(calls.Where(call => call.Key.Contains("_open", StringComparison.Ordinal)).Sum(call => call.Value), "0.##"),
                isBare ? "3" : Table.Number(calls.Sum(call => call.Value), "0.##"),
                Table.Number(Table.Median(runs.Select(run => run.Operations))),
                string.Join(", ", calls.Select(call => Math.Abs(call.Value - 1) < 0.01 ? call.Key : $"{Table.Number(call.Value, "0.##")} {call.Key}")));
        }
    }

    private void PrintTimes(int concurrency)
    {
        Table.Begin(
            $"Times at concurrency {concurrency}:",
            "RPC", "p50 ms", "p99 ms", "calls/s", "CPU ms a call", "of that outside Ceph's threads", "p50 : floor", "CPU : floor");
        var floor = _cases.Single(one => one.Name == Floor).Measured(concurrency);
        foreach (var one in _cases)
        {
            var runs = one.Measured(concurrency);
            Table.Row(
                one.Name,
                Table.Milliseconds(Table.Median(runs.Select(run => run.Load.Percentile(50)))),
                Table.Milliseconds(Table.Median(runs.Select(run => run.Load.Percentile(99)))),
                Table.Number(Table.Median(runs.Select(run => run.Load.CallsPerSecond)), "0"),
                Table.Milliseconds(Table.Median(runs.Select(run => run.Cpu.Total))),
                Table.Milliseconds(Table.Median(runs.Select(run => run.Cpu.Total - run.Cpu.Ceph))),
                // Within one round: what else the machine does meanwhile changes from round to round.
                Table.Number(Table.Median(runs.Zip(floor, (run, bare) => run.Load.Percentile(50) / bare.Load.Percentile(50))), "0.00"),
                Table.Number(Table.Median(runs.Zip(floor, (run, bare) => run.Cpu.Total / bare.Cpu.Total)), "0.00"));
        }
    }

    private async Task PrintCliAsync(BenchVolume volume)
    {
        List<(TimeSpan Time, TimeSpan Cpu)> runs = [];
        for (var i = 0; i < 2 * Rounds; i++)
        {
            var before = ProcessCpu.Of(Environment.ProcessId).Children;
            var load = await Load.RunAsync(
                [volume], 1, 1, v => ProcessOutput.OfAsync("rbd", "-c", a.ConfFile, "mirror", "image", "status", a.Pool.SpecOf(v.ImageName)));
            runs.Add((load.Elapsed, ProcessCpu.Of(Environment.ProcessId).Children - before));
        }
        var floor = _cases.Single(one => one.Name == Floor).Measured(1);
        var time = Table.Median(runs.Select(run => run.Time));
        Table.Begin("The rbd tool:", "command", "p50 ms", "CPU ms", "p50 : floor");
        Table.Row(
            "rbd mirror image status", Table.Milliseconds(time), Table.Milliseconds(Table.Median(runs.Select(run => run.Cpu))),
            Table.Number(time / Table.Median(floor.Select(run => run.Load.Percentile(50))), "0.0"));
    }

    // The server's own heap cannot be read from outside. Below gRPC its code runs here the same.
    private async Task PrintAllocationsAsync(IReadOnlyList<BenchVolume> mirrored, IReadOnlyList<BenchVolume> plain)
    {
        await using var core = new CoreCalls(a);
        await using var coreAtB = new CoreCalls(b);
        Table.Begin("Managed memory that one call allocates, below gRPC:", "call", "KiB");
        await RowAsync("GetInfoAsync", mirrored, v => core.Replication.GetInfoAsync(v.RequestAt(a), CancellationToken.None));
        await RowAsync("EnableAsync, enabled", mirrored, v => core.Replication.EnableAsync(v.RequestAt(a), CoreCalls.Defaults, CancellationToken.None));
        await RowAsync("PromoteAsync, primary", mirrored, v => core.Replication.PromoteAsync(v.RequestAt(a), CoreCalls.Defaults, force: false, CancellationToken.None));
        await RowAsync("DemoteAsync, secondary", mirrored, v => coreAtB.Replication.DemoteAsync(v.RequestAt(b), force: false, CancellationToken.None));
        await RowAsync("DisableAsync, not mirrored", plain, v => core.Replication.DisableAsync(v.RequestAt(a), force: false, CancellationToken.None));
        await RowAsync("librbd alone: open, get_global_status, close", mirrored, v =>
            BareAsync(v, readOnly: true, async image => await image.Mirroring.GetGlobalStatusAsync(CancellationToken.None)));

        static async Task RowAsync(string name, IReadOnlyList<BenchVolume> volumes, Func<BenchVolume, Task> call)
        {
            await Load.RunAsync(volumes, volumes.Count, 1, call);
            var before = GC.GetTotalAllocatedBytes(precise: true);
            var load = await Load.RunAsync(volumes, 4 * volumes.Count, 1, call);
            Table.Row(name, Table.Number((GC.GetTotalAllocatedBytes(precise: true) - before) / 1024.0 / load.Calls));
        }
    }

    private sealed record Case(
        string Name, BenchSite Site, ServerProcess? Server, IReadOnlyList<BenchVolume> Volumes, Func<BenchVolume, Task> Call, List<Run> Runs)
    {
        public List<Run> Measured(int concurrency) => [.. Runs.Where(run => run.Concurrency == concurrency && !run.IsWarmUp)];
    }

    private sealed record Run(
        int Concurrency, bool IsWarmUp, Load Load, ProcessCpu Cpu, double Operations, IReadOnlyDictionary<string, CephCalls> CephCalls);

    private readonly record struct CephCalls(double Count, double Seconds)
    {
        public static CephCalls operator -(CephCalls a, CephCalls b) => new(a.Count - b.Count, a.Seconds - b.Seconds);

        public static CephCalls operator /(CephCalls a, int calls) => new(a.Count / calls, a.Seconds / calls);
    }
}
