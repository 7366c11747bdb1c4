using System.Text.Json.Nodes;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Kubernetes.Informers;
using RbdReplication.KubernetesTests.Clusters;

namespace RbdReplication.KubernetesTests.Api;

/// <summary>Lists and watches of PersistentVolumes.</summary>
public sealed class InformerTests(TwoClusters clusters)
{
    private static readonly InformerOptions SmallPages = new() { PageSize = 7, FirstRetryDelay = TimeSpan.FromMilliseconds(50) };

    private readonly string _driver = $"driver-{Guid.NewGuid():N}.example.com";

    [Fact]
    public async Task Volumes_are_listed_in_pages_and_followed_from_there()
    {
        var names = await FollowedVolumes.CreateAsync(clusters.A, _driver, 40);
        await using var followed = new FollowedVolumes(clusters.A, _driver, SmallPages);
        await followed.ListedAsync();
        Assert.Equal(names, followed.Names);
        Assert.InRange(followed.Pages, 40 / 7, int.MaxValue);

        var added = await followed.CreateOneAsync();
        await followed.KnownAsync([.. names, added]);
        await clusters.A.MergeAsync($"{ApiServer.Volumes}/{added}", new JsonObject { ["spec"] = new JsonObject { ["claimRef"] = new JsonObject { ["name"] = "other", ["namespace"] = "moved" } } });
        await Eventually.TrueAsync(() => Task.FromResult(followed.Find(added)?.Claim?.Namespace == "moved"), "the claim's new namespace is known");
        await followed.DeleteAsync(names[0]);
        await followed.KnownAsync([.. names.Skip(1), added]);
        Assert.Equal((0, 0), (followed.Informer.Restarts, followed.Informer.BadEvents));
    }

    [Fact]
    public async Task Watches_that_end_go_on_and_their_bookmarks_are_no_changes()
    {
        await using var followed = new FollowedVolumes(clusters.A, _driver, SmallPages with { WatchDuration = TimeSpan.FromSeconds(4) });
        await followed.ListedAsync();
        var first = await followed.CreateOneAsync();
        await followed.KnownAsync(first);

        // The server sends one about two seconds before it ends a watch, if it gets round to it.
        var version = (string)(await clusters.A.GetAsync(ApiServer.Volumes + "?limit=1"))["metadata"]!["resourceVersion"]!;
        var bookmark = await Eventually.GetAsync(
            async () => (await clusters.A.WatchAsync($"{ApiServer.Volumes}?watch=1&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds=6"))
                .FirstOrDefault(line => (string?)line["type"] == "BOOKMARK"), "a watch has a bookmark");
        Assert.Null((string?)bookmark["object"]!["metadata"]!["name"]);

        var changes = followed.Changes;
        await clusters.A.WatchAsync($"{ApiServer.Volumes}?watch=1&resourceVersion={version}&timeoutSeconds=9");
        Assert.Equal(changes, followed.Changes);
        var second = await followed.CreateOneAsync();
        await followed.KnownAsync(first, second);
        Assert.Equal((1, 0, 0), (followed.Lists, followed.Informer.Restarts, followed.Informer.BadEvents));
    }

    [Fact]
    public async Task A_list_whose_pages_are_compacted_away_is_made_again()
    {
        var names = await FollowedVolumes.CreateAsync(clusters.A, _driver, 40);
        var compactions = 0;
        await using var followed = new FollowedVolumes(clusters.A, _driver, SmallPages, async () =>
        {
            if (compactions++ > 0)
                return;
            // The page after the next is not asked for yet.
            await clusters.A.MergeAsync($"{ApiServer.Volumes}/{names[0]}", new JsonObject { ["metadata"] = new JsonObject { ["labels"] = new JsonObject { ["changed"] = "yes" } } });
            await TwoClusters.CompactAsync();
        });
        await followed.ListedAsync();
        await followed.KnownAsync(names);
        Assert.Equal(1, followed.Informer.Restarts);
        Assert.True(followed.Log.Has("Listing PersistentVolumes failed, will try again: The provided continue parameter is too old"), string.Join('\n', followed.Log.Lines));
    }
}
