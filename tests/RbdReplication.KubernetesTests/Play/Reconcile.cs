using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Google.Protobuf.Collections;
using Grpc.Core;
using RbdReplication.Csi.Protocol;
using RbdReplication.KubernetesTests.Clusters;

namespace RbdReplication.KubernetesTests.Play;

/// <summary>One look of the controller at one VolumeReplication: the calls that it makes, in its order, and the status that it writes.</summary>
/// <param name="api">The cluster.</param>
/// <param name="replication">Our server, which its sidecar would call.</param>
/// <param name="log">Told of every call.</param>
internal sealed class Reconcile(ApiServer api, Controller.ControllerClient replication, Action<string> log)
{
    private const string Prefix = "replication.storage.openshift.io/";
    private const string Finalizer = "replication.storage.openshift.io";
    private const string ClaimFinalizer = "replication.storage.openshift.io/pvc-protection";
    private const string OwnerAnnotation = "replication.storage.openshift.io/volume-replication-name";

    private static readonly TimeSpan CallLimit = TimeSpan.FromMinutes(3);
    private static readonly TimeSpan AfterDemotion = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan WhileResyncing = TimeSpan.FromSeconds(30);

    private JsonObject _object = null!;
    private ReplicationStatus _status = null!;
    private string _path = "";
    private JsonObject _parameters = null!;
    private MapField<string, string> _secrets = null!;
    private ReplicationSource _source = null!;

    private string Desired => (string)_object["spec"]!["replicationState"]!;

    /// <returns>When to look again though nothing has changed; null for never.</returns>
    /// <exception cref="ReconcileFailedException">It is to be tried again.</exception>
    public async Task<TimeSpan?> RunAsync(string @namespace, string name)
    {
        _path = $"{ApiServer.Replications(@namespace)}/{name}";
        if (await api.FindAsync(_path) is not { } found)
            return null;
        Take(found);
        await ReadClassAsync();
        var claim = IsOfGroup ? null : await ReadClaimAsync(@namespace);
        if (IsOfGroup)
            await ReadGroupAsync(@namespace);
        if (_object["metadata"]!["deletionTimestamp"] is not null)
        {
            await EndAsync(claim);
            return null;
        }
        await OwnAsync(claim, @namespace, name);
        _status.Started();
        return Desired switch
        {
            "primary" => await PrimaryAsync(),
            "secondary" => await SecondaryAsync(),
            _ => await ResyncAsync(force: true, "volume is marked for resyncing"),
        };
    }

    private void Take(JsonObject replicationObject)
    {
        _object = replicationObject;
        _status = new ReplicationStatus(replicationObject);
    }

    private async Task ReadClassAsync()
    {
        var name = (string)_object["spec"]!["volumeReplicationClass"]!;
        var @class = await api.FindAsync($"{ApiServer.Replication}/volumereplicationclasses/{name}")
            ?? throw await FailedAsync("failed to get volumeReplication class", $"VolumeReplicationClass \"{name}\" not found");
        _parameters = @class["spec"]!["parameters"] as JsonObject ?? [];
        var (space, secret) = ((string?)_parameters[Prefix + "replication-secret-namespace"], (string?)_parameters[Prefix + "replication-secret-name"]);
        _secrets = await SecretsAsync(api, space, secret) ?? throw await FailedAsync("failed to get secret", $"secret {space}/{secret} not found");
    }

    internal static async Task<MapField<string, string>?> SecretsAsync(ApiServer api, string? space, string? name)
    {
        if ((await api.FindAsync($"api/v1/namespaces/{space}/secrets/{name}"))?["data"] is not JsonObject data)
            return null;
        var secrets = new MapField<string, string>();
        foreach (var (key, value) in data)
            secrets.Add(key, Encoding.UTF8.GetString(Convert.FromBase64String((string)value!)));
        return secrets;
    }

