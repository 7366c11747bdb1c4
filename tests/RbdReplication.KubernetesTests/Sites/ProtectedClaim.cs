using System.Text.Json.Nodes;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;
using RbdReplication.KubernetesTests.Clusters;

namespace RbdReplication.KubernetesTests.Sites;

/// <summary>A claim with a volume, at the site that made it and, restored, at the other, and its VolumeReplications, in a namespace of its own.</summary>
/// <param name="handle">The volume; its PersistentVolume has the name that the journal has for it.</param>
/// <param name="driver">Its CSI driver.</param>
/// <param name="secretNamespace">Where the storage's secret is; in the claim's own namespace unless it says so.</param>
public sealed class ProtectedClaim(VolumeHandle handle, string driver, string? secretNamespace = null)
{
    public string Namespace { get; } = "app-" + handle.Uuid[..8];

    private string PvName => "pvc-" + handle.Uuid;

    private string Class => "every-minute-" + handle.Uuid[..8];

    private string SecretNamespace => secretNamespace ?? Namespace;

    /// <summary>Makes namespace, claim and volume at a site, as they are restored there: the volume knows the claim by its name alone.</summary>
    public async Task RestoreAsync(ApiServer server)
    {
        await server.CreateAsync("api/v1/namespaces", new JsonObject { ["metadata"] = new JsonObject { ["name"] = Namespace } });
        await server.CreateAsync(ApiServer.Volumes, new JsonObject
        {
            ["metadata"] = new JsonObject { ["name"] = PvName },
            ["spec"] = new JsonObject
            {
                ["accessModes"] = new JsonArray("ReadWriteOnce"),
                ["capacity"] = new JsonObject { ["storage"] = "1Gi" },
                ["persistentVolumeReclaimPolicy"] = "Retain",
                ["storageClassName"] = "rbd-replicated",
                ["claimRef"] = new JsonObject { ["name"] = "data", ["namespace"] = Namespace },
                ["csi"] = new JsonObject
                {
                    ["driver"] = driver,
                    ["volumeHandle"] = handle.ToString(),
                    ["controllerExpandSecretRef"] = new JsonObject { ["name"] = GeneratorAccount.SecretName, ["namespace"] = SecretNamespace },
                    ["volumeAttributes"] = new JsonObject { ["pool"] = TwoSites.Pool },
                },
            },
        });
        await server.CreateAsync(ApiServer.Claims(Namespace), new JsonObject
        {
            ["metadata"] = new JsonObject { ["name"] = "data" },
            ["spec"] = new JsonObject
            {
                ["accessModes"] = new JsonArray("ReadWriteOnce"),
                ["resources"] = new JsonObject { ["requests"] = new JsonObject { ["storage"] = "1Gi" } },
                ["storageClassName"] = "rbd-replicated",
                ["volumeName"] = PvName,
            },
        });
        await Eventually.TrueAsync(async () => (string?)(await ClaimAsync(server))["status"]?["phase"] == "Bound", $"the claim is bound at {server.Name}");
    }

    public Task<JsonObject> ClaimAsync(ApiServer server) => server.GetAsync($"{ApiServer.Claims(Namespace)}/data");

    /// <summary>Makes the VolumeReplication at a site, or has it ask for another state.</summary>
    public async Task AskAsync(ApiServer server, string state)
    {
        await PutClassAsync(server);
        var path = $"{ApiServer.Replications(Namespace)}/data";
        if (await server.FindAsync(path) is not null)
            await server.MergeAsync(path, new JsonObject { ["spec"] = new JsonObject { ["replicationState"] = state } });
        else
            await server.CreateAsync(ApiServer.Replications(Namespace), new JsonObject
            {
                ["apiVersion"] = ApiServer.ReplicationVersion,
                ["kind"] = "VolumeReplication",
                ["metadata"] = new JsonObject { ["name"] = "data" },
                ["spec"] = new JsonObject
                {
                    ["volumeReplicationClass"] = Class,
                    ["replicationState"] = state,
                    ["dataSource"] = new JsonObject { ["kind"] = "PersistentVolumeClaim", ["name"] = "data" },
                },
            });
    }

    public async Task<JsonObject?> StatusAsync(ApiServer server) =>
        (await server.FindAsync($"{ApiServer.Replications(Namespace)}/data"))?["status"]?.AsObject();

    /// <summary>Status of a condition; null where it is not there.</summary>
    public async Task<string?> ConditionAsync(ApiServer server, string type) => (string?)(await StatusAsync(server))?["conditions"]?.AsArray()
        .SingleOrDefault(condition => (string?)condition!["type"] == type)?["status"];

    public Task AwaitStateAsync(ApiServer server, string state) => Eventually.TrueAsync(
        async () => await StatusAsync(server) is { } status && (string?)status["state"] == state && await ConditionAsync(server, "Completed") == "True",
        $"the claim is {state} at {server.Name}");

    public Task AwaitConditionAsync(ApiServer server, string type, string is_) =>
        Eventually.TrueAsync(async () => await ConditionAsync(server, type) == is_, $"{type} is {is_} at {server.Name}");

    /// <summary>Deletes the VolumeReplication, and waits until it is gone.</summary>
    public async Task UnprotectAsync(ApiServer server)
    {
        var path = $"{ApiServer.Replications(Namespace)}/data";
        await server.DeleteAsync(path);
        await Eventually.TrueAsync(async () => await server.FindAsync(path) is null, $"the VolumeReplication is gone at {server.Name}");
    }

    private async Task PutClassAsync(ApiServer server)
    {
        const string Classes = ApiServer.Replication + "/volumereplicationclasses";
        if (await server.FindAsync($"{Classes}/{Class}") is null)
            await server.CreateAsync(Classes, new JsonObject
            {
                ["apiVersion"] = ApiServer.ReplicationVersion,
                ["kind"] = "VolumeReplicationClass",
                ["metadata"] = new JsonObject { ["name"] = Class },
                ["spec"] = new JsonObject
                {
                    ["provisioner"] = "rbd.csi.ceph.com",
                    ["parameters"] = new JsonObject
                    {
                        ["replication.storage.openshift.io/replication-secret-name"] = GeneratorAccount.SecretName,
                        ["replication.storage.openshift.io/replication-secret-namespace"] = SecretNamespace,
                        ["mirroringMode"] = "snapshot",
                        ["schedulingInterval"] = "1m",
                    },
                },
            });
    }
}
