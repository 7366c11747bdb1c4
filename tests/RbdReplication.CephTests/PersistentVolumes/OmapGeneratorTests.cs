using System.Globalization;
using System.Text.Json.Nodes;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;
using RbdReplication.Tests.Kubernetes;

namespace RbdReplication.CephTests.PersistentVolumes;

public sealed class OmapGeneratorTests(TwoSites sites) : IAsyncLifetime
{
    private GeneratorRig _rig = null!;

    /// <summary>How often a writer is killed; <c>KILL_ROUNDS</c> changes it.</summary>
    private static readonly int Kills = int.Parse(Environment.GetEnvironmentVariable("KILL_ROUNDS") ?? "5", CultureInfo.InvariantCulture);

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
    public async Task Broken_volumes_are_reported_each_and_stop_no_other()
    {
        List<(MappedImage Image, string Reason, Action<JsonObject> Break)> broken =
        [
            (_rig.NewImage(), "InvalidVolume", pv => pv["spec"]!["csi"]!.AsObject().Remove("volumeHandle")),
            (_rig.NewImage(), "InvalidVolume", pv => pv["spec"]!["csi"]!["volumeHandle"] = "0001-ffff-garbage"),
            (_rig.NewImage(), "InvalidVolume", pv => pv["spec"]!["csi"]!.AsObject().Remove("volumeAttributes")),
            (_rig.NewImage(), "InvalidVolume", pv => pv["spec"]!["csi"]!["volumeAttributes"]!["encrypted"] = "perhaps"),
            (_rig.NewImage(), "InvalidVolume", pv =>
            {
                pv["spec"]!["csi"]!.AsObject().Remove("controllerExpandSecretRef");
                pv["spec"]!["csi"]!.AsObject().Remove("nodeStageSecretRef");
            }),
            (_rig.NewImage(), "PoolNotFound", pv => pv["spec"]!["csi"]!["volumeAttributes"]!["pool"] = "gone"),
            (_rig.NewImage(), "ClusterNotFound", pv => pv["spec"]!["csi"]!["volumeHandle"] = $"0001-0007-unknown-0000000000000002-{Guid.NewGuid()}"),
        ];
        foreach (var (image, _, damage) in broken)
        {
            var pv = _rig.Pv(image);
            damage(pv);
            _rig.Api.Volumes.Put(pv);
        }
        var good = await WithImageAsync();
        var huge = _rig.Pv(good);
        huge["metadata"]!["annotations"]!["note"] = new string('x', 1_000_000);
        _rig.Api.Volumes.Put(huge);

        await GeneratorRig.ReadyAsync(_rig.Start());
        await good.AssertCompleteAsync();
        foreach (var (image, reason, _) in broken)
            await _rig.EventAsync(image, reason);
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
        Assert.Contains("pvc-other", (string?)_rig.EventsOf(image).Single()["message"], StringComparison.Ordinal);
        Assert.Equal(["csi.volname"], (await image.ReadObjectAsync())!.Keys);
    }

    [Fact]
    public async Task A_deleted_volume_is_not_tried_again()
    {
        var image = _rig.NewImage();
        _rig.Api.Volumes.Put(_rig.Pv(image));
        _rig.Start();
        await _rig.EventAsync(image, "ImageNotFound");
        _rig.Api.Volumes.Delete(image.Mapping.RequestName);
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
        secondary.Mapping = new VolumeMapping(secondary.Mapping.RequestName, volume.Handle.Uuid);
        _rig.Api.Volumes.Put(_rig.Pv(image));
        _rig.Api.Volumes.Put(_rig.Pv(secondary));
        // The journal object of the test volume is at site-a only.
        await GeneratorRig.ReadyAsync(_rig.Start(o => o with { SetMetadata = true, ClusterName = "west" }));
        await GeneratorRig.MappedAsync(secondary);

        await using var opened = await RbdImage.OpenAsync(sites.B.Pool, image.Mapping.ImageName, readOnly: true, CancellationToken.None);
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
        await Eventually.TrueAsync(() => Task.FromResult(generator.Readiness.State == "standby"), "the leader has given up");
        Assert.Null(await image.ReadDirectoryEntryAsync());

        await _rig.Api.StartAsync();
        await GeneratorRig.MappedAsync(image);
    }

    [Fact]
    public async Task Of_two_generators_one_works_and_the_other_takes_over_when_it_is_killed()
    {
        var first = await StartProcessAsync();
        var image = await WithImageAsync();
        _rig.Api.Volumes.Put(_rig.Pv(image));
        await GeneratorRig.MappedAsync(image);
        var second = _rig.Start();
        await Eventually.TrueAsync(() => Task.FromResult(second.Readiness is { IsReady: true, State: "standby" }), "the second stands by");
        var holder = Holder();

        first.Kill();
        await first.WaitForExitAsync(Token);
        var next = await WithImageAsync();
        _rig.Api.Volumes.Put(_rig.Pv(next));
        await GeneratorRig.MappedAsync(next);
        await next.AssertCompleteAsync();
        Assert.NotEqual(holder, Holder());
        Assert.Equal(1, (int)_rig.Api.Lease("ceph", "rbd.csi.ceph.com-ceph")!["spec"]!["leaseTransitions"]!);
        first.Dispose();
    }

