using System.Diagnostics;
using System.Globalization;
using Grpc.Core;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;

namespace RbdReplication.Benchmarks;

/// <summary>
/// The replication info from one reading of the pool beside the info that opens the image, by two servers in the same rounds; what a reading costs by the
/// number of images; and what it takes to ask for all volumes every half minute.
/// </summary>
internal sealed class ReadingBenchmark(BenchSite site, ServerProcess shared, ServerProcess opening)
{
    private const int Rounds = 5;
    private const int Calls = 320;
    private const int ManyCalls = 3200;
    private const int Concurrency = 32;

    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan PollInterval = TimeSpan.FromSeconds(30);

    private readonly Dictionary<ServerProcess, double> _background = [];

    public static async Task RunAsync(string sandbox, IReadOnlyList<int> sizes)
    {
        await using var site = await BenchSite.ConnectAsync(sandbox, "site-a");
        Console.WriteLine($"{await Table.MachineAsync(site)}; medians of {Rounds} rounds");
        foreach (var size in sizes)
        {
            await ListingBenchmark.FillAsync(site, size);
            await using var shared = await site.StartServerAsync("shared", "--volume-metrics-interval", "0");
            await using var opening = await site.StartServerAsync("opening", "--volume-metrics-interval", "0", "--status-max-age", "0");
            await new ReadingBenchmark(site, shared, opening).RunAsync(isLast: size == sizes[^1]);
        }
    }

    private async Task RunAsync(bool isLast)
    {
        var volumes = await ListingBenchmark.VolumesAsync(site);
        await PrintReadingAsync(volumes.Count);
        await PrintInfosAsync(volumes);
        if (isLast)
            await PrintPollAsync(volumes);
    }

    private async Task PrintReadingAsync(int images)
    {
        await using var connections = new ClusterConnections(TimeProvider.System);
        var cluster = new ClusterFiles(site.ConfigPath, site.ConfigPath + ".none", (_, _) => { }).Read().Config.Find(BenchSite.ClusterId)!;
        var connection = await connections.GetAsync(cluster, site.Credentials, CancellationToken.None);
        var pool = await connection.GetPoolAsync(site.Pool.Id, "", CancellationToken.None);
        List<(TimeSpan Time, ProcessCpu Cpu, double Operations, long Allocated)> runs = [];
        for (var round = 0; round <= Rounds; round++)
        {
            var background = await site.BackgroundRateAsync(Idle);
            var (cpu, operations, allocated) = (ProcessCpu.Of(Environment.ProcessId), await site.OsdOperationsAsync(), GC.GetTotalAllocatedBytes(precise: true));
            var started = Stopwatch.GetTimestamp();
            await PoolReports.ReadAsync(connection, pool, TimeProvider.System, CancellationToken.None);
            var elapsed = Stopwatch.GetElapsedTime(started);
            // The first round warms up.
            if (round > 0)
            {
                runs.Add((
                    elapsed, ProcessCpu.Of(Environment.ProcessId) - cpu, await site.OsdOperationsAsync() - operations - background * elapsed.TotalSeconds,
                    GC.GetTotalAllocatedBytes(precise: true) - allocated));
            }
        }
        Table.Begin("One reading:", "images", "time ms", "CPU ms", "of that outside Ceph's threads", "RADOS operations", "MiB allocated");
        Table.Row(
            images.ToString(CultureInfo.InvariantCulture), Table.Milliseconds(Table.Median(runs.Select(run => run.Time))),
            Table.Milliseconds(Table.Median(runs.Select(run => run.Cpu.Total))), Table.Milliseconds(Table.Median(runs.Select(run => run.Cpu.Total - run.Cpu.Ceph))),
            Table.Number(Table.Median(runs.Select(run => run.Operations)), "0"), Table.Number(Table.Median(runs.Select(run => (double)run.Allocated)) / 1024 / 1024, "0.0"));
    }

