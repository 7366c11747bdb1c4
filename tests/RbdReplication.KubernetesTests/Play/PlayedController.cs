using System.Diagnostics;
using System.Text.Json.Nodes;
using RbdReplication.Csi.Protocol;
using RbdReplication.Kubernetes;
using RbdReplication.KubernetesTests.Clusters;

namespace RbdReplication.KubernetesTests.Play;

/// <summary>
/// Plays the CSI-Addons controller with its sidecar for one cluster: keeps the VolumeReplications of its API server by the calls that
/// <see cref="Reconcile"/> makes, when the controller would make them.
/// </summary>
/// <param name="api">The cluster.</param>
/// <param name="replication">Our server.</param>
/// <param name="pace">How long it waits, against the controller itself: 0.1 is a tenth of the time.</param>
/// <param name="log">Told of every call and what came of it.</param>
/// <param name="namespace">The only namespace that it looks at; null for all.</param>
public sealed class PlayedController(
    ApiServer api, Controller.ControllerClient replication, double pace, Action<string> log, string? @namespace = null) : IAsyncDisposable
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
                Follow(await api.ListAsync(@namespace is null ? $"{ApiServer.Replication}/volumereplications" : ApiServer.Replications(@namespace)));
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

    private void Follow(IReadOnlyList<JsonObject> replications)
    {
        var seen = replications.ToDictionary(r => (string)r["metadata"]!["uid"]!);
        foreach (var gone in _followed.Keys.Where(uid => !seen.ContainsKey(uid) && _followed[uid].Reconciling.IsCompleted).ToList())
            _followed.Remove(gone);
        foreach (var (uid, found) in seen)
        {
            if (!_followed.TryGetValue(uid, out var followed))
                _followed[uid] = followed = new Followed();
            // Only the specification counts, a deletion among it; what the controller itself writes does not call it.
            var generation = (long)found["metadata"]!["generation"]!;
            if (followed.Reconciling.IsCompleted && (generation != followed.Generation || followed.IsDue))
            {
                followed.Generation = generation;
                followed.Reconciling = ReconcileAsync(followed, (string)found["metadata"]!["namespace"]!, (string)found["metadata"]!["name"]!);
            }
        }
    }

    private async Task ReconcileAsync(Followed followed, string claims, string name)
    {
        try
        {
            var wait = await new Reconcile(api, replication, line => log($"{api.Name}: {claims}/{name}: {line}")).RunAsync(claims, name);
            followed.Failures = 0;
            followed.WaitFor(wait * pace);
        }
        catch (Exception e) when (IsApiFailure(e) || e is ReconcileFailedException)
        {
            if (e is not ReconcileFailedException)
                log($"{api.Name}: {claims}/{name}: {e.Message}");
            var wait = FirstRetry * Math.Pow(2, Math.Min(followed.Failures++, 30));
            followed.WaitFor((wait < LongestRetry ? wait : LongestRetry) * pace);
        }
    }

    private static bool IsApiFailure(Exception e) => e is KubernetesApiException or HttpRequestException or IOException;

    private sealed class Followed
    {
        private long? _due;

        public long Generation { get; set; }

        public int Failures { get; set; }

        public Task Reconciling { get; set; } = Task.CompletedTask;

        public bool IsDue => _due is { } due && Stopwatch.GetTimestamp() >= due;

        /// <param name="time">Null when only a change is a reason to look again.</param>
        public void WaitFor(TimeSpan? time) =>
            _due = time is { } wait ? Stopwatch.GetTimestamp() + (long)(Math.Min(wait.TotalSeconds, 86_400) * Stopwatch.Frequency) : null;
    }
}
