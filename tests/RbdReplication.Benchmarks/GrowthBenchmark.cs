using System.Globalization;
using RbdReplication.Ceph;
using RbdReplication.Core;

namespace RbdReplication.Benchmarks;

/// <summary>
/// Resolving a volume and asking for its info while the pool fills with mirrored volumes. Each size is measured beside
/// librbd alone, whose own costs depend on the pool too.
/// </summary>
internal static class GrowthBenchmark
{
    private const int Rounds = 5;
    private const int Calls = 100;

    public static async Task RunAsync(string sandbox, string plotPath, IReadOnlyList<int> sizes)
    {
        await using var a = await BenchSite.ConnectAsync(sandbox, "site-a");
        await using var core = new CoreCalls(a);
        Console.WriteLine($"{await Table.MachineAsync(a)}; medians of {Rounds} rounds of {Calls} calls at concurrency 1");
        Table.Begin("Growth:", "mirrored volumes", "resolve ms", "info ms", "librbd alone ms", "info : librbd alone", "RADOS operations: resolve", "info");
        List<(int Size, double Resolve, double Info, double Bare)> points = [];
        foreach (var size in sizes)
        {
            await ListingBenchmark.FillAsync(a, size);
            var count = await ListingBenchmark.CountAsync(a);
            var volumes = await SomeAsync(a);
            List<Run> runs = [];
            for (var round = 0; round <= Rounds; round++)
            {
                var background = await a.BackgroundRateAsync(TimeSpan.FromSeconds(2));
                var resolve = await MeasureAsync(a, volumes, background, async v =>
                {
                    await using var open = await core.Resolver.OpenAsync(v.Handle, a.Credentials, CancellationToken.None);
                });
                var info = await MeasureAsync(a, volumes, background, v => core.Replication.GetInfoAsync(v.RequestAt(a), CancellationToken.None));
                var bare = await MeasureAsync(a, volumes, background, async v =>
                {
                    await using var image = await RbdImage.OpenAsync(a.Pool, v.ImageName, readOnly: true, CancellationToken.None);
                    await image.Mirroring.GetGlobalStatusAsync(CancellationToken.None);
                });
                // The first round warms up.
                if (round > 0)
                    runs.Add(new Run(resolve, info, bare));
            }
            Table.Row(
                count.ToString(CultureInfo.InvariantCulture), Median(runs, run => run.Resolve.Milliseconds), Median(runs, run => run.Info.Milliseconds),
                Median(runs, run => run.Bare.Milliseconds), Median(runs, run => run.Info.Milliseconds / run.Bare.Milliseconds),
                Median(runs, run => run.Resolve.Operations), Median(runs, run => run.Info.Operations));
            points.Add((count, Of(runs, run => run.Resolve.Milliseconds), Of(runs, run => run.Info.Milliseconds), Of(runs, run => run.Bare.Milliseconds)));
        }
        await File.WriteAllTextAsync(plotPath, Plot.Svg(
            "One call at concurrency 1, by mirrored volumes in the pool", "ms", [.. points.Select(point => point.Size)],
            ("GetInfoAsync", [.. points.Select(point => point.Info)]),
            ("librbd alone: open, status, close", [.. points.Select(point => point.Bare)]),
            ("resolve: journal, open, close", [.. points.Select(point => point.Resolve)])));
    }

    // Spread over the whole pool: volumes come in the order of random ids.
    private static async Task<IReadOnlyList<BenchVolume>> SomeAsync(BenchSite site)
    {
        var page = await new PoolMirroring(site.Pool).ListStatusAsync("", CancellationToken.None);
        return [.. page.Where((_, i) => i % Math.Max(1, page.Count / Calls) == 0).Take(Calls).Select(entry =>
            BenchVolume.Of(site, entry.Value.ImageName))];
    }

    private static async Task<(double Milliseconds, double Operations)> MeasureAsync(
        BenchSite site, IReadOnlyList<BenchVolume> volumes, double background, Func<BenchVolume, Task> call)
    {
        var before = await site.OsdOperationsAsync();
        var load = await Load.RunAsync(volumes, Calls, 1, call);
        var operations = await site.OsdOperationsAsync() - before - background * load.Elapsed.TotalSeconds;
        return (load.Percentile(50).TotalMilliseconds, operations / load.Calls);
    }

    private static double Of(List<Run> runs, Func<Run, double> figure) => Table.Median(runs.Select(figure));

    private static string Median(List<Run> runs, Func<Run, double> figure) => Table.Number(Of(runs, figure), "0.00");

    private sealed record Run((double Milliseconds, double Operations) Resolve, (double Milliseconds, double Operations) Info, (double Milliseconds, double Operations) Bare);
}
