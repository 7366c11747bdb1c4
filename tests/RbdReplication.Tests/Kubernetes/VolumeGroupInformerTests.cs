using Microsoft.Extensions.Logging;
using RbdReplication.Kubernetes;
using RbdReplication.Kubernetes.Groups;
using RbdReplication.Kubernetes.Informers;
using GroupChange = RbdReplication.Kubernetes.Informers.ObjectChange<RbdReplication.Kubernetes.Groups.VolumeGroupContent>;

namespace RbdReplication.Tests.Kubernetes;

/// <summary>VolumeGroupReplicationContents on the wire, and a cluster that does not have the kind.</summary>
public sealed class VolumeGroupInformerTests : IAsyncLifetime
{
    private const string Handle = "0001-0006-site-a-0000000000000002-0c23de1c-18fb-11eb-a903-0242ac110005";
    private const string Collection = "/volumegroupreplicationcontents";

    private readonly ApiServerStandIn _server = new() { HasGroupKind = true };
    private readonly ManualTime _time = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly List<GroupChange> _changes = [];
    private readonly LogRecord _log = new();
    private KubernetesApi _api = null!;
    private Informer<VolumeGroupContent> _informer = null!;
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
        _log.Dispose();
    }

    [Fact]
    public async Task A_content_carries_what_its_group_needs_and_those_of_other_drivers_are_passed_over()
    {
        var json = GroupObject.Json("vgrcontent-1", Handle, [PvObject.Uuid(1), PvObject.Uuid(2)]);
        json["spec"]!["volumeGroupAttributes"]!["journalPool"] = "journals";
        json["spec"]!["volumeGroupAttributes"]!["volumeNamePrefix"] = "mine-";
        _server.Groups.Put(json);
        _server.Groups.Put(GroupObject.Json("vgrcontent-2", Handle, [], driver: "cephfs.csi.ceph.com"));
        Start();
        await CompletedAsync(1);
        Assert.Equal(
            new VolumeGroupContent
            {
                Name = "vgrcontent-1",
                Uid = (string)json["metadata"]!["uid"]!,
                Driver = PvObject.Driver,
                Handle = Handle,
                ClassName = "rbd-groups",
                VolumeHandles = [PvObject.Uuid(1), PvObject.Uuid(2)],
                Attributes = new VolumeGroupAttributes { Pool = "replicapool", JournalPool = "journals", VolumeNamePrefix = "mine-" },
                Secret = new ObjectName("ceph", "csi-rbd"),
            },
            Assert.Single(Listed()));
    }

    [Fact]
    public async Task What_matters_is_reported_and_what_the_controller_writes_beside_it_is_not()
    {
        var json = GroupObject.Json("vgrcontent-1", Handle, ["a"]);
        _server.Groups.Put(json);
        Start();
        await WatchingAsync();
        json["status"]!["persistentVolumeRefList"]!.AsArray().Add("pvc-1");
        _server.Groups.Put(json);
        json["spec"]!["source"]!["volumeHandles"]!.AsArray().Add("b");
        _server.Groups.Put(json);
        json["metadata"]!["deletionTimestamp"] = "2026-11-23T12:00:00Z";
        _server.Groups.Put(json);
        _server.Groups.Delete("vgrcontent-1");
        await Until.TrueAsync(() => Snapshot().OfType<GroupChange.Deleted>().Any(), "the deletion is reported");
        Assert.Collection(
            Snapshot().SkipWhile(change => change is not GroupChange.ListCompleted).Skip(1),
            change => Assert.Equal(["a", "b"], Assert.IsType<GroupChange.Applied>(change).Item.VolumeHandles),
            change => Assert.True(Assert.IsType<GroupChange.Applied>(change).Item.Deleting),
            change => Assert.Equal(Listed()[0].Reference.Id, Assert.IsType<GroupChange.Deleted>(change).Id));
    }

    [Theory]
    [InlineData("volumeGroupAttributes", true, false)]
    [InlineData("annotations", false, true)]
    public async Task What_older_controllers_leave_out_is_taken_from_the_class(string missing, bool isAttributes, bool isSecret)
    {
        var json = GroupObject.Json("vgrcontent-1", Handle, ["a"]);
        json[isSecret ? "metadata" : "spec"]!.AsObject().Remove(missing);
        _server.Groups.Put(json);
        _server.PutGroupClass("rbd-groups", GroupObject.Parameters(pool: "of-the-class"));
        Start();
        await CompletedAsync(1);
        var content = Assert.Single(Listed());
        Assert.Equal((isAttributes, isSecret, true), (content.Attributes is null, content.Secret is null, content.NeedsClass));
        var groupClass = await new VolumeGroupClassReader(_api, _time).ReadAsync(content.ClassName!, _stop.Token);
        var complete = content.CompletedBy(groupClass!);
        Assert.Equal(isAttributes ? "of-the-class" : "replicapool", complete.Attributes!.Pool);
        Assert.Equal(new ObjectName("ceph", "csi-rbd"), complete.Secret);
        Assert.False(complete.NeedsClass);
        Assert.Null(await new VolumeGroupClassReader(_api, _time).ReadAsync("another", _stop.Token));
    }

    [Fact]
    public async Task A_cluster_without_the_kind_is_told_once_costs_one_request_in_five_minutes_and_is_followed_when_it_comes()
    {
        _server.HasGroupKind = false;
        Start();
        for (var list = 1; list <= 5; list++)
        {
            await CompletedAsync(list);
            Assert.Equal(list, Requests());
            _time.Advance(TimeSpan.FromMinutes(4));
            Assert.Equal(list, Requests());
            _time.Advance(TimeSpan.FromMinutes(1));
        }
        await CompletedAsync(6);
        Assert.Equal(0, _informer.Restarts);
        Assert.All(Snapshot(), change => Assert.Equal(0, Assert.IsType<GroupChange.ListCompleted>(change).Count));
        Assert.Equal("The API server has no VolumeGroupReplicationContents, so nothing is done about them; looking again every 5 min", Assert.Single(_log.Lines));

        _server.HasGroupKind = true;
        _server.Groups.Put(GroupObject.Json("vgrcontent-1", Handle, ["a"]));
        _time.Advance(TimeSpan.FromMinutes(5));
        await WatchingAsync();
        Assert.Single(Listed());
    }

    [Fact]
    public async Task Objects_whose_kind_is_removed_are_gone()
    {
        _server.Groups.Put(GroupObject.Json("vgrcontent-1", Handle, ["a"]));
        Start();
        await WatchingAsync();
        _server.HasGroupKind = false;
        _server.Groups.EndWatches(abort: true);
        await Until.TrueAsync(() => Advance(TimeSpan.FromSeconds(1)) && Snapshot().OfType<GroupChange.Deleted>().Any(), "the object is gone");
        Assert.Equal(0, Snapshot().OfType<GroupChange.ListCompleted>().Last().Count);
    }

    [Fact]
    public async Task A_role_without_the_kind_is_warned_of_every_five_minutes_and_holds_nothing_up()
    {
        _server.Refuse = (_, path) => path.EndsWith(Collection, StringComparison.Ordinal) ? 403 : null;
        Start();
        await CompletedAsync(1);
        _time.Advance(TimeSpan.FromMinutes(5));
        await CompletedAsync(2);
        Assert.Equal(2, _log.Lines.Count());
        Assert.All(_log.Lines, line => Assert.Equal("Listing VolumeGroupReplicationContents failed, will try again: refused by the test", line));
    }

    [Fact]
    public async Task A_role_that_may_list_the_kind_and_not_watch_it_is_warned_of_with_each_list_and_there_is_one_in_five_minutes()
    {
        _server.Groups.Put(GroupObject.Json("vgrcontent-1", Handle, ["a"]));
        var requests = 0;
        _server.Refuse = (_, path) => path.EndsWith(Collection, StringComparison.Ordinal) && requests++ % 2 == 1 ? 403 : null;
        Start();
        await CompletedAsync(1);
        await Until.TrueAsync(() => _log.Lines.Any(line => line == "The API server ended the watch with error 403, listing again: refused by the test"), "the watch is warned of");
        _time.Advance(TimeSpan.FromMinutes(4));
        Assert.Equal(2, Requests());
        await Until.TrueAsync(() => Advance(TimeSpan.FromSeconds(10)) && Requests() == 4, "it is listed again");
        Assert.DoesNotContain(Snapshot(), change => change is GroupChange.Deleted);
    }

    private bool Advance(TimeSpan by)
    {
        _time.Advance(by);
        return true;
    }

    private int Requests() => _server.Count("GET", Collection);

    private void Start()
    {
        _informer = new Informer<VolumeGroupContent>(_api, new VolumeGroupContentResource(PvObject.Driver), new InformerOptions(), _time, _log);
        _running = _informer.RunAsync(
            (change, _) =>
            {
                lock (_changes)
                    _changes.Add(change);
                return ValueTask.CompletedTask;
            },
            _stop.Token);
    }

    private List<GroupChange> Snapshot()
    {
        lock (_changes)
            return [.. _changes];
    }

    private List<VolumeGroupContent> Listed() => [.. Snapshot().OfType<GroupChange.Listed>().SelectMany(change => change.Items)];

    private async Task CompletedAsync(int lists)
    {
        await Until.TrueAsync(() => Snapshot().OfType<GroupChange.ListCompleted>().Count() >= lists, $"list {lists} is complete");
        // What comes after it, a watch or a wait, has begun.
        await Until.TrueAsync(() => _server.Groups.Watches == 1 || _time.TimersWithin(TimeSpan.FromMinutes(5)) > 0, "the informer goes on");
    }

    private async Task WatchingAsync()
    {
        await CompletedAsync(1);
        await Until.TrueAsync(() => _server.Groups.Watches == 1, "the watch is open");
    }

    private sealed class LogRecord : ILogger, IDisposable
    {
        private readonly List<string> _lines = [];

        public IEnumerable<string> Lines
        {
            get
            {
                lock (_lines)
                    return [.. _lines];
            }
        }

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (_lines)
                _lines.Add(formatter(state, exception));
        }

        public bool IsEnabled(LogLevel logLevel) => true;

        public IDisposable BeginScope<TState>(TState state) where TState : notnull => this;

        public void Dispose()
        {
        }
    }
}
