using System.Globalization;
using System.Text.Json;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.Benchmarks;

/// <summary>
/// What generations cost whoever writes to a group, how long one takes, and what a forced promotion of a group costs beside that of as many volumes that are in none.
/// </summary>
internal static class GroupBenchmark
{
    private const int Rounds = 8;
    private const int ChangedBytes = 4 * 1024 * 1024;

    public static async Task RunAsync(string sandbox, IReadOnlyList<int> sizes)
    {
        await using var a = await BenchSite.ConnectAsync(sandbox, "site-a");
        await using var b = await BenchSite.ConnectAsync(sandbox, "site-b");
        await using var serverA = await a.StartServerAsync("bench", "--volume-metrics-interval", "0");
        await using var serverB = await b.StartServerAsync("bench", "--volume-metrics-interval", "0");
        Console.WriteLine(await Table.MachineAsync(a));
        foreach (var size in sizes)
        {
            var group = await BenchGroup.ProtectAsync(serverA, a, b, size);
            await WaitsAsync(a, group);
            await FailoverAsync(a, b, serverA, serverB, group);
        }
    }

    private static async Task WaitsAsync(BenchSite site, BenchGroup group)
    {
        // The process that takes them is started by the first.
        await group.TakeGenerationAsync();
        List<(int Threads, List<Load> Without, List<Load> With, List<Taking> Takings)> writers = [];
        await using (var node = await GroupWriters.OpenAsync(site, group.Volumes))
        {
            foreach (var threads in (int[])[1, 8])
            {
                var (without, with, takings) = (new List<Load>(), new List<Load>(), new List<Taking>());
                for (var round = 0; round < Rounds; round++)
                {
                    var taking = Taking.OneAsync(site, group);
                    with.Add(await node.WriteAsync(threads, taking));
                    takings.Add(await taking);
                    without.Add(await node.WriteAsync(threads, Task.Delay(takings[^1].Elapsed)));
                }
                writers.Add((threads, without, with, takings));
            }
        }
        Table.Begin(
            string.Create(CultureInfo.InvariantCulture, $"{group.Volumes.Count} members, writes of 4 KiB while {Rounds} generations are taken, and for as long between them:"),
            "writers at once, all to all members", "generations", "writes/s", "p50 ms", "p99 ms", "worst ms", "worst in a generation, median ms");
        foreach (var (threads, without, with, _) in writers)
        {
            var (less, more) = (Load.Together(without), Load.Together(with));
            Print($"{threads}", "no", less, without);
            Print($"{threads}", "yes", more, with);
            Table.Row(
                $"{threads}", "yes : no", Ratio(more.CallsPerSecond, less.CallsPerSecond), Ratio(more.Percentile(50), less.Percentile(50)),
                Ratio(more.Percentile(99), less.Percentile(99)), Ratio(more.Latencies[^1], less.Latencies[^1]), "");
        }
        Table.Begin(
            $"the generations of {group.Volumes.Count} members, medians and the longest:", "writers", "time s", "longest s", "new OSD maps", "lock kept from writers s", "longest s", "locks lost before the snapshot",
            "given up");
        foreach (var (threads, _, _, takings) in writers)
        {
            Table.Row(
                $"{threads}", Seconds(Table.Median(takings.Select(one => one.Elapsed))), Seconds(takings.Max(one => one.Elapsed)),
                Table.Number(Table.Median(takings.Select(one => (double)one.Maps)), "0"), Seconds(Table.Median(takings.Select(one => one.Outcome.Held))),
                Seconds(takings.Max(one => one.Outcome.Held)), Table.Number(takings.Sum(one => one.Outcome.Lost), "0"),
                Table.Number(takings.Sum(one => one.GivenUp), "0"));
        }
    }

