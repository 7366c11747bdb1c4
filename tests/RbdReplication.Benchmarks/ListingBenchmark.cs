using System.Diagnostics;
using System.Globalization;
using RbdReplication.Ceph;
using RbdReplication.Core;

namespace RbdReplication.Benchmarks;

/// <summary>
/// One listing of all mirrored images of a pool, as the metrics do it: the status of each, the schedules, and of new ones the
/// PV's name. First with no name known yet, then again.
/// </summary>
internal static class ListingBenchmark
{
    private const int Rounds = 5;
    private const int MaximumSeries = 5000;

    public static async Task RunAsync(string sandbox, IEnumerable<int> sizes)
    {
        await using var a = await BenchSite.ConnectAsync(sandbox, "site-a");
        Console.WriteLine($"{await Table.MachineAsync(a)}; medians of {Rounds} rounds");
        Table.Begin("One listing of a pool:", "images", "names", "time ms", "CPU ms", "of that outside Ceph's threads", "RADOS operations", "MiB allocated");
        foreach (var size in sizes)
        {
            await FillAsync(a, size);
            await using var core = new CoreCalls(a);
            // Connects, and compiles what the first listing calls.
            _ = await ListAsync(core, a);
            List<Listing> first = [], again = [];
            for (var i = 0; i < Rounds; i++)
            {
                await using var fresh = new CoreCalls(a);
                await using (await fresh.Resolver.OpenAsync(await AnyAsync(a), a.Credentials, CancellationToken.None))
                    first.Add(await MeasureAsync(fresh, a));
                again.Add(await MeasureAsync(core, a));
            }
            Print(first, "new");
            Print(again, "known");
        }
    }

    public static async Task FillAsync(BenchSite site, int size)
    {
        var present = await CountAsync(site);
        foreach (var chunk in Enumerable.Range(present, Math.Max(0, size - present)).Chunk(512))
        {
            var volumes = await BenchVolume.CreateAsync(site, chunk.Length);
            await Load.RunAsync(volumes, volumes.Count, Math.Min(64, volumes.Count), async volume =>
            {
                await using var image = await RbdImage.OpenAsync(site.Pool, volume.ImageName, readOnly: false, CancellationToken.None);
                await image.Mirroring.EnableAsync(MirrorImageMode.Snapshot, CancellationToken.None);
            });
        }
    }

    public static async Task<int> CountAsync(BenchSite site) => (await VolumesAsync(site)).Count;

    /// <summary>All mirrored volumes of the pool.</summary>
    public static async Task<IReadOnlyList<BenchVolume>> VolumesAsync(BenchSite site)
    {
        List<BenchVolume> volumes = [];
        IReadOnlyList<KeyValuePair<string, MirrorGlobalStatus>> page;
        var last = "";
        do
        {
            page = await new PoolMirroring(site.Pool).ListStatusAsync(last, CancellationToken.None);
            volumes.AddRange(page.Select(entry => BenchVolume.Of(site, entry.Value.ImageName)));
            last = page.Count == 0 ? last : page[^1].Key;
        }
        while (page.Count == PoolMirroring.PageSize);
        return volumes;
    }

    private static async Task<VolumeHandle> AnyAsync(BenchSite site) => (await VolumesAsync(site))[0].Handle;

    private static Task<PoolListing> ListAsync(CoreCalls core, BenchSite site) =>
        core.Lister.ListPoolAsync(core.Cluster, site.Credentials, site.Pool.Id, MaximumSeries, CancellationToken.None);

    private static async Task<Listing> MeasureAsync(CoreCalls core, BenchSite site)
    {
        var allocated = GC.GetTotalAllocatedBytes(precise: true);
        var operations = await site.OsdOperationsAsync();
        var cpu = ProcessCpu.Of(Environment.ProcessId);
        var started = Stopwatch.GetTimestamp();
        var listing = await ListAsync(core, site);
        var elapsed = Stopwatch.GetElapsedTime(started);
        var used = ProcessCpu.Of(Environment.ProcessId) - cpu;
        return new Listing(
            listing.Volumes.Count, elapsed, used, await site.OsdOperationsAsync() - operations, GC.GetTotalAllocatedBytes(precise: true) - allocated);
    }

    private static void Print(List<Listing> runs, string names) => Table.Row(
        runs[0].Images.ToString(CultureInfo.InvariantCulture), names,
        Table.Milliseconds(Table.Median(runs.Select(run => run.Elapsed))), Table.Milliseconds(Table.Median(runs.Select(run => run.Cpu.Total))),
        Table.Milliseconds(Table.Median(runs.Select(run => run.Cpu.Total - run.Cpu.Ceph))),
        Table.Median(runs.Select(run => run.Operations)).ToString(CultureInfo.InvariantCulture),
        Table.Number(Table.Median(runs.Select(run => run.Allocated)) / 1024.0 / 1024.0, "0.00"));

    private sealed record Listing(int Images, TimeSpan Elapsed, ProcessCpu Cpu, long Operations, long Allocated);
}