    private async Task PrintInfosAsync(IReadOnlyList<BenchVolume> volumes)
    {
        IReadOnlyList<BenchVolume> some = [.. volumes.Take(2 * Concurrency)];
        foreach (var concurrency in (int[])[1, Concurrency])
        {
            List<Run> again = [], first = [], opened = [];
            for (var round = 0; round <= Rounds; round++)
            {
                foreach (var server in (ServerProcess[])[shared, opening])
                    _background[server] = await site.BackgroundRateAsync(Idle);
                // So many that the reading which they pay for is there.
                await Load.RunAsync(volumes, Math.Max(Calls, volumes.Count / 50), Concurrency, v => AskAsync(shared, v));
                var runs = (
                    First: await MeasureAsync(shared, volumes, Math.Min(Calls, volumes.Count), concurrency),
                    Again: await MeasureAsync(shared, some, ManyCalls, concurrency),
                    Opened: await MeasureAsync(opening, some, Calls, concurrency));
                if (round == 0)
                    continue;
                first.Add(runs.First);
                again.Add(runs.Again);
                opened.Add(runs.Opened);
            }
            Table.Begin(
                $"The info in a pool of {volumes.Count} images, {concurrency} at once:", "asked", "p50 ms", "p99 ms", "calls/s", "CPU ms a call", "RADOS operations",
                "p50 : opened", "CPU : opened");
            Row("image opened", opened, opened);
            Row("from the reading, volume after volume", first, opened);
            Row("from the reading, the same 64 again", again, opened);
        }
    }

    private static void Row(string name, List<Run> runs, List<Run> opened) => Table.Row(
        name,
        Table.Milliseconds(Table.Median(runs.Select(run => run.Load.Percentile(50)))), Table.Milliseconds(Table.Median(runs.Select(run => run.Load.Percentile(99)))),
        Table.Number(Table.Median(runs.Select(run => run.Load.CallsPerSecond)), "0"), Table.Milliseconds(Table.Median(runs.Select(run => run.Cpu.Total))),
        Table.Number(Table.Median(runs.Select(run => run.Operations))),
        Table.Number(Table.Median(runs.Zip(opened, (run, other) => run.Load.Percentile(50) / other.Load.Percentile(50))), "0.000"),
        Table.Number(Table.Median(runs.Zip(opened, (run, other) => run.Cpu.Total / other.Cpu.Total)), "0.000"));

    private async Task<Run> MeasureAsync(ServerProcess server, IReadOnlyList<BenchVolume> volumes, int calls, int concurrency)
    {
        var (cpu, operations) = (ProcessCpu.Of(server.ProcessId), await site.OsdOperationsAsync());
        var load = await Load.RunAsync(volumes, calls, concurrency, v => AskAsync(server, v));
        return new Run(
            load, (ProcessCpu.Of(server.ProcessId) - cpu) / load.Calls,
            (await site.OsdOperationsAsync() - operations - _background[server] * load.Elapsed.TotalSeconds) / load.Calls);
    }

    // As controllers do: not all at once but spread over the interval.
    private async Task PrintPollAsync(IReadOnlyList<BenchVolume> volumes)
    {
        const int Intervals = 2;
        var cpu = ProcessCpu.Of(shared.ProcessId);
        var before = await Scrape.OfAsync(shared);
        var started = Stopwatch.GetTimestamp();
        List<Task> calls = [];
        for (var i = 0; i < volumes.Count * Intervals; i++)
        {
            var due = PollInterval * ((double)i / volumes.Count) - Stopwatch.GetElapsedTime(started);
            if (due > TimeSpan.Zero)
                await Task.Delay(due);
            calls.Add(AskAsync(shared, volumes[i % volumes.Count]));
        }
        await Task.WhenAll(calls);
        var elapsed = Stopwatch.GetElapsedTime(started);
        var used = ProcessCpu.Of(shared.ProcessId) - cpu;
        var after = await Scrape.OfAsync(shared);
        double Answers(Scrape scrape, params (string, string)[] labels) => scrape.Of("rbd_replication_replication_info_answers_total", labels).Sum(series => series.Value);
        double Readings(Scrape scrape) => scrape.Of("rbd_replication_status_reading_duration_seconds_count").Sum(series => series.Value);
        Table.Begin($"All volumes asked for every {PollInterval.TotalSeconds} s:", "volumes", "calls/s", "from readings", "readings", "CPU, part of a core", "resident MiB");
        Table.Row(
            volumes.Count.ToString(CultureInfo.InvariantCulture), Table.Number(calls.Count / elapsed.TotalSeconds, "0"),
            Table.Number((Answers(after, ("source", "Reading")) - Answers(before, ("source", "Reading"))) / (Answers(after) - Answers(before)) * 100, "0.0") + " %",
            Table.Number(Readings(after) - Readings(before), "0"), Table.Number(used.Total / elapsed * 100, "0.0") + " %", Table.Number(shared.ResidentBytes / 1024.0 / 1024, "0"));
    }

    private async Task AskAsync(ServerProcess server, BenchVolume volume)
    {
        try
        {
            await volume.GetInfoAsync(server, site);
        }
        // The peer has not copied it yet: as much work.
        catch (RpcException e) when (e.StatusCode == StatusCode.NotFound)
        {
        }
    }

    private sealed record Run(Load Load, ProcessCpu Cpu, double Operations);
}
