using System.Text.Json.Nodes;
using RbdReplication.Kubernetes;
using RbdReplication.KubernetesTests.Clusters;

namespace RbdReplication.KubernetesTests.Dr;

/// <summary>
/// Writes the status of the VolumeReplications of a namespace as the CSI-Addons controller does when all calls succeed at once: for tests of what
/// the procedures do with the objects. With real calls it is <see cref="Play.PlayedController"/>.
/// </summary>
internal sealed class QuickController : IAsyncDisposable
{
    private const string Finalizer = "replication.storage.openshift.io";

    private readonly ApiServer _api;
    private readonly string _collection;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _running;

    public QuickController(ApiServer api, string nameSpace)
    {
        _api = api;
        _collection = ApiServer.Replications(nameSpace);
        _running = RunAsync();
    }

    /// <summary>A role that is asked for in vain; null for none.</summary>
    public string? Withheld { get; set; }

    /// <summary>What it says of that.</summary>
    public string Message { get; set; } = "";

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                foreach (var found in await _api.ListAsync(_collection))
                    await KeepAsync(found);
            }
            // Changed meanwhile, or the server is restarted.
            catch (Exception e) when (e is KubernetesApiException or HttpRequestException or IOException)
            {
            }
            await Task.Delay(50, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task KeepAsync(JsonObject found)
    {
        var path = $"{_collection}/{found["metadata"]!["name"]}";
        var wanted = (string)found["spec"]!["replicationState"]!;
        if (found["metadata"]!["deletionTimestamp"] is not null)
        {
            await _api.MergeAsync(path, new JsonObject { ["metadata"] = new JsonObject { ["finalizers"] = new JsonArray() } });
            return;
        }
        if (found["metadata"]!["finalizers"] is not JsonArray { Count: > 0 })
            found = await _api.MergeAsync(path, new JsonObject { ["metadata"] = new JsonObject { ["finalizers"] = new JsonArray(Finalizer) } });
        var status = found["status"] as JsonObject ?? [];
        status["observedGeneration"] = (long)found["metadata"]!["generation"]!;
        if (wanted == Withheld)
        {
            status["message"] = Message;
        }
        else
        {
            status["state"] = wanted == "primary" ? "Primary" : "Secondary";
            status["message"] = $"volume is marked {wanted}";
        }
        if ((string?)status["state"] == "Primary")
            status["lastSyncTime"] = DateTime.UtcNow.ToString("yyyy-MM-ddTHH:mm:ssZ");
        found["status"] = status.DeepClone();
        await _api.ReplaceAsync(path + "/status", found);
    }
}