    private static void Print(string writers, string generations, Load all, List<Load> rounds) => Table.Row(
        writers, generations, Table.Number(all.CallsPerSecond, "0"), Table.Milliseconds(all.Percentile(50)), Table.Milliseconds(all.Percentile(99)),
        Table.Milliseconds(all.Latencies[^1]), Table.Milliseconds(Table.Median(rounds.Select(round => round.Latencies[^1]))));

    private static async Task FailoverAsync(BenchSite a, BenchSite b, ServerProcess serverA, ServerProcess serverB, BenchGroup group)
    {
        var count = group.Volumes.Count;
        var singles = await BenchGroup.CreateVolumesAsync(a, count);
        await Task.WhenAll(singles.Select(async volume =>
        {
            await volume.EnableAsync(serverA, a);
            await volume.PromoteAsync(serverA, a);
        }));
        await group.AwaitGenerationAsync(b);
        await BenchGroup.WriteAsync(a, group.Volumes, ChangedBytes);
        await BenchGroup.WriteAsync(a, singles, ChangedBytes);
        await Task.WhenAll(group.Volumes.Concat(singles).Select(volume => volume.CopyAsync(a, b)));
        await BenchVolume.EnterAsync(b, group.Volumes.Concat(singles));
        await group.CreateAsync(serverB, b);

        var alone = await Load.RunAsync(singles, count, count, volume => BenchVolume.RetryAsync(() => volume.At(b).PromoteAsync(serverB, b, force: true)));
        var calls = 0;
        var together = await Load.RunAsync([group], 1, 1, async one => calls = await BenchVolume.RetryAsync(() => one.PromoteByForceAsync(serverB, b)));
        await BenchGroup.WriteAsync(b, group.Volumes, ChangedBytes);
        var returning = await Load.RunAsync([group], 1, 1, one => one.ReturnAsync(b));
        Table.Begin(
            string.Create(CultureInfo.InvariantCulture, $"{count} volumes of 64 MiB promoted by force, 4 MiB changed in each since the generation:"), "what", "time s", "calls");
        Table.Row("as single volumes, all at once", Seconds(alone.Elapsed), $"{count}");
        Table.Row("as a group", Seconds(together.Elapsed), $"{calls}");
        Table.Row("the return to the generation, by itself", Seconds(returning.Elapsed), "");
        Table.Row("group : single volumes", Ratio(together.Elapsed, alone.Elapsed), "");
    }

    private static string Ratio(TimeSpan one, TimeSpan other) => Ratio(one.TotalSeconds, other.TotalSeconds);

    private static string Ratio(double one, double other) => Table.Number(one / other, "0.00");

    private static string Seconds(TimeSpan time) => Table.Number(time.TotalSeconds, "0.00");

    /// <summary>One generation that was taken.</summary>
    /// <param name="Outcome">What became of it.</param>
    /// <param name="Elapsed">Time from the order to the answer, with attempts that were given up.</param>
    /// <param name="Maps">OSD maps that the monitors have agreed on meanwhile: one for each round in which snapshots get their numbers.</param>
    /// <param name="GivenUp">Attempts that were given up before.</param>
    private sealed record Taking(GenerationOutcome Outcome, TimeSpan Elapsed, long Maps, int GivenUp)
    {
        public static async Task<Taking> OneAsync(BenchSite site, BenchGroup group)
        {
            var before = await MapAsync(site);
            var givenUp = group.GivenUp;
            GenerationOutcome? outcome = null;
            var load = await Load.RunAsync([group], 1, 1, async one => outcome = await one.TakeGenerationAsync());
            return new Taking(outcome!, load.Elapsed, await MapAsync(site) - before, group.GivenUp - givenUp);
        }

        private static async Task<long> MapAsync(BenchSite site)
        {
            using var status = JsonDocument.Parse(await ProcessOutput.OfAsync("ceph", "-c", site.ConfFile, "osd", "stat", "-f", "json"));
            return status.RootElement.GetProperty("epoch").GetInt64();
        }
    }
}
