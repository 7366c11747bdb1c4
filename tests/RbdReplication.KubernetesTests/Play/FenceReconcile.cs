using System.Text.Json.Nodes;
using Grpc.Core;
using RbdReplication.Csi.Protocol;
using RbdReplication.KubernetesTests.Clusters;

namespace RbdReplication.KubernetesTests.Play;

/// <summary>One look of the controller at one NetworkFence, and the call that it makes for it. Deleting one lets nobody in again.</summary>
/// <param name="api">The cluster.</param>
/// <param name="fences">Our server's fences.</param>
/// <param name="log">Told of every call.</param>
internal sealed class FenceReconcile(ApiServer api, FenceController.FenceControllerClient fences, Action<string> log)
{
    public const string Fences = "apis/csiaddons.openshift.io/v1alpha1/networkfences";

    private const string Finalizer = "csiaddons.openshift.io/network-fence";

    /// <exception cref="ReconcileFailedException">It is to be tried again.</exception>
    public async Task RunAsync(string name)
    {
        var path = $"{Fences}/{name}";
        if (await api.FindAsync(path) is not { } fence)
            return;
        if (fence["metadata"]!["deletionTimestamp"] is not null)
        {
            await api.MergeAsync(path, new JsonObject { ["metadata"] = new JsonObject { ["finalizers"] = Reconcile.Names(Reconcile.Finalizers(fence).Where(finalizer => finalizer != Finalizer)) } });
            return;
        }
        if (!Reconcile.Finalizers(fence).Contains(Finalizer))
            fence = await api.MergeAsync(path, new JsonObject { ["metadata"] = new JsonObject { ["finalizers"] = Reconcile.Names(Reconcile.Finalizers(fence).Append(Finalizer)) } });
        try
        {
            await CallAsync(fence["spec"]!.AsObject());
        }
        catch (RpcException e)
        {
            log($"Fence: {e.StatusCode}: {e.Status.Detail}");
            await StoreAsync(path, fence, "Failed", e.Status.Detail);
            throw new ReconcileFailedException(e.Status.Detail);
        }
        await StoreAsync(path, fence, "Succeeded", "the operation was successful");
    }

    private async Task CallAsync(JsonObject spec)
    {
        var secret = spec["secret"]!;
        var secrets = await Reconcile.SecretsAsync(api, (string?)secret["namespace"], (string?)secret["name"]) ?? throw new ReconcileFailedException($"secret {secret["name"]} not found");
        var parameters = spec["parameters"]!.AsObject().ToDictionary(pair => pair.Key, pair => (string)pair.Value!);
        var blocks = spec["cidrs"]!.AsArray().Select(block => new CIDR { Cidr = (string)block! });
        var isFenced = (string?)spec["fenceState"] == "Fenced";
        if (isFenced)
            await fences.FenceClusterNetworkAsync(new() { Parameters = { parameters }, Secrets = { secrets }, Cidrs = { blocks } }, Reconcile.Options());
        else
            await fences.UnfenceClusterNetworkAsync(new() { Parameters = { parameters }, Secrets = { secrets }, Cidrs = { blocks } }, Reconcile.Options());
        log(isFenced ? "Fence: OK" : "Unfence: OK");
    }

    private Task<JsonObject> StoreAsync(string path, JsonObject fence, string result, string message)
    {
        fence["status"] = new JsonObject { ["result"] = result, ["message"] = message };
        return api.ReplaceAsync(path + "/status", fence);
    }
}
