using RbdReplication.CephTests.Sandbox;
using RbdReplication.Kubernetes.Informers;
using RbdReplication.KubernetesTests.Clusters;

namespace RbdReplication.KubernetesTests.Api;

/// <summary>An API server that is killed, or stands still, and comes back.</summary>
[Collection("Faults")]
public sealed class ServerFaultTests(TwoClusters clusters)
{
    private static readonly InformerOptions Options = new() { FirstRetryDelay = TimeSpan.FromMilliseconds(200), LongestRetryDelay = TimeSpan.FromSeconds(2) };

    private readonly string _driver = $"driver-{Guid.NewGuid():N}.example.com";

    [Fact]
    public async Task After_a_restart_the_version_is_gone_and_a_new_list_finds_what_went_away_meanwhile()
    {
        var names = await FollowedVolumes.CreateAsync(clusters.A, _driver, 10);
        await using var followed = new FollowedVolumes(clusters.A, _driver, Options);
        await followed.ListedAsync();
        await followed.KnownAsync(names);

        await TwoClusters.StopAsync(clusters.A, "kill");
        await clusters.RemoveAsync(clusters.A, "persistentvolumes", names[0]);
        await TwoClusters.StartAsync(clusters.A);
        await followed.KnownAsync(names.Skip(1));
        Assert.True(followed.Log.Has("The watch broke at version"), string.Join('\n', followed.Log.Lines));
        Assert.True(followed.Log.Has("too old resource version"), string.Join('\n', followed.Log.Lines));
        Assert.Equal(2, followed.Lists);
        await followed.CreateOneAsync();
        await Eventually.TrueAsync(() => Task.FromResult(followed.Names.Count == names.Count), "the watch goes on");
    }

    [Fact]
    public async Task A_server_that_stands_still_and_goes_on_loses_no_change()
    {
        await using var followed = new FollowedVolumes(clusters.A, _driver, Options);
        await followed.ListedAsync();
        var first = await followed.CreateOneAsync();
        await followed.KnownAsync(first);
        await TwoClusters.StopAsync(clusters.A, "freeze");
        var creation = followed.CreateOneAsync();
        await TwoClusters.StartAsync(clusters.A);
        await followed.KnownAsync(first, await creation);
        Assert.Equal(1, followed.Lists);
    }

    [Fact]
    public async Task A_leader_keeps_its_lease_over_a_restart_of_the_server()
    {
        var @namespace = await TwoClusters.NewNamespaceAsync(clusters.A);
        using var generator = new LonelyGenerator(clusters.A, @namespace);
        var holder = await generator.LeadsAsync();
        await TwoClusters.StopAsync(clusters.A, "kill");
        await TwoClusters.StartAsync(clusters.A);
        var renewed = await generator.RenewalAsync();
        await Eventually.TrueAsync(async () => await generator.RenewalAsync() != renewed, "it is renewed again");
        Assert.Equal(holder, await generator.HolderAsync());
    }
}
