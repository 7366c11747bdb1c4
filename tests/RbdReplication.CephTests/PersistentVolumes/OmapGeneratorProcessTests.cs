using System.Globalization;
using System.Text.Json.Nodes;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;
using RbdReplication.Tests.Kubernetes;

namespace RbdReplication.CephTests.PersistentVolumes;

/// <summary>What only shows on a generator that is a process of its own: that it is killed, its log, its HTTP endpoint.</summary>
public sealed class OmapGeneratorProcessTests(TwoSites sites) : IAsyncLifetime
{
    // Killed so often, a set of volumes has been begun at every part of it.
    private const int KillsOfASet = 5;

    /// <summary>How often a writer is killed; <c>KILL_ROUNDS</c> changes it.</summary>
    private static readonly int Kills = int.Parse(Environment.GetEnvironmentVariable("KILL_ROUNDS") ?? "5", CultureInfo.InvariantCulture);

    private GeneratorRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await GeneratorRig.StartAsync(sites.B);

    public async ValueTask DisposeAsync() => await _rig.DisposeAsync();

    [Fact]
    public async Task Of_two_generators_one_works_and_the_other_takes_over_when_it_is_killed()
    {
        using var first = await StartAsync();
        var image = await WithImageAsync();
        _rig.Api.Volumes.Put(_rig.Pv(image));
        await GeneratorRig.MappedAsync(image);
        var second = _rig.Start();
        await Eventually.TrueAsync(() => Task.FromResult(second.Readiness is { IsReady: true, State: "standby" }), "the second stands by");
        var holder = Holder();

        await first.KillAsync();
        var next = await WithImageAsync();
        _rig.Api.Volumes.Put(_rig.Pv(next));
        await GeneratorRig.MappedAsync(next);
        await next.AssertCompleteAsync();
        Assert.NotEqual(holder, Holder());
        Assert.Equal(1, (int)_rig.Api.Lease("ceph", "rbd.csi.ceph.com-ceph")!["spec"]!["leaseTransitions"]!);
    }

    [Fact]
    public async Task A_generator_that_is_told_to_stop_gives_its_lease_back_and_ends_with_success()
    {
        using var process = await StartAsync();
        Assert.NotEqual("", Holder());
        Assert.Equal(0, await process.TerminateAsync());
        Assert.Equal("", Holder());
    }

    [Fact]
    public async Task A_writer_killed_at_any_time_leaves_nothing_that_the_next_one_cannot_complete()
    {
        List<MappedImage> images = [];
        List<MappedImage> set = [];
        for (var kill = 0; kill < Kills; kill++)
        {
            if (kill % KillsOfASet == 0)
            {
                // Several batches, which one worker writes one after the other.
                set = [.. Enumerable.Range(0, 1000).Select(_ => _rig.NewImage(_rig.Private))];
                await ImageEntries.PutAsync(_rig.Private, set);
                foreach (var image in set)
                    _rig.Api.Volumes.Put(_rig.Pv(image, GeneratorRig.PrivateCluster));
                images.AddRange(set);
            }
            var limit = 1 + (kill % KillsOfASet * 1000 / KillsOfASet);
            using var process = new GeneratorProcess(_rig.Arguments("--workers", "1"));
            // As soon as some are there, in the middle of the others.
            await Eventually.TrueAsync(async () => await CountObjectsAsync(set) >= limit, "some mappings are written");
            await process.KillAsync();
            // A dead leader's lease runs out by itself in production.
            _rig.Api.ForgetLeases();
        }
        await GeneratorRig.ReadyAsync(_rig.Start());
        foreach (var image in images)
            Assert.IsType<ReservationPlan.UpToDate>(await image.PlanAsync());
        Assert.Empty(_rig.Api.Events);
    }

    [Fact]
    public async Task A_writer_killed_between_the_object_and_the_directory_entry_leaves_what_the_next_one_completes()
    {
        // A pool that is full by its quota takes no write: the directory entry is missing until there is room.
        var pool = "journal-" + Guid.NewGuid().ToString("N");
        await sites.B.CephAsync("osd", "pool", "create", pool, "1");
        await using var journalPool = await sites.B.Cluster.OpenPoolAsync(pool, "", CancellationToken.None);
        await journalPool.WriteAsync("filler", new ObjectWrite().Create(exclusive: false), CancellationToken.None);
        await sites.B.CephAsync("osd", "pool", "set-quota", pool, "max_objects", "1");
        await Eventually.TrueAsync(() => IsFullAsync(pool), "the journal's pool is full");
        var image = await WithImageAsync();
        var pv = _rig.Pv(image);
        pv["spec"]!["csi"]!["volumeAttributes"]!["journalPool"] = pool;
        _rig.Api.Volumes.Put(pv);

        using (var process = new GeneratorProcess(_rig.Arguments()))
        {
            await Eventually.TrueAsync(async () => await image.ReadObjectAsync() is not null, "the object is written");
            await process.KillAsync();
        }
        Assert.Null(await journalPool.ReadOmapAsync(image.Directory, [image.DirectoryKey], CancellationToken.None));
        await sites.B.CephAsync("osd", "pool", "set-quota", pool, "max_objects", "0");
        await Eventually.TrueAsync(async () => !await IsFullAsync(pool), "there is room");
        _rig.Api.ForgetLeases();

        await GeneratorRig.ReadyAsync(_rig.Start());
        var entries = await Eventually.GetAsync(
            async () => await journalPool.ReadOmapAsync(image.Directory, [image.DirectoryKey], CancellationToken.None), "the directory entry is written");
        Assert.Equal($"{sites.B.Pool.Id:x16}/{image.Reservation.Uuid}", entries[image.DirectoryKey]);
        Assert.Equal(image.ImageId, (await image.ReadObjectAsync())!["csi.imageid"]);
        Assert.Equal(JournalKeys.PoolText(journalPool.Id), (await image.ReadObjectAsync())!["csi.journalpool"]);
    }