    private async Task<JsonObject> ReadClaimAsync(string @namespace)
    {
        var name = (string)_object["spec"]!["dataSource"]!["name"]!;
        var claim = await api.FindAsync($"{ApiServer.Claims(@namespace)}/{name}")
            ?? throw await FailedAsync("failed to find PVC", $"persistentvolumeclaims \"{name}\" not found");
        if ((string?)claim["status"]?["phase"] != "Bound")
            throw await FailedAsync("failed to find PVC", $"PVC {name} is not bound to any PV");
        var volume = await api.FindAsync($"{ApiServer.Volumes}/{claim["spec"]!["volumeName"]}")
            ?? throw await FailedAsync("failed to find PVC", $"persistentvolumes \"{claim["spec"]!["volumeName"]}\" not found");
        _source = new() { Volume = new() { VolumeId = (string)volume["spec"]!["csi"]!["volumeHandle"]! } };
        return claim;
    }

    private bool IsOfGroup => (string?)_object["spec"]!["dataSource"]!["kind"] == "VolumeGroupReplication";

    private async Task ReadGroupAsync(string @namespace)
    {
        var name = (string)_object["spec"]!["dataSource"]!["name"]!;
        var group = await api.FindAsync($"{GroupReconcile.Groups(@namespace)}/{name}") ?? throw await FailedAsync("failed to get VGR", $"volumegroupreplications \"{name}\" not found");
        var content = await api.FindAsync($"{GroupReconcile.Contents}/{group["spec"]!["volumeGroupReplicationContentName"]}");
        if ((string?)content?["spec"]!["volumeGroupReplicationHandle"] is not { Length: > 0 } handle)
            throw await FailedAsync("failed to get the group", $"VolumeGroupReplication {name} has no group handle");
        _source = new() { Volumegroup = new() { VolumeGroupId = handle } };
    }

    private async Task OwnAsync(JsonObject? claim, string @namespace, string name)
    {
        if (!Finalizers(_object).Contains(Finalizer))
        {
            _object["metadata"]!["finalizers"] = Names(Finalizers(_object).Append(Finalizer));
            Take(await api.ReplaceAsync(_path, _object));
        }
        if (claim is null)
            return;
        var annotations = claim["metadata"]!["annotations"] as JsonObject ?? [];
        if (annotations.ContainsKey(OwnerAnnotation) && Finalizers(claim).Contains(ClaimFinalizer))
            return;
        await api.MergeAsync($"{ApiServer.Claims(@namespace)}/{claim["metadata"]!["name"]}", new JsonObject
        {
            ["metadata"] = new JsonObject
            {
                ["annotations"] = new JsonObject { [OwnerAnnotation] = $"{name}/{@namespace}" },
                ["finalizers"] = Names(Finalizers(claim).Append(ClaimFinalizer).Distinct()),
            },
        });
    }

    private async Task EndAsync(JsonObject? claim)
    {
        if (!Finalizers(_object).Contains(Finalizer))
            return;
        try
        {
            await CallAsync("Disable", () => replication.DisableVolumeReplicationAsync(
                new() { ReplicationSource = _source, Secrets = { _secrets }, Parameters = { Parameters() } }, Options()));
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.NotFound)
        {
        }
        catch (RpcException e)
        {
            throw new ReconcileFailedException(e.Status.Detail);
        }
        if (claim is not null)
        {
            await api.MergeAsync($"{ApiServer.Claims((string)claim["metadata"]!["namespace"]!)}/{claim["metadata"]!["name"]}", new JsonObject
            {
                ["metadata"] = new JsonObject
                {
                    ["annotations"] = new JsonObject { [OwnerAnnotation] = null },
                    ["finalizers"] = Names(Finalizers(claim).Where(f => f != ClaimFinalizer)),
                },
            });
        }
        _object["metadata"]!["finalizers"] = Names(Finalizers(_object).Where(f => f != Finalizer));
        await api.ReplaceAsync(_path, _object);
    }

