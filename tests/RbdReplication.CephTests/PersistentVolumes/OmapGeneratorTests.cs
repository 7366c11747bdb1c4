using System.Text.Json.Nodes;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;
using RbdReplication.Tests.Kubernetes;

namespace RbdReplication.CephTests.PersistentVolumes;

public sealed class OmapGeneratorTests(TwoSites sites) : IAsyncLifetime
{
    private GeneratorRig _rig = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _rig = await GeneratorRig.StartAsync(sites.B);

    public async ValueTask DisposeAsync() => await _rig.DisposeAsync();

    [Fact]
    public async Task A_volume_of_the_peer_is_mapped_through_the_cluster_mapping_and_then_resolves_for_a_replication_call()
    {
        var image = await WithImageAsync();
        _rig.Api.Volumes.Put(_rig.Pv(image, clusterId: "site-a"));
        await GeneratorRig.ReadyAsync(_rig.Start());
        await image.AssertCompleteAsync();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_configuration_that_lists_both_clusters_is_mapped_into_the_one_of_this_site(bool peerAnswers)
    {
        // The mapped id comes first, as in ceph-csi: that of the other site for this site's own volumes.
        await _rig.AddClusterAsync(sites.A.Name, peerAnswers ? sites.A.Monitors : ["127.0.0.1:1"]);
        var own = await WithImageAsync();
        var foreign = await WithImageAsync();
        _rig.Api.Volumes.Put(_rig.Pv(own));
        _rig.Api.Volumes.Put(_rig.Pv(foreign, clusterId: sites.A.Name));
        await GeneratorRig.ReadyAsync(_rig.Start());
        await own.AssertCompleteAsync();
        await foreign.AssertCompleteAsync();
        Assert.Null(await sites.A.Pool.ReadOmapAsync(own.ObjectName, ["csi.volname"], Token));
        Assert.Empty(_rig.Api.Events);
    }

    [Fact]
    public async Task An_image_that_comes_long_after_its_volume_is_mapped_within_seconds()
    {
        var images = Enumerable.Range(0, 20).Select(_ => _rig.NewImage()).ToList();
        foreach (var image in images)
            _rig.Api.Volumes.Put(_rig.Pv(image));
        // The production back-off: by then the next tries are made three to eight seconds later.
        await GeneratorRig.ReadyAsync(_rig.Start(options => options with { LongestRetryDelay = TimeSpan.FromSeconds(1000) }));
        await Task.Delay(TimeSpan.FromSeconds(12), Token);
        await Task.WhenAll(images.Select(image => image.CreateImageAsync()));
        var started = System.Diagnostics.Stopwatch.GetTimestamp();
        foreach (var image in images)
            await GeneratorRig.MappedAsync(image);
        Assert.InRange(System.Diagnostics.Stopwatch.GetElapsedTime(started), TimeSpan.Zero, TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task A_volume_in_a_rados_namespace_is_mapped_there()
    {
        var image = _rig.NewImage(sites.B.Tenant);
        await image.CreateImageAsync();
        _rig.Api.Volumes.Put(_rig.Pv(image, clusterId: "tenant"));
        await GeneratorRig.ReadyAsync(_rig.Start());
        await image.AssertCompleteAsync();
    }

    [Fact]
    public async Task A_volume_that_appears_and_one_whose_owner_changes_are_followed()
    {
        await GeneratorRig.ReadyAsync(_rig.Start());
        var image = await WithImageAsync();
        _rig.Api.Volumes.Put(_rig.Pv(image));
        await GeneratorRig.MappedAsync(image);
        await image.AssertCompleteAsync();
        _rig.Api.Volumes.Put(_rig.Pv(image, @namespace: "moved"));
        await Eventually.TrueAsync(async () => (await image.ReadObjectAsync())!["csi.volume.owner"] == "moved", "the new owner is recorded");
    }

    [Fact]
    public async Task A_missing_image_is_one_warning_and_when_it_appears_one_normal_event()
    {
        var image = _rig.NewImage();
        _rig.Api.Volumes.Put(_rig.Pv(image));
        var generator = _rig.Start();
        await GeneratorRig.ReadyAsync(generator);
        await _rig.EventAsync(image, "ImageNotFound");
        Assert.Null(await image.ReadObjectAsync());

        await image.CreateImageAsync();
        await _rig.EventAsync(image, "Mapped");
        await image.AssertCompleteAsync();
        Assert.Equal(["ImageNotFound", "Mapped"], _rig.EventsOf(image).Select(e => (string?)e["reason"]).Order());
        Assert.All(_rig.EventsOf(image), e => Assert.Equal(1, (int)e["count"]!));
    }

    [Fact]
    public async Task A_wrong_key_is_reported_without_it_and_the_corrected_one_is_taken_up()
    {
        const string WrongKey = "AQBdUnlnAAAAABAAc2VjcmV0c2VjcmV0c2Vjcg==";
        var image = await WithImageAsync();
        _rig.PutSecret(WrongKey);
        _rig.Api.Volumes.Put(_rig.Pv(image));
        await GeneratorRig.ReadyAsync(_rig.Start());
        await _rig.EventAsync(image, "CredentialsRejected");
        Assert.DoesNotContain(WrongKey, string.Concat(_rig.EventsOf(image).Select(e => e.ToJsonString())), StringComparison.Ordinal);

        _rig.PutSecret(sites.B.Secrets[CephCredentials.KeyField]);
        await GeneratorRig.MappedAsync(image);
    }

    [Fact]
    public async Task A_secret_without_keys_or_that_is_missing_is_reported_and_later_found()
    {
        var image = await WithImageAsync();
        var another = await WithImageAsync();
        _rig.Api.PutSecret("ceph", "csi-rbd", ("userID", "csi"));
        var pv = _rig.Pv(another);
        pv["spec"]!["csi"]!["controllerExpandSecretRef"]!["name"] = "later";
        _rig.Api.Volumes.Put(_rig.Pv(image));
        _rig.Api.Volumes.Put(pv);
        _rig.Start();
        await _rig.EventAsync(image, "SecretNotFound");
        await _rig.EventAsync(another, "SecretNotFound");

        _rig.PutSecret(sites.B.Secrets[CephCredentials.KeyField]);
        _rig.Api.PutSecret("ceph", "later", ("userID", "csi"), ("userKey", sites.B.Secrets[CephCredentials.KeyField]));
        await GeneratorRig.MappedAsync(image);
        await GeneratorRig.MappedAsync(another);
    }

    [Fact]
    public async Task A_cluster_that_does_not_answer_holds_up_no_other_and_floods_nobody_with_events()
    {
        var dead = _rig.NewImage();
        var good = await WithImageAsync();
        _rig.Api.Volumes.Put(_rig.Pv(dead, clusterId: "dead"));
        _rig.Api.Volumes.Put(_rig.Pv(good));
        _rig.Start();
        await GeneratorRig.MappedAsync(good);
        Assert.Empty(_rig.EventsOf(dead));
    }

    [Fact]
    public async Task Volumes_that_need_no_mapping_are_left_alone()
    {
        List<(MappedImage Image, Action<JsonObject> Change)> exempt =
        [
            (await WithImageAsync(), pv => pv["spec"]!["csi"]!["volumeAttributes"]!["staticVolume"] = "true"),
            (await WithImageAsync(), pv => pv["spec"]!.AsObject().Remove("claimRef")),
            (await WithImageAsync(), pv => pv["metadata"]!["deletionTimestamp"] = "2026-11-23T00:00:00Z"),
            (await WithImageAsync(), pv => pv["spec"]!["csi"]!["driver"] = "cephfs.csi.ceph.com"),
        ];
        foreach (var (image, change) in exempt)
        {
            var pv = _rig.Pv(image);
            change(pv);
            _rig.Api.Volumes.Put(pv);
        }
        await GeneratorRig.ReadyAsync(_rig.Start());
        foreach (var (image, _) in exempt)
        {
            Assert.Null(await image.ReadDirectoryEntryAsync());
            Assert.Null(await image.ReadObjectAsync());
        }
        Assert.Empty(_rig.Api.Events);
    }

    [Fact]
    public async Task A_conflict_is_told_on_the_volume_and_nothing_is_changed()
    {
        var image = await WithImageAsync();
        await image.PutObjectAsync(("csi.volname", "pvc-other"));
        _rig.Api.Volumes.Put(_rig.Pv(image));
        await GeneratorRig.ReadyAsync(_rig.Start());
        await _rig.EventAsync(image, "MappingConflict");
        var message = (string?)_rig.EventsOf(image).Single()["message"];
        Assert.Contains("pvc-other", message, StringComparison.Ordinal);
        Assert.Contains($"rados -p {TwoSites.Pool} rmomapkey {image.Directory} csi.volume.pvc-other", message, StringComparison.Ordinal);
        Assert.Equal(["csi.volname"], (await image.ReadObjectAsync())!.Keys);
    }

    [Fact]
    public async Task A_deleted_volume_is_not_tried_again()
    {
        var image = _rig.NewImage();
        _rig.Api.Volumes.Put(_rig.Pv(image));
        _rig.Start();
        await _rig.EventAsync(image, "ImageNotFound");
        _rig.Api.Volumes.Delete(image.Reservation.RequestName);
        var marker = await WithImageAsync();
        _rig.Api.Volumes.Put(_rig.Pv(marker));
        await GeneratorRig.MappedAsync(marker);

        await image.CreateImageAsync();
        var second = await WithImageAsync();
        _rig.Api.Volumes.Put(_rig.Pv(second));
        await GeneratorRig.MappedAsync(second);
        Assert.Null(await image.ReadDirectoryEntryAsync());
    }

    [Fact]
    public async Task Images_get_the_names_of_claim_namespace_and_cluster_and_a_secondary_is_no_failure()
    {
        var image = await WithImageAsync();
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        var secondary = _rig.NewImage();
        secondary.Reservation = new Reservation(secondary.Reservation.RequestName, volume.Handle.Uuid);
        _rig.Api.Volumes.Put(_rig.Pv(image));
        _rig.Api.Volumes.Put(_rig.Pv(secondary));
        // The journal object of the test volume is at site-a only.
        await GeneratorRig.ReadyAsync(_rig.Start(o => o with { SetMetadata = true, ClusterName = "west" }));
        await GeneratorRig.MappedAsync(secondary);

        await using var opened = await RbdImage.OpenAsync(sites.B.Pool, image.Reservation.ImageName, readOnly: true, CancellationToken.None);
        var metadata = await opened.ListMetadataAsync("csi.", CancellationToken.None);
        Assert.Equal("data-0", metadata["csi.storage.k8s.io/pvc/name"]);
        Assert.Equal("apps", metadata["csi.storage.k8s.io/pvc/namespace"]);
        Assert.Equal("west", metadata["csi.ceph.com/cluster/name"]);
        Assert.Equal(3, metadata.Count);
        Assert.Empty(_rig.Api.Events);
    }

    [Fact]
    public async Task An_api_server_that_is_gone_for_a_while_is_survived_and_what_changed_meanwhile_is_found()
    {
        var generator = _rig.Start();
        await GeneratorRig.ReadyAsync(generator);
        await _rig.Api.StopAsync();
        var image = await WithImageAsync();
        _rig.Api.Volumes.Put(_rig.Pv(image));
        // Longer than a leader may lead without its lease: it has to stop, and to start again.
        await Eventually.TrueAsync(() => Task.FromResult(generator.Readiness == (false, "waiting for the lease")), "the leader has given up");
        Assert.Null(await image.ReadDirectoryEntryAsync());

        await _rig.Api.StartAsync();
        await GeneratorRig.MappedAsync(image);
    }

    [Fact]
    public async Task Twenty_thousand_volumes_are_mapped_and_known_again_by_the_next_generator()
    {
        const int Count = 20_000;
        var images = Enumerable.Range(0, Count).Select(_ => _rig.NewImage(_rig.Private)).ToList();
        await ImageEntries.PutAsync(_rig.Private, images);
        foreach (var image in images)
            _rig.Api.Volumes.Put(_rig.Pv(image, GeneratorRig.PrivateCluster));

        await GeneratorRig.ReadyAsync(_rig.Start());
        var journal = images[0].Journal;
        foreach (var chunk in images.Chunk(1000))
            Assert.All(await journal.PlanAsync([.. chunk.Select(image => image.Reservation)], Token), plan => Assert.IsType<ReservationPlan.UpToDate>(plan));
        await _rig.StopAsync();

        await GeneratorRig.ReadyAsync(_rig.Start());
        Assert.Empty(_rig.Api.Events);
    }

    private async Task<MappedImage> WithImageAsync()
    {
        var image = _rig.NewImage();
        await image.CreateImageAsync();
        return image;
    }
}
