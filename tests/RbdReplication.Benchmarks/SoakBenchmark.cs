using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Grpc.Core;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Csi.Protocol;

namespace RbdReplication.Benchmarks;

/// <summary>One server under calls for a long time: what grows? Each part fails where something did.</summary>
internal static class SoakBenchmark
{
    private const int Concurrency = 32;

    // After that many calls every path has run, and memory is what it stays.
    private const int WarmUpCalls = 10_000;
    private const int Parts = 10;
    private const double MaximumGrowth = 1.10;

    // Sockets and threads come and go: librados keeps some for a while.
    private const int Slack = 8;

    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    /// <summary>Calls of all kinds, on volumes that are mirrored, not mirrored or not there, by callers that have time or none.</summary>
    /// <returns>Whether memory, descriptors and threads are what they were after the first 10,000 calls, or half of them if they are fewer.</returns>
    public static async Task<bool> CallsAsync(string sandbox, int calls)
    {
        await using var a = await BenchSite.ConnectAsync(sandbox, "site-a");
        await using var server = await a.StartServerAsync("bench");
        var volumes = await BenchVolume.CreateAsync(a, 2 * Concurrency);
        var random = new Random(1);
        var plan = Enumerable.Range(0, calls).Select(_ => (Kind: random.Next(20), Volume: volumes[random.Next(volumes.Count)])).ToList();
        var answers = new ConcurrentDictionary<StatusCode, int>();

        Console.WriteLine($"{await Table.MachineAsync(a)}; {calls} calls, {Concurrency} at once");
        Begin("Mixed calls:");
        Usage? early = null, last = null;
        for (var i = 0; i < Parts; i++)
        {
            var part = plan.GetRange(calls / Parts * i, calls / Parts);
            var load = await Load.RunAsync(part, part.Count, Concurrency, async item => answers.AddOrUpdate(await CallAsync(server, a, item.Kind, item.Volume), 1, static (_, count) => count + 1));
            var made = part.Count * (i + 1);
            last = Row($"{made} calls", server, load);
            if (made >= Math.Min(WarmUpCalls, calls / 2))
                early ??= last;
        }
        Console.WriteLine();
        Console.WriteLine("Answers: " + string.Join(", ", answers.OrderByDescending(pair => pair.Value).Select(pair => $"{pair.Key} {pair.Value.ToString(CultureInfo.InvariantCulture)}")));
        return IsSteady(early!, last!) && !answers.Keys.Any(code => code is StatusCode.Internal or StatusCode.Unknown or StatusCode.DataLoss);
    }

    /// <summary>Every mirrored volume asked for its info once a minute, as the controller does for schedules of one and two minutes.</summary>
    /// <returns>Whether memory, descriptors and threads are what they were after the first 10,000 calls, or half of them if they are fewer.</returns>
    public static async Task<bool> PollAsync(string sandbox, int count, int minutes)
    {
        await using var a = await BenchSite.ConnectAsync(sandbox, "site-a");
        await ListingBenchmark.FillAsync(a, count);
        var volumes = await ListingBenchmark.VolumesAsync(a);
        await using var server = await a.StartServerAsync("bench");
        Console.WriteLine($"{await Table.MachineAsync(a)}; {volumes.Count} mirrored volumes, each asked once a minute");
        Begin("Polling:");
        Usage? early = null, last = null;
        for (var minute = 1; minute <= minutes; minute++)
        {
            var load = await MinuteAsync(server, a, volumes);
            last = Row($"minute {minute}", server, load);
            if (minute * volumes.Count >= Math.Min(WarmUpCalls, minutes * volumes.Count / 2))
                early ??= last;
        }
        return IsSteady(early!, last!);
    }