    private async Task<TimeSpan?> PrimaryAsync()
    {
        if (_status.State != "Primary")
        {
            await EnableAsync();
            await PromoteAsync();
        }
        _status.Completed();
        var isServed = await ReadInfoAsync();
        await ReadDestinationAsync();
        await StoreAsync("Primary", "volume is marked primary");
        return isServed ? InfoInterval() : null;
    }

    private async Task EnableAsync()
    {
        try
        {
            await CallAsync("Enable", () => replication.EnableVolumeReplicationAsync(
                new() { ReplicationSource = _source, Secrets = { _secrets }, Parameters = { Parameters() } }, Options()));
        }
        catch (RpcException e)
        {
            var message = $"failed to enable volume replication: {e.Status.Detail}";
            if (e.StatusCode == StatusCode.FailedPrecondition)
                _status.ValidationFailed(message);
            else
                _status.PromotionFailed(message);
            throw await NotDoneAsync(e);
        }
    }

    private async Task PromoteAsync()
    {
        try
        {
            await PromoteAsync(force: false);
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.FailedPrecondition)
        {
            try
            {
                await PromoteAsync(force: true);
            }
            catch (RpcException forced)
            {
                _status.PromotionFailed($"failed to force promote volume: {forced.Status.Detail}");
                throw await NotDoneAsync(forced);
            }
        }
        catch (RpcException e)
        {
            _status.PromotionFailed($"failed to promote volume: {e.Status.Detail}");
            throw await NotDoneAsync(e);
        }
        _status.Promoted();
    }

    private Task<PromoteVolumeResponse> PromoteAsync(bool force) => CallAsync($"Promote({(force ? "force" : "")})", () => replication.PromoteVolumeAsync(
        new() { ReplicationSource = _source, Secrets = { _secrets }, Parameters = { Parameters() }, Force = force }, Options()));

    /// <returns>Whether the call is served at all: else it is not asked again.</returns>
    private async Task<bool> ReadInfoAsync()
    {
        try
        {
            _status.Info(await CallAsync("GetInfo", () => replication.GetVolumeReplicationInfoAsync(
                new() { ReplicationSource = _source, Secrets = { _secrets } }, Options())));
            return true;
        }
        catch (RpcException e) when (e.StatusCode is StatusCode.NotFound or StatusCode.Unimplemented)
        {
            return e.StatusCode == StatusCode.NotFound;
        }
        catch (RpcException e)
        {
            // Without a word in the status, as the controller does.
            throw new ReconcileFailedException(e.Status.Detail);
        }
    }

    private async Task ReadDestinationAsync()
    {
        // Of a group its content asks.
        if (_status.HasDestination || IsOfGroup)
            return;
        try
        {
            var answer = await CallAsync("Destination", () => replication.GetReplicationDestinationInfoAsync(
                new() { ReplicationSource = _source, Secrets = { _secrets } }, Options()));
            _status.Destination(answer.ReplicationDestination.Volume.VolumeId);
        }
        catch (RpcException e)
        {
            throw new ReconcileFailedException(e.Status.Detail);
        }
    }

    private async Task<TimeSpan?> SecondaryAsync()
    {
        var wasSecondary = _status.State == "Secondary";
        try
        {
            await CallAsync("Demote", () => replication.DemoteVolumeAsync(
                new() { ReplicationSource = _source, Secrets = { _secrets }, Parameters = { Parameters() } }, Options()));
        }
        catch (RpcException e)
        {
            _status.DemotionFailed($"failed to demote volume: {e.Status.Detail}");
            return await RetriedSoonAsync(e, wasSecondary);
        }
        _status.Demoted();
        if (wasSecondary)
            return await ResyncAsync((bool?)_object["spec"]!["autoResync"] ?? false, "volume is marked secondary");
        await StoreAsync("Secondary", "volume is marked secondary and is degraded");
        return AfterDemotion;
    }

