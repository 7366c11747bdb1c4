using System.Globalization;
using RbdReplication.Ceph;
using RbdReplication.Core;

namespace RbdReplication.Benchmarks;

/// <summary>
/// Resolving a volume and asking for its info while the pool fills with mirrored volumes. Each size is measured beside
/// librbd alone, whose own costs depend on the pool too. The OSD's operations are not counted: with thousands of volumes the
/// mirror daemon's outnumber those of the calls.
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
        Table.Begin("Growth:", "mirrored volumes", "resolve ms", "info ms", "librbd alone ms", "info : librbd alone");
        List<(int Size, double Resolve, double Info, double Bare)> points = [];
        foreach (var size in sizes)
        {
            await ListingBenchmark.FillAsync(a, size);
            var count = await ListingBenchmark.CountAsync(a);
            var volumes = await SomeAsync(a);
            List<Run> runs = [];
            for (var round = 0; round <= Rounds; round++)
            {
                var resolve = await MeasureAsync(volumes, async v =>
                {
                    await using var open = await core.Resolver.OpenAsync(v.Handle, a.Credentials, CancellationToken.None);
                });
                var info = await MeasureAsync(volumes, v => core.Replication.GetInfoAsync(v.RequestAt(a), CancellationToken.None));
                var bare = await MeasureAsync(volumes, async v =>
                {
                    await using var image = await RbdImage.OpenAsync(a.Pool, v.ImageName, readOnly: true, CancellationToken.None);
                    await image.Mirroring.GetGlobalStatusAsync(CancellationToken.None);
                });
                // The first round warms up.
                if (round > 0)
                    runs.Add(new Run(resolve, info, bare));
            }
            Table.Row(
                count.ToString(CultureInfo.InvariantCulture), Median(runs, run => run.Resolve), Median(runs, run => run.Info), Median(runs, run => run.Bare),
                Median(runs, run => run.Info / run.Bare));
            points.Add((count, Of(runs, run => run.Resolve), Of(runs, run => run.Info), Of(runs, run => run.Bare)));
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

    private static async Task<double> MeasureAsync(IReadOnlyList<BenchVolume> volumes, Func<BenchVolume, Task> call) =>
        (await Load.RunAsync(volumes, Calls, 1, call)).Percentile(50).TotalMilliseconds;

    private static double Of(List<Run> runs, Func<Run, double> figure) => Table.Median(runs.Select(figure));

    private static string Median(List<Run> runs, Func<Run, double> figure) => Table.Number(Of(runs, figure), "0.00");

    // Milliseconds.
    private sealed record Run(double Resolve, double Info, double Bare);
}