    private async Task<bool> IsFullAsync(string pool) => (await sites.B.CephAsync("osd", "pool", "ls", "detail")).Split('\n')
        .Any(line => line.Contains(pool, StringComparison.Ordinal) && line.Contains("full_quota", StringComparison.Ordinal));

    [Fact]
    public async Task Readiness_and_metrics_are_served_and_tell_of_volumes_without_a_mapping()
    {
        var image = await WithImageAsync();
        _rig.Api.Volumes.Put(_rig.Pv(image));
        _rig.Api.Volumes.Put(_rig.Pv(_rig.NewImage()));
        var gate = new TaskCompletionSource();
        _rig.Api.Before = (_, path) => path.EndsWith("/persistentvolumes", StringComparison.Ordinal) ? gate.Task : Task.CompletedTask;
        using var process = await StartAsync();
        await Eventually.TrueAsync(async () => await process.GetAsync("/healthz") == "ok\n", "the process serves HTTP");
        Assert.Equal(System.Net.HttpStatusCode.ServiceUnavailable, await process.StatusAsync("/readyz"));
        gate.SetResult();
        await process.ReadyAsync();

        var metrics = await process.ScrapeAsync();
        Assert.Equal(1, metrics.Value("rbd_replication_omap_generator_leader"));
        Assert.Equal(2, metrics.Value("rbd_replication_omap_generator_volumes"));
        Assert.Equal(1, metrics.Value("rbd_replication_omap_generator_volumes_failing", ("reason", "ImageNotFound")));
        Assert.Equal(1, metrics.Value("rbd_replication_omap_generator_reconciles_total", ("outcome", "Mapped")));
        Assert.Equal(0, metrics.Value("rbd_replication_omap_generator_queue_depth"));
    }

    [Fact]
    public async Task Broken_volumes_are_reported_each_once_by_event_metric_and_log_and_stop_no_other()
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
            (_rig.NewImage(), "SecretNotFound", pv => pv["spec"]!["csi"]!["controllerExpandSecretRef"]!["name"] = "empty"),
            (_rig.NewImage(), "ImageNotFound", _ => { }),
        ];
        _rig.Api.PutSecret("ceph", "empty");
        // Its Secret is read only when something is to be written.
        await broken[^2].Image.CreateImageAsync();
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

        using var process = await StartAsync();
        await process.ReadyAsync();
        await good.AssertCompleteAsync();
        foreach (var (image, reason, _) in broken)
            await _rig.EventAsync(image, reason);

        // Told once, also when all volumes are listed again.
        _rig.Api.Volumes.Compact();
        _rig.Api.Volumes.EndWatches(abort: true);
        await Eventually.TrueAsync(() => Task.FromResult(_rig.Api.Count("GET", "watch=1") > 2), "the watch begins again");
        var metrics = await process.ScrapeAsync();
        foreach (var (reason, count) in broken.CountBy(b => b.Reason))
            Assert.Equal(count, metrics.Value("rbd_replication_omap_generator_volumes_failing", ("reason", reason)));
        foreach (var (image, reason, _) in broken)
        {
            Assert.Equal(reason, (string?)Assert.Single(_rig.EventsOf(image))["reason"]);
            Assert.Single(process.Log, line => line.Contains(image.Reservation.RequestName, StringComparison.Ordinal));
        }
        var later = await WithImageAsync();
        _rig.Api.Volumes.Put(_rig.Pv(later));
        await GeneratorRig.MappedAsync(later);
    }

    private static async Task<int> CountObjectsAsync(IEnumerable<MappedImage> images)
    {
        var found = await Task.WhenAll(images.Select(image => image.ReadObjectAsync()));
        return found.Count(entries => entries is not null);
    }

    private string? Holder() => (string?)_rig.Api.Lease("ceph", "rbd.csi.ceph.com-ceph")?["spec"]!["holderIdentity"];

    private async Task<GeneratorProcess> StartAsync()
    {
        var process = new GeneratorProcess(_rig.Arguments());
        await Eventually.TrueAsync(() => Task.FromResult(Holder() is { Length: > 0 }), "the process leads");
        return process;
    }

    private async Task<MappedImage> WithImageAsync()
    {
        var image = _rig.NewImage();
        await image.CreateImageAsync();
        return image;
    }
}
