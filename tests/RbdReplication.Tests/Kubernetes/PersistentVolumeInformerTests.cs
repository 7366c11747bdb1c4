using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using RbdReplication.Kubernetes;
using RbdReplication.Kubernetes.Informers;
using RbdReplication.Kubernetes.Volumes;
using VolumeChange = RbdReplication.Kubernetes.Informers.ObjectChange<RbdReplication.Kubernetes.Volumes.PersistentVolume>;

namespace RbdReplication.Tests.Kubernetes;

public sealed class PersistentVolumeInformerTests : IAsyncLifetime
{
    private readonly ApiServerStandIn _server = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly List<VolumeChange> _changes = [];
    private KubernetesApi _api = null!;
    private Informer<PersistentVolume> _informer = null!;
    private Task? _running;

    public async ValueTask InitializeAsync()
    {
        await _server.StartAsync();
        _api = _server.Connect();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        if (_running is not null)
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _running);
        _api.Dispose();
        await _server.DisposeAsync();
        _stop.Dispose();
    }

    [Fact]
    public async Task A_list_is_read_in_pages_and_completed_once_with_the_volumes_of_the_driver_only()
    {
        for (var i = 0; i < 23; i++)
            _server.Volumes.Put(PvObject.Json(i));
        _server.Volumes.Put(PvObject.Json(100, driver: "cephfs.csi.ceph.com"));
        _server.Volumes.Put(PvObject.Json(101, driver: null!));

        Start(pageSize: 10);
        await CompletedAsync(1);

        Assert.Equal(3, _server.Count("GET", "persistentvolumes?limit=10"));
        Assert.Equal(23, Listed().Count);
        Assert.Equal(23, Assert.IsType<VolumeChange.ListCompleted>(_changes[^1]).Count);
    }

    [Fact]
    public async Task A_volume_carries_what_its_mapping_needs()
    {
        var json = PvObject.Json(7);
        json["spec"]!["csi"]!["volumeAttributes"]!["journalPool"] = "journals";
        json["spec"]!["csi"]!["volumeAttributes"]!["encrypted"] = "true";
        json["spec"]!["csi"]!["volumeAttributes"]!["encryptionKMSID"] = "vault";
        json["spec"]!["csi"]!["volumeAttributes"]!["encryptionType"] = "file";
        _server.Volumes.Put(json);

        Start();
        await CompletedAsync(1);

        Assert.Equal(
            new PersistentVolume
            {
                Name = "pvc-000007",
                Uid = (string)json["metadata"]!["uid"]!,
                Driver = PvObject.Driver,
                VolumeHandle = $"0001-0009-rook-ceph-0000000000000002-{PvObject.Uuid(7)}",
                Claim = new ObjectName("apps", "data-7"),
                Secret = new ObjectName("ceph", "csi-rbd"),
                Pool = "replicapool",
                JournalPool = "journals",
                VolumeNamePrefix = "csi-vol-",
                Encrypted = "true",
                EncryptionKmsId = "vault",
                EncryptionType = "file",
            },
            Assert.Single(Listed()));
    }

    [Fact]
    public async Task Without_an_expand_secret_the_stage_secret_is_taken()
    {
        var json = PvObject.Json(1);
        json["spec"]!["csi"]!.AsObject().Remove("controllerExpandSecretRef");
        _server.Volumes.Put(json);

        Start();
        await CompletedAsync(1);

        Assert.Equal(new ObjectName("ceph", "csi-rbd-node"), Assert.Single(Listed()).Secret);
    }

    [Fact]
    public async Task Volumes_without_handle_claim_attributes_or_with_huge_annotations_do_not_stop_the_list()
    {
        var bare = new JsonObject
        {
            ["metadata"] = new JsonObject { ["name"] = "bare", ["deletionTimestamp"] = "2026-01-01T00:00:00Z" },
            ["spec"] = new JsonObject { ["csi"] = new JsonObject { ["driver"] = PvObject.Driver } },
        };
        var huge = PvObject.Json(2);
        huge["metadata"]!["annotations"]!["note"] = new string('x', 3_000_000);
        var fixedVolume = PvObject.Json(3);
        fixedVolume["spec"]!["csi"]!["volumeAttributes"]!["staticVolume"] = "true";
        _server.Volumes.Put(bare);
        _server.Volumes.Put(huge);
        _server.Volumes.Put(fixedVolume);
        _server.Volumes.Put(new JsonObject { ["metadata"] = new JsonObject { ["name"] = "nfs" }, ["spec"] = new JsonObject { ["nfs"] = new JsonObject() } });

        Start();
        await CompletedAsync(1);

        Assert.Equal(["bare", "pvc-000002", "pvc-000003"], Listed().Select(v => v.Name));
        Assert.True(Listed()[0].Deleting);
        Assert.Null(Listed()[0].VolumeHandle);
        Assert.Null(Listed()[0].Secret);
        Assert.True(Listed()[2].IsStatic);
    }

    [Fact]
    public async Task Changes_that_matter_are_reported_and_status_updates_are_not()
    {
        _server.Volumes.Put(PvObject.Json(1));
        Start();
        await WatchingAsync();

        var touched = PvObject.Json(1);
        touched["status"]!["phase"] = "Released";
        _server.Volumes.Put(touched);
        _server.Volumes.Put(PvObject.Json(1, @namespace: "other"));
        _server.Volumes.Put(PvObject.Json(2));
        _server.Volumes.Delete("pvc-000001");
        await Until.TrueAsync(() => Snapshot().OfType<VolumeChange.Deleted>().Any(), "the deletion is reported");

        var changes = Snapshot().SkipWhile(c => c is not VolumeChange.ListCompleted).Skip(1).ToList();
        Assert.Collection(
            changes,
            c => Assert.Equal("other", Assert.IsType<VolumeChange.Applied>(c).Item.Claim!.Namespace),
            c => Assert.Equal("pvc-000002", Assert.IsType<VolumeChange.Applied>(c).Item.Name),
            c => Assert.Equal(Listed()[0].Id, Assert.IsType<VolumeChange.Deleted>(c).Id));
    }

    [Fact]
    public async Task After_a_disconnect_in_mid_event_the_watch_resumes_and_nothing_is_lost_or_repeated()
    {
        Start();
        await WatchingAsync();
        _server.Volumes.Put(PvObject.Json(1));
        await Until.TrueAsync(() => Applied().Count == 1, "the first change");

        _server.Volumes.Send("""{"type":"ADDED","object":{"kind":"PersistentVolu""");
        _server.Volumes.EndWatches(abort: true);
        _server.Volumes.Put(PvObject.Json(2));
        await Until.TrueAsync(() => Applied().Count == 2, "the change made while disconnected");

        Assert.Equal(["pvc-000001", "pvc-000002"], Applied().Select(v => v.Name));
        Assert.Single(Snapshot().OfType<VolumeChange.ListCompleted>());
        Assert.Equal(0, _informer.BadEvents);
    }

    [Fact]
    public async Task A_bookmark_moves_the_version_a_watch_resumes_from()
    {
        Start();
        await WatchingAsync();
        _server.Volumes.SendBookmark();
        var bookmarked = _server.Volumes.Version;
        _server.Volumes.Put(PvObject.Json(1, driver: "another.example.com"));
        _server.Volumes.SendBookmark();
        var last = _server.Volumes.Version;
        Assert.True(last > bookmarked);
        _server.Volumes.EndWatches(abort: false);

        await Until.TrueAsync(() => _server.Count("GET", $"resourceVersion={last}&") > 0, "a watch from the bookmark's version");
        Assert.Single(Snapshot().OfType<VolumeChange.ListCompleted>());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_version_that_is_gone_leads_to_a_new_list_and_deletions_are_found(bool asStatus)
    {
        _server.Volumes.GoneAsStatus = asStatus;
        _server.Volumes.Put(PvObject.Json(1));
        _server.Volumes.Put(PvObject.Json(2));
        Start();
        await WatchingAsync();
        var gone = Listed()[0].Id;

        _server.Refuse = (_, _) => 503;
        _server.Volumes.EndWatches(abort: true);
        _server.Volumes.Delete("pvc-000001");
        _server.Volumes.Compact();
        _server.Refuse = (_, _) => null;
        await CompletedAsync(2);

        Assert.Equal(gone, Assert.Single(Snapshot().OfType<VolumeChange.Deleted>()).Id);
        Assert.Equal(1, Snapshot().OfType<VolumeChange.ListCompleted>().Last().Count);
    }

    [Fact]
    public async Task An_error_event_that_is_no_volume_leads_to_a_new_list()
    {
        Start();
        await WatchingAsync();
        _server.Volumes.Send("""{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"storage is (re)initializing","code":500}}""" + "\n");
        await CompletedAsync(2);
    }

    [Fact]
    public async Task A_line_that_is_not_json_is_passed_over_and_counted()
    {
        Start();
        await WatchingAsync();
        _server.Volumes.Send("not json\n");
        _server.Volumes.Send("null\n\r\n\n");
        _server.Volumes.Put(PvObject.Json(1));
        await Until.TrueAsync(() => Applied().Count == 1, "the change after the bad line");
        Assert.Equal(2, _informer.BadEvents);
    }

    [Fact]
    public async Task A_list_that_breaks_off_reports_no_deletions()
    {
        for (var i = 0; i < 20; i++)
            _server.Volumes.Put(PvObject.Json(i));
        Start(pageSize: 10);
        await WatchingAsync();

        var pages = 0;
        _server.Before = (_, _) =>
        {
            // The second page of the second list: its token has expired meanwhile.
            if (_server.Requests.Last().Contains("continue=", StringComparison.Ordinal) && Interlocked.Increment(ref pages) == 1)
                _server.Volumes.Compact();
            return Task.CompletedTask;
        };
        _server.Volumes.EndWatches(abort: true);
        _server.Volumes.Compact();
        await CompletedAsync(2);

        Assert.Equal(2, pages);
        Assert.Empty(Snapshot().OfType<VolumeChange.Deleted>());
    }

    [Fact]
    public async Task A_restart_of_the_api_server_is_survived_without_a_new_list()
    {
        Start();
        await WatchingAsync();
        await _server.StopAsync();
        _server.Volumes.Put(PvObject.Json(1));
        await Until.TrueAsync(() => _informer.Restarts > 3, "several attempts against nobody");
        await _server.StartAsync();
        await Until.TrueAsync(() => Applied().Count == 1, "the change made while the server was away");
        Assert.Single(Snapshot().OfType<VolumeChange.ListCompleted>());
    }

    [Fact]
    public async Task A_full_list_is_made_again_after_its_interval()
    {
        var time = new ManualTime();
        _server.Volumes.Put(PvObject.Json(1));
        Start(time: time);
        await WatchingAsync();
        time.Advance(TimeSpan.FromHours(1));
        await CompletedAsync(2);
        Assert.Equal(2, Listed().Count);
    }

    private void Start(int pageSize = 500, TimeProvider? time = null)
    {
        var options = new InformerOptions
        {
            PageSize = pageSize,
            FirstRetryDelay = TimeSpan.FromMilliseconds(1),
            LongestRetryDelay = TimeSpan.FromMilliseconds(20),
        };
        _informer = new Informer<PersistentVolume>(_api, new PersistentVolumeResource(PvObject.Driver), options, time ?? TimeProvider.System, NullLogger.Instance);
        _running = _informer.RunAsync(
            (change, _) =>
            {
                lock (_changes)
                    _changes.Add(change);
                return ValueTask.CompletedTask;
            },
            _stop.Token);
    }

    private List<VolumeChange> Snapshot()
    {
        lock (_changes)
            return [.. _changes];
    }

    private List<PersistentVolume> Listed() => [.. Snapshot().OfType<VolumeChange.Listed>().SelectMany(c => c.Items)];

    private List<PersistentVolume> Applied() => [.. Snapshot().OfType<VolumeChange.Applied>().Select(c => c.Item)];

    private Task CompletedAsync(int lists) =>
        Until.TrueAsync(() => Snapshot().OfType<VolumeChange.ListCompleted>().Count() >= lists, $"list {lists} is complete");

    private async Task WatchingAsync()
    {
        await CompletedAsync(1);
        await Until.TrueAsync(() => _server.Volumes.Watches == 1, "the watch is open");
    }
}
