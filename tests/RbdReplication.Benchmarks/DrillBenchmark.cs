using System.Diagnostics;
using System.Text.Json;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;

namespace RbdReplication.Benchmarks;

/// <summary>How long a drill takes to make and to remove, by the command, and how long syncs take with and without drills of their volumes.</summary>
internal static class DrillBenchmark
{
    private const ulong SizeBytes = 64 * 1024 * 1024;
    private const int ChangedBytes = 1024 * 1024;
    private const int Rounds = 3;
    private const int SyncRounds = 8;
    private const int Synced = 8;

    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(50);

    public static async Task RunAsync(string sandbox, IReadOnlyList<int> sizes)
    {
        await using var a = await BenchSite.ConnectAsync(sandbox, "site-a");
        await using var b = await BenchSite.ConnectAsync(sandbox, "site-b");
        IReadOnlyList<BenchVolume> volumes;
        await using (var server = await a.StartServerAsync("bench", "--volume-metrics-interval", "0"))
        {
            Console.WriteLine(await Table.MachineAsync(a));
            volumes = await BenchVolume.CreateAsync(a, Math.Max(Synced, sizes.Max()), SizeBytes, ImageFeatures.Layering | ImageFeatures.ExclusiveLock);
            await Task.WhenAll(volumes.Select(async volume =>
            {
                await volume.EnableAsync(server, a);
                await volume.PromoteAsync(server, a);
            }));
            await BenchVolume.AwaitCopiesAsync(volumes, b);
        }
        await BenchGroup.WriteAsync(a, volumes, ChangedBytes);
        var point = new PointName("bench").ToString();
        await Task.WhenAll(volumes.Select(async volume =>
        {
            await using (var image = await RbdImage.OpenAsync(a.Pool, volume.ImageName, readOnly: false, CancellationToken.None))
                await image.Snapshots.CreateAsync(point, CancellationToken.None);
            await volume.CopyAsync(a, b);
        }));
        await BenchVolume.EnterAsync(b, volumes);
        await TimesAsync(b, volumes, sizes);
        await SyncsAsync(a, b, [.. volumes.Take(Synced)]);
    }

    private static async Task TimesAsync(BenchSite site, IReadOnlyList<BenchVolume> volumes, IReadOnlyList<int> sizes)
    {
        var idle = await site.BackgroundRateAsync(TimeSpan.FromSeconds(5));
        Table.Begin($"a drill of volumes of 64 MiB, medians of {Rounds}:", "volumes", "made s", "RADOS operations a volume", "removed s", "RADOS operations a volume");
        foreach (var size in sizes)
        {
            List<Run> made = [], removed = [];
            for (var round = 0; round < Rounds; round++)
            {
                made.Add(await RunAsync(site, ["create", "bench", .. volumes.Take(size).SelectMany(volume => (string[])["--volume", volume.At(site).Handle.ToString()])]));
                removed.Add(await RunAsync(site, ["remove", "bench"]));
            }
            Table.Row(
                $"{size}", Seconds(made), Table.Number(Table.Median(made.Select(run => (run.Operations - idle * run.Elapsed.TotalSeconds) / size)), "0"),
                Seconds(removed), Table.Number(Table.Median(removed.Select(run => (run.Operations - idle * run.Elapsed.TotalSeconds) / size)), "0"));
        }
    }

    private static string Seconds(IEnumerable<Run> runs) => Table.Number(Table.Median(runs.Select(run => run.Elapsed)).TotalSeconds, "0.00");

    private sealed record Run(TimeSpan Elapsed, long Operations);

    private static async Task<Run> RunAsync(BenchSite site, IReadOnlyList<string> arguments)
    {
        var secret = site.ConfigPath + ".secret";
        await File.WriteAllTextAsync(secret, JsonSerializer.Serialize(site.Secrets));
        var before = await site.OsdOperationsAsync();
        var started = Stopwatch.GetTimestamp();
        using var process = ServerProcess.Start(
            ["drill", .. arguments, "--cluster-config", site.ConfigPath, "--cluster-mapping", site.ConfigPath + ".none", "--secret-file", secret]);
        var (code, _, error) = await ProcessOutput.OfAsync(process);
        var elapsed = Stopwatch.GetElapsedTime(started);
        return code == 0 ? new Run(elapsed, await site.OsdOperationsAsync() - before) : throw new InvalidOperationException(error);
    }

    private static async Task SyncsAsync(BenchSite a, BenchSite b, IReadOnlyList<BenchVolume> volumes)
    {
        List<Load> without = [], with = [];
        for (var round = 0; round < SyncRounds; round++)
        {
            await SyncTwiceAsync(a, b, volumes, without);
            await RunAsync(b, ["create", "bench", .. volumes.SelectMany(volume => (string[])["--volume", volume.At(b).Handle.ToString()])]);
            await SyncTwiceAsync(a, b, volumes, with);
            await RunAsync(b, ["remove", "bench"]);
        }
        Table.Begin(
            $"{2 * SyncRounds} syncs of each of {volumes.Count} volumes at once, 1 MiB changed, from asking for the mirror snapshot until the peer has it, in turn without and with a drill of them:",
            "a drill is there", "p50 s", "p90 s", "worst s");
        foreach (var (drill, load) in new[] { ("no", Load.Together(without)), ("yes", Load.Together(with)) })
        {
            Table.Row(
                drill, Table.Number(load.Percentile(50).TotalSeconds, "0.00"), Table.Number(load.Percentile(90).TotalSeconds, "0.00"),
                Table.Number(load.Latencies[^1].TotalSeconds, "0.00"));
        }
    }

    // The monitors agree once a second: not always at the same moment of that.
    private static async Task SyncTwiceAsync(BenchSite a, BenchSite b, IReadOnlyList<BenchVolume> volumes, List<Load> loads)
    {
        for (var sync = 0; sync < 2; sync++)
        {
            await Task.Delay(Random.Shared.Next(1000, 3000));
            loads.Add(await SyncAllAsync(a, b, volumes));
        }
    }

    // Not from the end of the call: the copying begins while it removes the mirror snapshot before.
    private static async Task<Load> SyncAllAsync(BenchSite a, BenchSite b, IReadOnlyList<BenchVolume> volumes)
    {
        await BenchGroup.WriteAsync(a, volumes, ChangedBytes);
        var ids = await ImageDirectory.ReadIdsAsync(b.Pool, [.. volumes.Select(volume => volume.ImageName)], CancellationToken.None);
        var started = Stopwatch.GetTimestamp();
        var latencies = await Task.WhenAll(volumes.Select(async volume =>
        {
            await using var image = await RbdImage.OpenAsync(a.Pool, volume.ImageName, readOnly: false, CancellationToken.None);
            var before = (await image.Mirroring.ListSnapshotsAsync(CancellationToken.None))[^1].Id;
            var begun = Stopwatch.GetTimestamp();
            var taking = image.Mirroring.CreateSnapshotAsync(CancellationToken.None);
            while (!await HasNewerAsync(b, ids[volume.ImageName], before))
                await Task.Delay(Poll);
            var latency = Stopwatch.GetElapsedTime(begun);
            await taking;
            return latency;
        }));
        return new Load(Stopwatch.GetElapsedTime(started), [.. latencies.Order()]);
    }

    private static async Task<bool> HasNewerAsync(BenchSite site, string imageId, ulong before) =>
        (await StoredSnapshots.ReadAsync(site.Pool, imageId, CancellationToken.None))!.Mirrors
            .Any(snapshot => snapshot.IsComplete && snapshot.PrimarySnapshotId > before && snapshot.PrimarySnapshotId != MirrorSnapshot.NoSnapshot);
}