    private static async Task<Load> MinuteAsync(ServerProcess server, BenchSite site, IReadOnlyList<BenchVolume> volumes)
    {
        var started = Stopwatch.GetTimestamp();
        var latencies = new ConcurrentBag<TimeSpan>();
        List<Task> running = [];
        for (var second = 0; second < 60; second++)
        {
            // Those that are due in this second.
            foreach (var volume in volumes.Where((_, i) => i % 60 == second))
                running.Add(AskAsync(volume));
            if ((second + 1) * Second is var next && Stopwatch.GetElapsedTime(started) is var now && now < next)
                await Task.Delay(next - now);
        }
        await Task.WhenAll(running);
        return new Load(Stopwatch.GetElapsedTime(started), [.. latencies.Order()]);

        async Task AskAsync(BenchVolume volume)
        {
            var before = Stopwatch.GetTimestamp();
            try
            {
                await volume.GetInfoAsync(server, site);
            }
            // Nothing was synced yet.
            catch (RpcException e) when (e.StatusCode == StatusCode.NotFound)
            {
            }
            latencies.Add(Stopwatch.GetElapsedTime(before));
        }
    }

    private static async Task<StatusCode> CallAsync(ServerProcess server, BenchSite site, int kind, BenchVolume volume)
    {
        // One in twenty callers has no time, one gives no handle, one an unknown one.
        var deadline = kind == 0 ? DateTime.UtcNow.AddMilliseconds(5) : DateTime.UtcNow.AddMinutes(5);
        var handle = kind switch
        {
            1 => "no handle",
            2 => (volume.Handle with { Uuid = Guid.NewGuid().ToString() }).ToString(),
            _ => volume.Handle.ToString(),
        };
        var source = new ReplicationSource { Volume = new() { VolumeId = handle } };
        try
        {
            switch (kind)
            {
                case 3 or 4 or 5:
                    await server.Replication.EnableVolumeReplicationAsync(new() { ReplicationSource = source, Secrets = { site.Secrets } }, deadline: deadline);
                    break;
                case 6:
                    await server.Replication.DisableVolumeReplicationAsync(new() { ReplicationSource = source, Secrets = { site.Secrets } }, deadline: deadline);
                    break;
                case 7 or 8 or 9:
                    await server.Replication.PromoteVolumeAsync(new() { ReplicationSource = source, Secrets = { site.Secrets } }, deadline: deadline);
                    break;
                case 10:
                    await server.Replication.ResyncVolumeAsync(new() { ReplicationSource = source, Secrets = { site.Secrets } }, deadline: deadline);
                    break;
                case 11 or 12:
                    await server.Replication.GetReplicationDestinationInfoAsync(new() { ReplicationSource = source, Secrets = { site.Secrets } }, deadline: deadline);
                    break;
                default:
                    await server.Replication.GetVolumeReplicationInfoAsync(new() { ReplicationSource = source, Secrets = { site.Secrets } }, deadline: deadline);
                    break;
            }
            return StatusCode.OK;
        }
        catch (RpcException e)
        {
            return e.StatusCode;
        }
    }

    private static void Begin(string title) => Table.Begin(title, "after", "calls/s", "p50 ms", "p99 ms", "resident MiB", "descriptors", "threads");

    private static Usage Row(string after, ServerProcess server, Load load)
    {
        var usage = new Usage(server.ResidentBytes, server.Descriptors, server.Threads);
        Table.Row(
            after, Table.Number(load.CallsPerSecond, "0"), Table.Milliseconds(load.Percentile(50)), Table.Milliseconds(load.Percentile(99)),
            Table.Number(usage.ResidentBytes / 1024.0 / 1024.0), usage.Descriptors.ToString(CultureInfo.InvariantCulture), usage.Threads.ToString(CultureInfo.InvariantCulture));
        return usage;
    }

    private static bool IsSteady(Usage early, Usage late)
    {
        var isSteady = late.ResidentBytes <= early.ResidentBytes * MaximumGrowth && late.Descriptors <= early.Descriptors + Slack && late.Threads <= early.Threads + Slack;
        Console.WriteLine();
        Console.WriteLine($"Memory {Table.Number(100.0 * late.ResidentBytes / early.ResidentBytes)} % of what it was at first: {(isSteady ? "steady" : "IT GREW")}");
        return isSteady;
    }

    private sealed record Usage(long ResidentBytes, int Descriptors, int Threads);
}
