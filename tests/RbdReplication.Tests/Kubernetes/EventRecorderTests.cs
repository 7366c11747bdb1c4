using Microsoft.Extensions.Logging.Abstractions;
using RbdReplication.Kubernetes;
using RbdReplication.Kubernetes.Events;
using RbdReplication.Kubernetes.Volumes;

namespace RbdReplication.Tests.Kubernetes;

public sealed class EventRecorderTests : IAsyncLifetime
{
    private static readonly PersistentVolume Pv = new() { Name = "pvc-1", Uid = "11111111-2222-3333-4444-555555555555", Driver = PvObject.Driver };
    private readonly ApiServerStandIn _server = new();
    private readonly ManualTime _time = new();
    private readonly CancellationTokenSource _stop = new();
    private KubernetesApi _api = null!;
    private EventRecorder _events = null!;
    private Task _running = null!;

    public async ValueTask InitializeAsync()
    {
        await _server.StartAsync();
        _api = _server.Connect();
        _events = new EventRecorder(_api, "rbd-replication", _time, NullLogger<EventRecorder>.Instance);
        _running = _events.RunAsync(_stop.Token);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _running);
        _api.Dispose();
        await _server.DisposeAsync();
        _stop.Dispose();
    }

    [Fact]
    public async Task An_event_names_the_volume_and_lies_in_the_default_namespace()
    {
        _events.Warning(Pv.Reference, "ImageNotFound", "image replicapool/csi-vol-1 does not exist yet");
        await WrittenAsync(1);

        var written = Assert.Single(_server.Events);
        Assert.Contains(_server.Requests, r => r.StartsWith("POST /api/v1/namespaces/default/events", StringComparison.Ordinal));
        Assert.Equal("PersistentVolume", (string?)written["involvedObject"]!["kind"]);
        Assert.Equal("pvc-1", (string?)written["involvedObject"]!["name"]);
        Assert.Equal(Pv.Uid, (string?)written["involvedObject"]!["uid"]);
        Assert.Equal("Warning", (string?)written["type"]);
        Assert.Equal("ImageNotFound", (string?)written["reason"]);
        Assert.Equal("rbd-replication", (string?)written["source"]!["component"]);
        Assert.Equal(1, (int)written["count"]!);
    }

    [Fact]
    public async Task A_thousand_repetitions_are_one_event_whose_count_is_raised_later()
    {
        for (var i = 0; i < 1000; i++)
            _events.Warning(Pv.Reference, "ImageNotFound", "not yet");
        await WrittenAsync(1);
        Assert.Single(_server.Requests);

        _time.Advance(EventRecorder.RepeatInterval);
        _events.Warning(Pv.Reference, "ImageNotFound", "not yet");
        await WrittenAsync(2);
        Assert.Equal(1001, (int)Assert.Single(_server.Events)["count"]!);
        Assert.Equal(1, _server.Count("PATCH", "/events/pvc-1."));
    }

    [Fact]
    public async Task A_new_message_for_the_same_reason_updates_the_event_at_once()
    {
        _events.Warning(Pv.Reference, "Failed", "first \"quoted\"");
        await WrittenAsync(1);
        _events.Warning(Pv.Reference, "Failed", "second \"quoted\"\n");
        await WrittenAsync(2);
        Assert.Equal("second \"quoted\"\n", (string?)Assert.Single(_server.Events)["message"]);
    }

    [Fact]
    public async Task Other_reasons_and_other_volumes_have_their_own_events()
    {
        _events.Warning(Pv.Reference, "ImageNotFound", "not yet");
        _events.Normal(Pv.Reference, "Mapped", "found");
        _events.Warning(Pv.Reference with { Name = "pvc-2", Uid = Guid.NewGuid().ToString() }, "ImageNotFound", "not yet");
        await WrittenAsync(3);
        Assert.Equal(3, _server.Events.Count());
        Assert.Single(_server.Events, e => (string?)e["type"] == "Normal");
    }

    [Fact]
    public async Task An_event_the_server_has_forgotten_is_written_again()
    {
        _events.Warning(Pv.Reference, "Failed", "one");
        await WrittenAsync(1);
        _server.Refuse = (method, _) => method == "PATCH" ? 404 : null;
        var first = (string?)Assert.Single(_server.Events)["metadata"]!["name"];
        _server.ForgetEvents();
        _events.Warning(Pv.Reference, "Failed", "two");
        await WrittenAsync(2);
        Assert.Equal(first, (string?)Assert.Single(_server.Events)["metadata"]!["name"]);
    }

    [Fact]
    public async Task A_refused_event_is_counted_and_does_not_stop_the_next()
    {
        _server.Refuse = (_, _) => 403;
        _events.Warning(Pv.Reference, "Failed", "one");
        await Until.TrueAsync(() => _events.Dropped == 1, "the event is dropped");
        _server.Refuse = (_, _) => null;
        _events.Warning(Pv.Reference, "Other", "two");
        await WrittenAsync(1);
    }

    [Fact]
    public async Task Events_that_come_faster_than_they_are_taken_are_dropped_without_a_wait_and_written_when_they_are_recorded_again()
    {
        var gate = new TaskCompletionSource();
        _server.Before = (_, _) => gate.Task;
        var volumes = Enumerable.Range(0, 3000).Select(_ => Pv with { Uid = Guid.NewGuid().ToString() }).ToList();
        foreach (var volume in volumes)
            _events.Warning(volume.Reference, "Failed", "x");
        Assert.InRange(_events.Dropped, 1, 2000);
        gate.SetResult();
        await Until.TrueAsync(() => _events.Written + _events.Dropped == volumes.Count, "the rest is written");
        Assert.Equal(_events.Written, _server.Events.Count());

        await Until.TrueAsync(
            () =>
            {
                foreach (var volume in volumes)
                    _events.Warning(volume.Reference, "Failed", "x");
                return _server.Events.Count() == volumes.Count;
            },
            "what was dropped is written too");
        Assert.Equal(volumes.Count, _server.Count("POST", "/events"));
    }

    [Fact]
    public async Task A_huge_message_is_cut_to_what_the_server_takes()
    {
        _events.Warning(Pv.Reference, "Failed", new string('x', 100_000));
        await WrittenAsync(1);
        Assert.Equal(1024, ((string)Assert.Single(_server.Events)["message"]!).Length);
    }

    private Task WrittenAsync(int count) => Until.TrueAsync(() => _events.Written == count, $"{count} events are written");
}
