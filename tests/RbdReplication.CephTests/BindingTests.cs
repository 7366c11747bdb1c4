using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests;

public sealed class BindingTests(TwoSites sites)
{
    private static CancellationToken None => CancellationToken.None;

    private static string NewName(string kind) => $"{kind}-{Guid.NewGuid():N}";

    [Fact]
    public async Task A_connection_knows_its_cluster_and_its_pools_by_id_and_by_name()
    {
        Assert.Equal((await sites.A.CephAsync("fsid")).Trim(), sites.A.Cluster.GetFsid());
        // profile rbd may not read the site's name.
        Assert.Equal(sites.A.Cluster.GetFsid(), await sites.A.Cluster.GetMirrorSiteNameAsync(None));
        await using var byName = await sites.A.Cluster.OpenPoolAsync(TwoSites.Pool, "", None);
        await using var byId = await sites.A.Cluster.OpenPoolAsync(byName.Id, TwoSites.Namespace, None);
        Assert.Equal(TwoSites.Pool, byId.Name);
        Assert.Equal($"{TwoSites.Pool}/{TwoSites.Namespace}/x", byId.SpecOf("x"));
    }

    [Fact]
    public async Task A_pool_that_does_not_exist_is_ENOENT_with_the_name_of_the_call()
    {
        var byName = await Assert.ThrowsAsync<CephException>(() => sites.A.Cluster.OpenPoolAsync("no-such-pool", "", None));
        var byId = await Assert.ThrowsAsync<CephException>(() => sites.A.Cluster.OpenPoolAsync(987654, "", None));
        Assert.Equal((Errno.ENOENT, "rados_pool_lookup"), (byName.Errno, byName.Function));
        Assert.Equal((Errno.ENOENT, "rados_pool_reverse_lookup"), (byId.Errno, byId.Function));
    }

    [Fact]
    public async Task Omap_entries_are_written_read_by_key_and_listed()
    {
        var name = NewName("omap");
        Assert.Null(await sites.A.Pool.ReadOmapAsync(name, ["a"], None));
        await sites.A.Pool.WriteAsync(name, new ObjectWrite().Create(exclusive: true).SetOmap([new("a", "1"), new("b", ""), new("ü", "é")]), None);
        var entries = await sites.A.Pool.ReadOmapAsync(name, ["a", "b", "ü", "absent"], None);
        Assert.Equal(new Dictionary<string, string> { ["a"] = "1", ["b"] = "", ["ü"] = "é" }, entries);
        Assert.Equal(["a", "b", "ü"], (await sites.A.Pool.ListOmapAsync(name, "", None))!.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(["ü"], (await sites.A.Pool.ListOmapAsync(name, "ü", None))!.Keys);
        Assert.Empty((await sites.A.Pool.ListOmapAsync(name, "c", None))!);
        await sites.A.Pool.WriteAsync(name, new ObjectWrite().Remove(), None);
        Assert.Null(await sites.A.Pool.ReadOmapAsync(name, ["b"], None));
    }

    [Fact]
    public async Task Thousands_of_omap_keys_are_read_in_one_call_and_listed_to_the_last()
    {
        var name = NewName("omap");
        var all = Enumerable.Range(0, 5000).ToDictionary(i => $"csi.volume.pvc-{i}", i => Guid.NewGuid().ToString());
        await sites.A.Pool.WriteAsync(name, new ObjectWrite().SetOmap(all), None);
        Assert.Equal(all, await sites.A.Pool.ReadOmapAsync(name, all.Keys, None));
        // The listing takes more than one, since an OSD gives so many at a time.
        Assert.Equal(all, await sites.A.Pool.ListOmapAsync(name, "csi.", None));
        await sites.A.Pool.WriteAsync(name, new ObjectWrite().Remove(), None);
        Assert.Null(await sites.A.Pool.ListOmapAsync(name, "csi.", None));
    }

    [Theory]
    [InlineData("present", "1", "1", Errno.None)]
    [InlineData("present", "1", "2", Errno.ECANCELED)]
    [InlineData("absent", "", "", Errno.None)]
    [InlineData("absent", "", "x", Errno.ECANCELED)]
    public async Task A_write_with_a_comparison_that_does_not_hold_changes_nothing(string key, string stored, string compared, Errno expected)
    {
        var name = NewName("omap");
        await sites.A.Pool.WriteAsync(name, new ObjectWrite().Create(exclusive: false), None);
        if (stored.Length > 0)
            await sites.A.Pool.WriteAsync(name, new ObjectWrite().SetOmap(key, stored), None);
        var error = await Record.ExceptionAsync(
            () => sites.A.Pool.WriteAsync(name, new ObjectWrite().AssertOmap(key, compared).SetOmap("mark", "1"), None));
        Assert.Equal(expected, (error as CephException)?.Errno ?? Errno.None);
        Assert.Equal(expected == Errno.None, (await sites.A.Pool.ReadOmapAsync(name, ["mark"], None))!.ContainsKey("mark"));
        await sites.A.Pool.WriteAsync(name, new ObjectWrite().Remove(), None);
    }

    [Fact]
    public async Task An_exclusive_create_meets_an_existing_object()
    {
        var name = NewName("object");
        await sites.A.Pool.WriteAsync(name, new ObjectWrite().Create(exclusive: true), None);
        var error = await Assert.ThrowsAsync<CephException>(() => sites.A.Pool.WriteAsync(name, new ObjectWrite().Create(exclusive: true).SetOmap("a", "1"), None));
        Assert.Equal(Errno.EEXIST, error.Errno);
        Assert.Empty((await sites.A.Pool.ReadOmapAsync(name, ["a"], None))!);
        await sites.A.Pool.WriteAsync(name, new ObjectWrite().Remove(), None);
    }

    [Fact]
    public async Task Image_metadata_is_set_read_and_listed_whatever_its_size()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await using var image = await volume.OpenAsync(sites.A, readOnly: false);
        Assert.Null(await image.GetMetadataAsync("key", None));
        var large = new string('x', 10_000);
        await image.SetMetadataAsync("key", large, None);
        for (var i = 0; i < 100; i++)
            await image.SetMetadataAsync($"prefix/{i}", i.ToString(), None);
        Assert.Equal(large, await image.GetMetadataAsync("key", None));
        Assert.Equal(100, (await image.ListMetadataAsync("prefix/", None)).Count);
    }