    private async Task<TimeSpan?> ResyncAsync(bool force, string done)
    {
        bool isReady;
        try
        {
            isReady = (await CallAsync($"Resync({(force ? "force" : "")})", () => replication.ResyncVolumeAsync(
                new() { ReplicationSource = _source, Secrets = { _secrets }, Parameters = { Parameters() }, Force = force }, Options()))).Ready;
        }
        catch (RpcException e)
        {
            _status.ResyncFailed($"failed to resync volume: {e.Status.Detail}");
            return await RetriedSoonAsync(e, _status.State == "Secondary");
        }
        _status.Resyncing();
        if (!isReady)
        {
            await StoreAsync(_status.State, "volume is degraded");
            return WhileResyncing;
        }
        _status.InStep();
        _status.Completed();
        if (Desired == "secondary")
            _status.ForgetSyncTime();
        await StoreAsync("Secondary", done);
        return null;
    }

    private async Task<TimeSpan?> RetriedSoonAsync(RpcException e, bool isSecondary)
    {
        var failure = await NotDoneAsync(e);
        return isSecondary ? AfterDemotion : throw failure;
    }

    private async Task<ReconcileFailedException> FailedAsync(string what, string why)
    {
        log($"{what}: {why}");
        switch (Desired)
        {
            case "primary":
                _status.PromotionFailed($"{what}: {why}");
                break;
            case "secondary":
                _status.DemotionFailed($"{what}: {why}");
                break;
            default:
                _status.ResyncFailed($"{what}: {why}");
                break;
        }
        await StoreAsync(_status.State, why);
        return new ReconcileFailedException(why);
    }

    private async Task<ReconcileFailedException> NotDoneAsync(RpcException e)
    {
        await StoreAsync(_status.State, e.Status.Detail);
        return new ReconcileFailedException(e.Status.Detail);
    }

    private async Task StoreAsync(string state, string message)
    {
        _status.End(state, message);
        Take(await api.ReplaceAsync(_path + "/status", _object));
    }

    /// <summary>The parameters of the class that are the storage's.</summary>
    private MapField<string, string> Parameters()
    {
        var own = new MapField<string, string>();
        foreach (var (key, value) in OfStorage(_parameters))
            own.Add(key, (string)value!);
        return own;
    }

    internal static IEnumerable<KeyValuePair<string, JsonNode?>> OfStorage(JsonObject parameters) =>
        parameters.Where(parameter => !parameter.Key.StartsWith(Prefix, StringComparison.Ordinal));

    /// <summary>The interval of the schedule, half of it from two minutes on; an hour for what Go does not take for a duration.</summary>
    private TimeSpan InfoInterval()
    {
        var text = (string?)_parameters["schedulingInterval"] ?? "";
        var unit = text.Length == 0 ? null : text[^1] switch { 's' => (TimeSpan?)TimeSpan.FromSeconds(1), 'm' => TimeSpan.FromMinutes(1), 'h' => TimeSpan.FromHours(1), _ => null };
        if (unit is not { } one || !double.TryParse(text[..^1], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var count))
            return TimeSpan.FromHours(1);
        var interval = one * count;
        return interval < TimeSpan.FromMinutes(2) ? interval : interval / 2;
    }

    private async Task<T> CallAsync<T>(string name, Func<AsyncUnaryCall<T>> call)
    {
        try
        {
            var answer = await call();
            log(answer is ResyncVolumeResponse resync ? $"{name}: OK, ready={resync.Ready}" : $"{name}: OK");
            return answer;
        }
        catch (RpcException e)
        {
            log($"{name}: {e.StatusCode}: {e.Status.Detail}");
            throw;
        }
    }

    internal static CallOptions Options() => new(deadline: DateTime.UtcNow + CallLimit);

    internal static IEnumerable<string> Finalizers(JsonObject value) => value["metadata"]!["finalizers"] is JsonArray names ? names.Select(n => (string)n!) : [];

    internal static JsonArray Names(IEnumerable<string> names) => [.. names.Select(n => (JsonNode)n)];
}
