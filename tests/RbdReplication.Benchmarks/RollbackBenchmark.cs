using System.Globalization;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;

namespace RbdReplication.Benchmarks;

/// <summary>What returning an image to a generation costs: by its size, by what was changed since, and by what librbd knows of its objects.</summary>
internal static class RollbackBenchmark
{
    private const int Rounds = 3;
    private const int ObjectBytes = 4 * 1024 * 1024;
    private const int BlockBytes = 4096;
    private const ulong GiB = 1024 * 1024 * 1024;
    private const ImageFeatures Plain = ImageFeatures.Layering | ImageFeatures.ExclusiveLock;
    private const ImageFeatures Mapped = Plain | ImageFeatures.ObjectMap | ImageFeatures.FastDiff;

    public static async Task RunAsync(string sandbox)
    {
        await using var site = await BenchSite.ConnectAsync(sandbox, "site-a");
        Console.WriteLine(await Table.MachineAsync(site));
        Table.Begin(
            string.Create(CultureInfo.InvariantCulture, $"one image returned to a generation, objects of 4 MiB, medians of {Rounds}:"),
            "features", "size GiB", "objects in use", "changed MiB", "time s", "ms for each object in use");
        foreach (var features in (ImageFeatures[])[Plain, Mapped])
        {
            foreach (var (size, isFull) in ((ulong, bool)[])[(1, false), (1, true), (4, true)])
            {
                foreach (var changed in size == 1 ? (int[])[1, 64] : [1])
                    await MeasureAsync(site, features, size * GiB, isFull, changed);
            }
        }
    }

    private static async Task MeasureAsync(BenchSite site, ImageFeatures features, ulong size, bool isFull, int changed)
    {
        var volume = (await BenchVolume.CreateAsync(site, 1, size, features))[0];
        var generation = new GenerationName(Guid.NewGuid().ToString(), 1);
        var objects = (int)(size / ObjectBytes);
        List<TimeSpan> times = [];
        await using (var image = await OpenAsync(site, volume))
        {
            if (isFull)
            {
                await Parallel.ForAsync(0, objects, async (i, token) =>
                    await image.WriteAsync((ulong)i * ObjectBytes, new byte[BlockBytes], token));
            }
            await image.Snapshots.CreateAsync(generation.ToString(), CancellationToken.None);
        }
        for (var round = 0; round < Rounds; round++)
        {
            string id;
            await using (var image = await OpenAsync(site, volume))
            {
                id = image.GetId();
                for (var i = 0; i < changed; i++)
                    await image.WriteAsync((ulong)i * ObjectBytes, new byte[ObjectBytes], CancellationToken.None);
            }
            times.Add((await Load.RunAsync([id], 1, 1, one => GenerationFailover.RunAsync(site.Pool, [one], generation, CancellationToken.None))).Elapsed);
        }
        await using (var image = await OpenAsync(site, volume))
            await image.Snapshots.RemoveAsync(generation.ToString(), CancellationToken.None);
        await RbdImage.RemoveAsync(site.Pool, volume.ImageName, CancellationToken.None);
        var inUse = isFull ? objects : changed;
        Table.Row(
            features == Mapped ? "exclusive-lock, object-map, fast-diff" : "exclusive-lock", Table.Number((double)size / GiB, "0"), Table.Number(inUse, "0"),
            Table.Number(changed * 4, "0"), Table.Number(Table.Median(times).TotalSeconds, "0.00"), Table.Milliseconds(Table.Median(times) / inUse));
    }

    private static Task<RbdImage> OpenAsync(BenchSite site, BenchVolume volume) =>
        RbdImage.OpenAsync(site.Pool, volume.ImageName, readOnly: false, CancellationToken.None);
}
