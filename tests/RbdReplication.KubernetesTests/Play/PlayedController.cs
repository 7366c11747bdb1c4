using System.Diagnostics;
using System.Text.Json.Nodes;
using Grpc.Core;
using RbdReplication.Csi.Protocol;
using RbdReplication.Kubernetes;
using RbdReplication.KubernetesTests.Clusters;
using GroupController = RbdReplication.Csi.Protocol.Groups.Controller;

namespace RbdReplication.KubernetesTests.Play;

/// <summary>
/// Plays the CSI-Addons controller with its sidecar for one cluster: keeps the VolumeReplications of its API server by the calls that
/// <see cref="Reconcile"/> makes, the VolumeGroupReplications and their contents by those of <see cref="GroupReconcile"/>, and the NetworkFences by those of
/// <see cref="FenceReconcile"/>, when the controller would make them.
/// </summary>
/// <param name="api">The cluster.</param>
/// <param name="replication">Our server's replication.</param>
/// <param name="pace">How long it waits, against the controller itself: 0.1 is a tenth of the time.</param>
/// <param name="log">Told of every call and what came of it.</param>
/// <param name="namespace">The only namespace that it looks at; null for all.</param>
/// <param name="channel">Our server, for groups and fences; null where it serves none, and VolumeGroupReplications and NetworkFences are nobody's then.</param>
public sealed class PlayedController(
    ApiServer api, Controller.ControllerClient replication, double pace, Action<string> log, string? @namespace = null, ChannelBase? channel = null) : IAsyncDisposable
{
    // The controller is told by a watch.
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(1000);

    private readonly Dictionary<string, Followed> _followed = [];
    private readonly CancellationTokenSource _stop = new();
    private Task _running = Task.CompletedTask;

    public PlayedController Start()
    {
        _running = RunAsync(_stop.Token);
        return this;
    }

    /// <summary>Plays until <paramref name="stop"/>. Failures of the API server and of ours are tried again.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                Follow(await SeenAsync());
            }
            catch (Exception e) when (IsApiFailure(e))
            {
                log($"{api.Name}: {e.Message}");
            }
            await Task.Delay(Pause, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        await Task.WhenAll(_followed.Values.Select(followed => followed.Reconciling));
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        _stop.Dispose();
    }

    private async Task<IReadOnlyList<Seen>> SeenAsync()
    {
        var replications = await ListAsync("volumereplications");
        // Only the specification counts, a deletion among it; what the controller itself writes does not call it.
        List<Seen> seen = [.. replications.Select(item => new Seen(item, Generation(item), log => new Reconcile(api, replication, log).RunAsync(Namespace(item), Name(item))))];
        if (channel is null)
            return seen;
        var groups = new GroupController.ControllerClient(channel);
        var fences = new FenceController.FenceControllerClient(channel);
        foreach (var fence in await api.ListAsync(FenceReconcile.Fences))
            seen.Add(new(fence, Generation(fence), log => OnceAsync(new FenceReconcile(api, fences, log).RunAsync(Name(fence)))));
        var contents = await api.ListAsync(GroupReconcile.Contents);
        foreach (var content in contents.Where(content => @namespace is null || (string?)content["spec"]!["volumeGroupReplicationRef"]?["namespace"] == @namespace))
            seen.Add(new(content, Generation(content), log => OnceAsync(new GroupReconcile(api, groups, replication, log).ContentAsync(Name(content)))));
        foreach (var group in await ListAsync("volumegroupreplications"))
        {
            // What it has made calls it as well, and so do the claims with its labels.
            var claims = await GroupReconcile.ClaimsOfAsync(api, Namespace(group), group);
            var own = replications.FirstOrDefault(item => Name(item) == (string?)group["spec"]!["volumeReplicationName"] && Namespace(item) == Namespace(group));
            var content = contents.FirstOrDefault(item => Name(item) == (string?)group["spec"]!["volumeGroupReplicationContentName"]);
            var version = $"{Generation(group)} {own?["status"]?.ToJsonString()} {content?["spec"]!.ToJsonString()} {string.Join(',', claims.Select(Name))}";
            seen.Add(new(group, version, log => OnceAsync(new GroupReconcile(api, groups, replication, log).RunAsync(Namespace(group), Name(group)))));
        }
        return seen;
    }

    private Task<IReadOnlyList<JsonObject>> ListAsync(string plural) =>
        api.ListAsync(@namespace is null ? $"{ApiServer.Replication}/{plural}" : $"{ApiServer.Replication}/namespaces/{@namespace}/{plural}");

    private static async Task<TimeSpan?> OnceAsync(Task reconciling)
    {
        await reconciling;
        return null;
    }

    private void Follow(IReadOnlyList<Seen> all)
    {
        var seen = all.ToDictionary(item => (string)item.Object["metadata"]!["uid"]!);
        foreach (var gone in _followed.Keys.Where(uid => !seen.ContainsKey(uid) && _followed[uid].Reconciling.IsCompleted).ToList())
            _followed.Remove(gone);
        foreach (var (uid, found) in seen)
        {
            if (!_followed.TryGetValue(uid, out var followed))
                _followed[uid] = followed = new Followed();
            if (followed.Reconciling.IsCompleted && (found.Version != followed.Version || followed.IsDue))
            {
                followed.Version = found.Version;
                followed.Reconciling = ReconcileAsync(followed, found);
            }
        }
    }

    private async Task ReconcileAsync(Followed followed, Seen seen)
    {
        var name = $"{api.Name}: {Namespace(seen.Object)}/{Name(seen.Object)}";
        try
        {
            var wait = await seen.ReconcileAsync(line => log($"{name}: {line}"));
            followed.Failures = 0;
            followed.WaitFor(wait * pace);
        }
        catch (Exception e) when (IsApiFailure(e) || e is ReconcileFailedException)
        {
            if (e is not ReconcileFailedException)
                log($"{name}: {e.Message}");
            var wait = FirstRetry * Math.Pow(2, Math.Min(followed.Failures++, 30));
            followed.WaitFor((wait < LongestRetry ? wait : LongestRetry) * pace);
        }
    }

    private static string Generation(JsonObject item) => item["metadata"]!["generation"]!.ToJsonString();

    private static string Name(JsonObject item) => (string)item["metadata"]!["name"]!;

    private static string Namespace(JsonObject item) => (string?)item["metadata"]!["namespace"] ?? "";

    private static bool IsApiFailure(Exception e) => e is KubernetesApiException or HttpRequestException or IOException;

    private sealed record Seen(JsonObject Object, string Version, Func<Action<string>, Task<TimeSpan?>> ReconcileAsync);

    private sealed class Followed
    {
        private long? _due;

        public string? Version { get; set; }

        public int Failures { get; set; }

        public Task Reconciling { get; set; } = Task.CompletedTask;

        public bool IsDue => _due is { } due && Stopwatch.GetTimestamp() >= due;

        /// <param name="time">Null when only a change is a reason to look again.</param>
        public void WaitFor(TimeSpan? time) =>
            _due = time is { } wait ? Stopwatch.GetTimestamp() + (long)(Math.Min(wait.TotalSeconds, 86_400) * Stopwatch.Frequency) : null;
    }
}
