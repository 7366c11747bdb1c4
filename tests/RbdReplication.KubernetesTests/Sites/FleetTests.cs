using System.Diagnostics;
using RbdReplication.CephTests.PersistentVolumes;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;
using RbdReplication.KubernetesTests.Clusters;

namespace RbdReplication.KubernetesTests.Sites;

/// <summary>As many volumes as a big cluster has.</summary>
[Collection("Faults")]
public sealed class FleetTests(TwoClusters clusters, TwoSites sites) : IAsyncLifetime
{
    private const int Count = 20_000;

    // Native AOT takes a third of it; what is built along with the tests takes more.
    private const long MemoryLimit = 400L << 20;

    private GeneratorAccount _account = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _account = await GeneratorAccount.StartAsync(clusters.B, sites.B);

    public async ValueTask DisposeAsync() => await _account.DisposeAsync();

    [Fact]
    public async Task Twenty_thousand_volumes_are_listed_and_mapped_within_bounded_memory_and_known_again_by_the_next_generator()
    {
        var images = Enumerable.Range(0, Count).Select(_ => _account.NewImage(_account.Private)).ToList();
        await ImageEntries.PutAsync(_account.Private, images);
        // They would write the phase of each.
        await TwoClusters.StopAsync(clusters.B, "term", "controllers");
        try
        {
            var started = Stopwatch.GetTimestamp();
            await Parallel.ForEachAsync(images, new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (image, _) =>
                await _account.PutAsync(_account.Pv(image, GeneratorAccount.PrivateCluster)));
            Tell($"created in {Stopwatch.GetElapsedTime(started).TotalSeconds:0} s");

            await MapAsync();
            var journal = images[0].Journal;
            foreach (var chunk in images.Chunk(1000))
                Assert.All(await journal.PlanAsync([.. chunk.Select(image => image.Reservation)], Token), plan => Assert.IsType<ReservationPlan.UpToDate>(plan));
            await MapAsync();
        }
        finally
        {
            await clusters.RemoveAllAsync(clusters.B, "persistentvolumes");
            await TwoClusters.StartAsync(clusters.B, "controllers");
        }
    }

    private async Task MapAsync()
    {
        using var generator = _account.Start();
        await generator.ReadyAsync();
        // What it has logged by then may still be on its way.
        await Eventually.TrueAsync(
            () => Task.FromResult(generator.Log.Any(line => line.Contains($"First pass over {Count} volumes ended", StringComparison.Ordinal) && line.EndsWith("0 have no mapping yet", StringComparison.Ordinal))),
            "the generator tells that all are mapped");
        foreach (var line in generator.Log.Where(line => line.Contains(" listed in ", StringComparison.Ordinal) || line.Contains("First pass", StringComparison.Ordinal)))
            Tell(line);
        Tell($"{generator.PeakResidentBytes >> 20} MiB at most");
        Assert.InRange(generator.PeakResidentBytes, 0, MemoryLimit);
        Assert.Equal(0, await generator.TerminateAsync());
    }

    private static void Tell(string line) => TestContext.Current.TestOutputHelper!.WriteLine(line);
}
