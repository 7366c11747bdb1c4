using System.Text.Json.Nodes;
using Google.Protobuf.Collections;
using Grpc.Core;
using RbdReplication.Csi.Protocol;
using RbdReplication.KubernetesTests.Clusters;
using GroupController = RbdReplication.Csi.Protocol.Groups.Controller;

namespace RbdReplication.KubernetesTests.Play;

/// <summary>One look of the controller at one VolumeGroupReplication, or at one VolumeGroupReplicationContent, and the calls that it makes for it.</summary>
/// <param name="api">The cluster.</param>
/// <param name="groups">Our server's groups.</param>
/// <param name="replication">Our server's replication.</param>
/// <param name="log">Told of every call.</param>
internal sealed class GroupReconcile(ApiServer api, GroupController.ControllerClient groups, Controller.ControllerClient replication, Action<string> log)
{
    public const string Contents = ApiServer.Replication + "/volumegroupreplicationcontents";

    private const string Prefix = "replication.storage.openshift.io/";
    private const string Finalizer = "replication.storage.openshift.io/vgr-protection";
    private const string Reference = Prefix + "volumegroupref";
    private const string ClassSecret = Prefix + "group-replication-secret-name";
    private const string ClassSecretNamespace = Prefix + "group-replication-secret-namespace";

    public static string Groups(string @namespace) => $"{ApiServer.Replication}/namespaces/{@namespace}/volumegroupreplications";

    /// <summary>Claims of a namespace with the labels of a group, by name.</summary>
    public static async Task<IReadOnlyList<JsonObject>> ClaimsOfAsync(ApiServer api, string @namespace, JsonObject group)
    {
        var labels = group["spec"]!["source"]!["selector"]!["matchLabels"]!.AsObject().Select(label => $"{label.Key}={label.Value}");
        var claims = await api.ListAsync($"{ApiServer.Claims(@namespace)}?labelSelector={Uri.EscapeDataString(string.Join(',', labels))}");
        return [.. claims.OrderBy(claim => (string)claim["metadata"]!["name"]!, StringComparer.Ordinal)];
    }

    /// <exception cref="ReconcileFailedException">It is to be tried again.</exception>
    public async Task RunAsync(string @namespace, string name)
    {
        var path = $"{Groups(@namespace)}/{name}";
        if (await api.FindAsync(path) is not { } group)
            return;
        var spec = group["spec"]!.AsObject();
        var uid = (string)group["metadata"]!["uid"]!;
        var contentName = (string?)spec["volumeGroupReplicationContentName"] ?? $"vgrcontent-{uid}";
        var replicationName = (string?)spec["volumeReplicationName"] ?? $"vr-{uid}";
        if (group["metadata"]!["deletionTimestamp"] is not null)
        {
            await EndAsync(path, group, @namespace, contentName, replicationName);
            return;
        }
        if (!Reconcile.Finalizers(group).Contains(Finalizer))
        {
            group["metadata"]!["finalizers"] = Reconcile.Names(Reconcile.Finalizers(group).Append(Finalizer));
            group = await api.ReplaceAsync(path, group);
        }
        var parameters = await ParametersAsync((string)spec["volumeGroupReplicationClassName"]!);
        var claims = await ClaimsOfAsync(api, @namespace, group);
        foreach (var claim in claims.Where(claim => !Reconcile.Finalizers(claim).Contains(Finalizer)))
            await KeepClaimAsync(@namespace, claim, Reconcile.Finalizers(claim).Append(Finalizer));
        var names = new JsonArray([.. claims.Select(claim => new JsonObject { ["name"] = (string)claim["metadata"]!["name"]! })]);
        if (!JsonNode.DeepEquals(group["status"]?["persistentVolumeClaimsRefList"], names))
            group = await SetStatusAsync(path, group, status => status["persistentVolumeClaimsRefList"] = names);

        var content = await PutContentAsync(group, contentName, @namespace, name, parameters, await HandlesAsync(claims));
        if ((string?)spec["volumeGroupReplicationContentName"] != contentName)
            group = await api.MergeAsync(path, new JsonObject { ["spec"] = new JsonObject { ["volumeGroupReplicationContentName"] = contentName } });
        if ((string?)content["spec"]!["volumeGroupReplicationHandle"] is not { Length: > 0 })
            return;
        var own = await PutReplicationAsync(group, @namespace, name, replicationName);
        if ((string?)spec["volumeReplicationName"] != replicationName)
            group = await api.MergeAsync(path, new JsonObject { ["spec"] = new JsonObject { ["volumeReplicationName"] = replicationName } });
        await SetStatusAsync(path, group, status =>
        {
            foreach (var (field, value) in own["status"] as JsonObject ?? [])
                status[field] = value?.DeepClone();
            status["observedGeneration"] = (long)group["metadata"]!["generation"]!;
        });
    }

