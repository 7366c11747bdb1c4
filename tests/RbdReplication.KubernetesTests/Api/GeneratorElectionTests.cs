using RbdReplication.CephTests.Sandbox;
using RbdReplication.KubernetesTests.Clusters;

namespace RbdReplication.KubernetesTests.Api;

/// <summary>Two replicas of the omap generator, as processes, one of which goes away in some way.</summary>
public sealed class GeneratorElectionTests(TwoClusters clusters)
{
    [Fact]
    public async Task The_other_replica_takes_over_from_one_that_is_killed()
    {
        var @namespace = await TwoClusters.NewNamespaceAsync(clusters.A);
        using var first = new LonelyGenerator(clusters.A, @namespace);
        var holder = await first.LeadsAsync();
        using var second = new LonelyGenerator(clusters.A, @namespace);
        await StandsByAsync(second);
        await first.Process.KillAsync();
        await TakesOverAsync(second, holder);
    }

    [Fact]
    public async Task The_other_replica_takes_over_from_one_that_stands_still_which_then_follows()
    {
        var @namespace = await TwoClusters.NewNamespaceAsync(clusters.A);
        using var first = new LonelyGenerator(clusters.A, @namespace);
        var holder = await first.LeadsAsync();
        using var second = new LonelyGenerator(clusters.A, @namespace);
        await StandsByAsync(second);
        await first.Process.FreezeAsync();
        await TakesOverAsync(second, holder);
        await first.Process.ThawAsync();
        await StandsByAsync(first);
        Assert.NotEqual(holder, await second.HolderAsync());
    }

    [Fact]
    public async Task A_replica_that_is_told_to_stop_leaves_the_lease_to_the_other_at_once()
    {
        var @namespace = await TwoClusters.NewNamespaceAsync(clusters.A);
        using var only = new LonelyGenerator(clusters.A, @namespace);
        await only.LeadsAsync();
        Assert.Equal(0, await only.Process.TerminateAsync());
        Assert.Equal("", await only.HolderAsync());
    }

    private static Task StandsByAsync(LonelyGenerator generator) => Eventually.TrueAsync(async () => await generator.Process.GetAsync("/readyz") == "standby\n", "it stands by");

    private static async Task TakesOverAsync(LonelyGenerator generator, string from)
    {
        await Eventually.TrueAsync(async () => await generator.HolderAsync() is { Length: > 0 } holder && holder != from, "the other has taken the lease");
        await generator.Process.ReadyAsync();
    }
}