    [Fact]
    public async Task A_generator_that_is_told_to_stop_gives_its_lease_back_and_ends_with_success()
    {
        using var process = await StartProcessAsync();
        Assert.NotEqual("", Holder());
        await ProcessOutput.OfAsync("kill", "-TERM", process.Id.ToString());
        await process.WaitForExitAsync(Token);
        Assert.Equal(0, process.ExitCode);
        Assert.Equal("", Holder());
    }

    [Fact]
    public async Task A_writer_killed_at_any_time_leaves_nothing_that_the_next_one_cannot_complete()
    {
        const int KillsOfASet = 5;
        List<MappedImage> images = [];
        List<MappedImage> set = [];
        for (var kill = 0; kill < Kills; kill++)
        {
            if (kill % KillsOfASet == 0)
            {
                set = [.. Enumerable.Range(0, 60).Select(_ => _rig.NewImage(_rig.Private))];
                await ImageEntries.PutAsync(_rig.Private, set);
                foreach (var image in set)
                    _rig.Api.Volumes.Put(_rig.Pv(image, GeneratorRig.PrivateCluster));
                images.AddRange(set);
            }
            var limit = 1 + (kill % KillsOfASet * 12);
            var process = ServerProcess.Start(_rig.Arguments("--workers", "1"));
            var log = process.StandardError.ReadToEndAsync(Token);
            // As soon as some are there, in the middle of the others.
            await Eventually.TrueAsync(async () => await CountObjectsAsync(set) >= limit, "some mappings are written");
            process.Kill();
            await process.WaitForExitAsync(Token);
            _ = await log;
            process.Dispose();
            // A dead leader's lease runs out by itself in production.
            _rig.Api.ForgetLeases();
        }
        await GeneratorRig.ReadyAsync(_rig.Start());
        foreach (var image in images)
            Assert.IsType<MappingPlan.UpToDate>(await image.PlanAsync());
        Assert.Empty(_rig.Api.Events);
    }

    [Fact]
    public async Task Readiness_and_metrics_are_served_and_tell_of_volumes_without_a_mapping()
    {
        var image = await WithImageAsync();
        _rig.Api.Volumes.Put(_rig.Pv(image));
        _rig.Api.Volumes.Put(_rig.Pv(_rig.NewImage()));
        var gate = new TaskCompletionSource();
        _rig.Api.Before = (_, path) => path.EndsWith("/persistentvolumes", StringComparison.Ordinal) ? gate.Task : Task.CompletedTask;
        var port = FreePort();
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
        using var process = await StartProcessAsync("--http-endpoint", $"http://127.0.0.1:{port}");
        await Eventually.TrueAsync(async () => await http.GetStringAsync("/healthz", Token) == "ok\n", "the process serves HTTP");
        Assert.Equal(System.Net.HttpStatusCode.ServiceUnavailable, (await http.GetAsync("/readyz", Token)).StatusCode);
        gate.SetResult();
        await Eventually.TrueAsync(async () => await http.GetStringAsync("/readyz", Token) == "ok\n", "the first pass is done");

        var metrics = (await http.GetStringAsync("/metrics", Token)).Split('\n');
        double Metric(params string[] parts) => double.Parse(
            Assert.Single(metrics, line => !line.StartsWith('#') && parts.All(part => line.Contains(part, StringComparison.Ordinal))).Split(' ')[1],
            System.Globalization.CultureInfo.InvariantCulture);
        Assert.Equal(1, Metric("rbd_replication_omap_generator_leader"));
        Assert.Equal(2, Metric("rbd_replication_omap_generator_volumes{"));
        Assert.Equal(1, Metric("rbd_replication_omap_generator_volumes_failing", "reason=\"ImageNotFound\""));
        Assert.Equal(1, Metric("rbd_replication_omap_generator_reconciles", "outcome=\"Mapped\""));
        Assert.Equal(0, Metric("rbd_replication_omap_generator_queue_depth"));
        process.Kill();
        await process.WaitForExitAsync(Token);
    }

    private static int FreePort()
    {
        using var socket = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        socket.Start();
        return ((System.Net.IPEndPoint)socket.LocalEndpoint).Port;
    }

    private static async Task<int> CountObjectsAsync(IEnumerable<MappedImage> images)
    {
        var found = await Task.WhenAll(images.Select(image => image.ReadObjectAsync()));
        return found.Count(entries => entries is not null);
    }

    private string? Holder() => (string?)_rig.Api.Lease("ceph", "rbd.csi.ceph.com-ceph")?["spec"]!["holderIdentity"];

    private async Task<System.Diagnostics.Process> StartProcessAsync(params string[] options)
    {
        var process = ServerProcess.Start(_rig.Arguments(options));
        process.ErrorDataReceived += (_, _) => { };
        process.BeginErrorReadLine();
        await Eventually.TrueAsync(() => Task.FromResult(Holder() is { Length: > 0 }), "the process leads");
        return process;
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
            Assert.All(await journal.PlanAsync([.. chunk.Select(image => image.Mapping)], Token), plan => Assert.IsType<MappingPlan.UpToDate>(plan));
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