    /// <summary>The content of a group.</summary>
    /// <exception cref="ReconcileFailedException">It is to be tried again.</exception>
    public async Task ContentAsync(string name)
    {
        var path = $"{Contents}/{name}";
        if (await api.FindAsync(path) is not { } content)
            return;
        var spec = content["spec"]!.AsObject();
        var parameters = await ParametersAsync((string)spec["volumeGroupReplicationClassName"]!);
        var secrets = await Reconcile.SecretsAsync(api, (string?)parameters[ClassSecretNamespace], (string?)parameters[ClassSecret])
            ?? throw Failed("failed to get the secret of the group's class");
        if (spec["volumeGroupReplicationRef"] is not JsonObject owner
            || await api.FindAsync($"{Groups((string)owner["namespace"]!)}/{owner["name"]}") is not { } group)
            throw Failed("failed to get owner VolumeGroupReplication");
        var handle = (string?)spec["volumeGroupReplicationHandle"] ?? "";
        string[] members = [.. spec["source"]!["volumeHandles"]!.AsArray().Select(member => (string)member!)];
        if (content["metadata"]!["deletionTimestamp"] is not null)
        {
            if (group["metadata"]!["deletionTimestamp"] is not null)
                await EndContentAsync(path, content, handle, secrets);
            return;
        }
        if (!Reconcile.Finalizers(content).Contains(Finalizer))
            content = await api.MergeAsync(path, new JsonObject { ["metadata"] = new JsonObject { ["finalizers"] = Reconcile.Names(Reconcile.Finalizers(content).Append(Finalizer)) } });
        if (handle.Length == 0)
        {
            var request = new Csi.Protocol.Groups.CreateVolumeGroupRequest { Name = $"volumegroup-{content["metadata"]!["uid"]}", VolumeIds = { members }, Secrets = { secrets } };
            foreach (var (key, value) in Reconcile.OfStorage(parameters))
                request.Parameters[key] = (string)value!;
            var made = (await CallAsync("CreateVolumeGroup", () => groups.CreateVolumeGroupAsync(request, Reconcile.Options()))).VolumeGroup;
            var attributes = new JsonObject(made.VolumeGroupContext.Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)pair.Value)));
            await api.MergeAsync(path, new JsonObject { ["spec"] = new JsonObject { ["volumeGroupReplicationHandle"] = made.VolumeGroupId, ["volumeGroupAttributes"] = attributes } });
            return;
        }
        await CallAsync("ModifyVolumeGroup", () => groups.ModifyVolumeGroupMembershipAsync(new() { VolumeGroupId = handle, VolumeIds = { members }, Secrets = { secrets } }, Reconcile.Options()));
        await CallAsync("Destination", () => replication.GetReplicationDestinationInfoAsync(
            new() { ReplicationSource = new() { Volumegroup = new() { VolumeGroupId = handle } }, Secrets = { secrets } }, Reconcile.Options()));
    }

    private async Task<JsonObject> ParametersAsync(string className) =>
        (await api.FindAsync($"{ApiServer.Replication}/volumegroupreplicationclasses/{className}"))?["spec"]!["parameters"] as JsonObject
        ?? throw Failed($"VolumeGroupReplicationClass \"{className}\" not found");

    private async Task<string[]> HandlesAsync(IReadOnlyList<JsonObject> claims)
    {
        var handles = new List<string>();
        foreach (var claim in claims)
        {
            var volume = await api.FindAsync($"{ApiServer.Volumes}/{claim["spec"]!["volumeName"]}") ?? throw Failed($"the volume of claim {claim["metadata"]!["name"]} is not found");
            handles.Add((string)volume["spec"]!["csi"]!["volumeHandle"]!);
        }
        return [.. handles.Order(StringComparer.Ordinal)];
    }

    private async Task<JsonObject> PutContentAsync(JsonObject group, string contentName, string @namespace, string name, JsonObject parameters, string[] handles)
    {
        var source = new JsonObject { ["volumeHandles"] = new JsonArray([.. handles.Select(handle => (JsonNode)handle)]) };
        var owner = new JsonObject
        {
            ["apiVersion"] = ApiServer.ReplicationVersion,
            ["kind"] = "VolumeGroupReplication",
            ["name"] = name,
            ["namespace"] = @namespace,
            ["uid"] = (string)group["metadata"]!["uid"]!,
        };
        if (await api.FindAsync($"{Contents}/{contentName}") is { } found)
        {
            var spec = new JsonObject { ["source"] = source };
            if (found["spec"]!["volumeGroupReplicationRef"] is null)
                spec["volumeGroupReplicationRef"] = owner;
            return await api.MergeAsync($"{Contents}/{contentName}", new JsonObject
            {
                ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { [Reference] = $"{@namespace}/{name}" } },
                ["spec"] = spec,
            });
        }
        // One that is named is made by somebody else: whoever restores the group.
        if (group["spec"]!["volumeGroupReplicationContentName"] is not null)
            throw Failed("dependent VGRContent resource is not yet created, waiting for it to be created");
        var className = (string)group["spec"]!["volumeGroupReplicationClassName"]!;
        return await api.CreateAsync(Contents, new JsonObject
        {
            ["apiVersion"] = ApiServer.ReplicationVersion,
            ["kind"] = "VolumeGroupReplicationContent",
            ["metadata"] = new JsonObject
            {
                ["name"] = contentName,
                ["annotations"] = new JsonObject
                {
                    [Reference] = $"{@namespace}/{name}",
                    [ClassSecret] = (string?)parameters[ClassSecret],
                    [ClassSecretNamespace] = (string?)parameters[ClassSecretNamespace],
                },
            },
            ["spec"] = new JsonObject
            {
                ["volumeGroupReplicationRef"] = owner,
                ["provisioner"] = (string?)(await api.GetAsync($"{ApiServer.Replication}/volumegroupreplicationclasses/{className}"))["spec"]!["provisioner"],
                ["volumeGroupReplicationClassName"] = className,
                ["source"] = source,
            },
        });
    }

    private async Task<JsonObject> PutReplicationAsync(JsonObject group, string @namespace, string name, string replicationName)
    {
        var path = $"{ApiServer.Replications(@namespace)}/{replicationName}";
        var passedOn = new JsonObject { ["replicationState"] = (string)group["spec"]!["replicationState"]!, ["autoResync"] = (bool?)group["spec"]!["autoResync"] ?? false };
        if (await api.FindAsync(path) is not null)
            return await api.MergeAsync(path, new JsonObject { ["spec"] = passedOn });
        passedOn["volumeReplicationClass"] = (string)group["spec"]!["volumeReplicationClassName"]!;
        passedOn["dataSource"] = new JsonObject { ["apiGroup"] = "replication.storage.openshift.io", ["kind"] = "VolumeGroupReplication", ["name"] = name };
        return await api.CreateAsync(ApiServer.Replications(@namespace), new JsonObject
        {
            ["apiVersion"] = ApiServer.ReplicationVersion,
            ["kind"] = "VolumeReplication",
            ["metadata"] = new JsonObject { ["name"] = replicationName, ["annotations"] = new JsonObject { [Reference] = $"{@namespace}/{name}" } },
            ["spec"] = passedOn,
        });
    }

    private async Task<JsonObject> SetStatusAsync(string path, JsonObject group, Action<JsonObject> change)
    {
        if (group["status"] is not JsonObject status)
            group["status"] = status = [];
        change(status);
        return await api.ReplaceAsync(path + "/status", group);
    }

    private async Task EndAsync(string path, JsonObject group, string @namespace, string contentName, string replicationName)
    {
        if (!Reconcile.Finalizers(group).Contains(Finalizer))
            return;
        foreach (var dependent in (string[])[$"{ApiServer.Replications(@namespace)}/{replicationName}", $"{Contents}/{contentName}"])
        {
            if (await api.FindAsync(dependent) is not { } left)
                continue;
            if (left["metadata"]!["deletionTimestamp"] is null)
                await api.DeleteAsync(dependent);
            throw Failed("cannot delete volumeGroupReplication object yet, as the dependent resources are not yet deleted");
        }
        foreach (var claim in await ClaimsOfAsync(api, @namespace, group))
            await KeepClaimAsync(@namespace, claim, Reconcile.Finalizers(claim).Where(finalizer => finalizer != Finalizer));
        await api.MergeAsync(path, new JsonObject { ["metadata"] = new JsonObject { ["finalizers"] = Reconcile.Names(Reconcile.Finalizers(group).Where(finalizer => finalizer != Finalizer)) } });
    }

    private async Task EndContentAsync(string path, JsonObject content, string handle, MapField<string, string> secrets)
    {
        if (handle.Length > 0)
        {
            await CallAsync("ModifyVolumeGroup()", () => groups.ModifyVolumeGroupMembershipAsync(new() { VolumeGroupId = handle, Secrets = { secrets } }, Reconcile.Options()));
            await CallAsync("DeleteVolumeGroup", () => groups.DeleteVolumeGroupAsync(new() { VolumeGroupId = handle, Secrets = { secrets } }, Reconcile.Options()));
        }
        await api.MergeAsync(path, new JsonObject { ["metadata"] = new JsonObject { ["finalizers"] = Reconcile.Names(Reconcile.Finalizers(content).Where(finalizer => finalizer != Finalizer)) } });
    }

    private Task<JsonObject> KeepClaimAsync(string @namespace, JsonObject claim, IEnumerable<string> finalizers) => api.MergeAsync(
        $"{ApiServer.Claims(@namespace)}/{claim["metadata"]!["name"]}", new JsonObject { ["metadata"] = new JsonObject { ["finalizers"] = Reconcile.Names(finalizers) } });

    private async Task<T> CallAsync<T>(string name, Func<AsyncUnaryCall<T>> call)
    {
        try
        {
            var answer = await call();
            log($"{name}: OK");
            return answer;
        }
        catch (RpcException e)
        {
            throw Failed($"{name}: {e.StatusCode}: {e.Status.Detail}");
        }
    }

    private ReconcileFailedException Failed(string why)
    {
        log(why);
        return new ReconcileFailedException(why);
    }
}