    [Fact]
    public async Task An_image_tells_its_id_size_features_and_creation_time_as_the_rbd_tool_does()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await using var image = await volume.OpenAsync(sites.A);
        using var info = System.Text.Json.JsonDocument.Parse(await sites.A.RbdAsync("info", "--format", "json", $"{TwoSites.Pool}/{volume.ImageName}"));
        Assert.Equal(info.RootElement.GetProperty("id").GetString(), image.GetId());
        Assert.Equal(info.RootElement.GetProperty("size").GetUInt64(), await image.GetSizeBytesAsync(None));
        Assert.Equal(ImageFeatures.Layering, await image.GetFeaturesAsync(None));
        Assert.Null(await image.GetParentAsync(None));
        var age = DateTimeOffset.UtcNow - image.GetCreateTimestamp().ToDateTimeOffset();
        Assert.InRange(age, TimeSpan.Zero, TimeSpan.FromHours(1));
    }

    [Fact]
    public async Task Pool_listings_page_through_all_mirrored_images()
    {
        var volume = await TestVolume.CreateAsync(sites.A, inTenant: true);
        await volume.EnableAsync(sites.A);
        await using var image = await volume.OpenAsync(sites.A);
        var mirroring = new PoolMirroring(sites.A.Tenant);
        Assert.Equal(MirrorPoolMode.Image, await mirroring.GetModeAsync(None));
        Assert.Contains(await mirroring.ListStatusAsync("", None), entry => entry.Key == image.GetId() && entry.Value.ImageName == volume.ImageName);
        Assert.DoesNotContain(await mirroring.ListStatusAsync(image.GetId(), None), entry => entry.Key == image.GetId());
        var peer = Assert.Single(await new PoolMirroring(sites.A.Pool).ListPeersAsync(None));
        Assert.Equal("site-b", peer.SiteName);
    }

    [Fact]
    public async Task A_manager_command_that_fails_carries_the_managers_own_words()
    {
        var error = await Assert.ThrowsAsync<CephException>(() => sites.A.Cluster.MgrCommandAsync(
            """{"prefix":"rbd mirror snapshot schedule add","level_spec":"replicapool/nothing","interval":"1m"}""", None));
        Assert.Equal(Errno.EINVAL, error.Errno);
        Assert.Contains("nothing", error.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Disposing_in_the_wrong_order_closes_in_the_right_one()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        var cluster = await RadosCluster.ConnectAsync(
            new RadosConnectionOptions { Monitors = MonitorList.Parse(sites.A.Monitors), User = "csi", Key = sites.A.Credentials.Key }, None);
        var pool = await cluster.OpenPoolAsync(TwoSites.Pool, "", None);
        var image = await RbdImage.OpenAsync(pool, volume.ImageName, readOnly: false, None);
        var clusterClosed = cluster.DisposeAsync().AsTask();
        var poolClosed = pool.DisposeAsync().AsTask();
        await image.SetMetadataAsync("still", "open", None);
        Assert.False(clusterClosed.IsCompleted || poolClosed.IsCompleted);
        await image.DisposeAsync();
        await Task.WhenAll(poolClosed, clusterClosed);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => image.GetMetadataAsync("still", None));
    }

    [Fact]
    public async Task A_cancelled_wait_leaves_no_watcher_behind()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        for (var i = 0; i < 20; i++)
        {
            using var cancelled = new CancellationTokenSource();
            var opening = RbdImage.OpenAsync(sites.A.Pool, volume.ImageName, readOnly: false, cancelled.Token);
            await cancelled.CancelAsync();
            if (await Record.ExceptionAsync(() => opening) is null)
                await (await opening).DisposeAsync();
        }
        await using var image = await volume.OpenAsync(sites.A);
        await Eventually.TrueAsync(
            async () => (await image.ListWatchersAsync(None)).All(watcher => (ulong)watcher.ClientId != sites.A.Cluster.InstanceId),
            "the images that were given up are closed");
    }

    [Fact]
    public async Task A_key_never_shows_in_text()
    {
        Assert.DoesNotContain(sites.A.Secrets["userKey"], sites.A.Credentials.ToString(), StringComparison.Ordinal);
        Assert.Equal("(redacted)", $"{sites.A.Credentials.Key}");
        var error = await Assert.ThrowsAsync<CephException>(() => RadosCluster.ConnectAsync(
            new RadosConnectionOptions { Monitors = MonitorList.Parse(sites.A.Monitors), User = "nobody", Key = sites.A.Credentials.Key }, None));
        Assert.DoesNotContain(sites.A.Secrets["userKey"], error.ToString(), StringComparison.Ordinal);
    }
}
