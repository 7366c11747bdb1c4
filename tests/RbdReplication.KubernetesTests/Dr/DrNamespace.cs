using System.Text.Json.Nodes;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.KubernetesTests.Clusters;
using RbdReplication.KubernetesTests.Sites;

namespace RbdReplication.KubernetesTests.Dr;

/// <summary>A namespace with claims at site-a, a driver and classes of its own at both sites.</summary>
internal sealed class DrNamespace
{
    private const string Deployments = "deployments";

    private DrNamespace(string name, string? driver) => (Name, Driver) = (name, driver ?? $"{name}.csi.ceph.com");

    public string Name { get; }

    public string Driver { get; }

    /// <summary>Name of the StorageClass and of the VolumeReplicationClass.</summary>
    public string Class => Name;

    /// <param name="clusters">The API servers.</param>
    /// <param name="driver">The driver; one of its own by default, which nobody serves.</param>
    public static async Task<DrNamespace> CreateAsync(TwoClusters clusters, string? driver = null)
    {
        var made = new DrNamespace(await TwoClusters.NewNamespaceAsync(clusters.A), driver);
        foreach (var site in (ApiServer[])[clusters.A, clusters.B])
        {
            await site.CreateAsync("apis/storage.k8s.io/v1/storageclasses", new JsonObject { ["metadata"] = Named(made.Class), ["provisioner"] = made.Driver });
            await made.PutClassAsync(site, "1m");
        }
        return made;
    }

    public Task PutClassAsync(ApiServer site, string schedule, string? name = null) => site.CreateAsync($"{ApiServer.Replication}/volumereplicationclasses", new JsonObject
    {
        ["apiVersion"] = ApiServer.ReplicationVersion,
        ["kind"] = "VolumeReplicationClass",
        ["metadata"] = Named(name ?? Class),
        ["spec"] = new JsonObject { ["provisioner"] = Driver, ["parameters"] = Parameters("replication", ("schedulingInterval", schedule)) },
    });

    /// <summary>Sets how the class mirrors, at both sites.</summary>
    public async Task PutModeAsync(TwoClusters clusters, string mode)
    {
        foreach (var site in (ApiServer[])[clusters.A, clusters.B])
            await site.MergeAsync($"{ApiServer.Replication}/volumereplicationclasses/{Class}", new JsonObject { ["spec"] = new JsonObject { ["parameters"] = new JsonObject { ["mirroringMode"] = mode } } });
    }

    /// <summary>The class of groups, by the same name, with what the site calls its cluster.</summary>
    public Task PutGroupClassAsync(ApiServer site) => site.CreateAsync($"{ApiServer.Replication}/volumegroupreplicationclasses", new JsonObject
    {
        ["apiVersion"] = ApiServer.ReplicationVersion,
        ["kind"] = "VolumeGroupReplicationClass",
        ["metadata"] = Named(Class),
        ["spec"] = new JsonObject { ["provisioner"] = Driver, ["parameters"] = Parameters("group-replication", ("clusterID", site.Name), ("pool", TwoSites.Pool)) },
    });

    private static JsonObject Parameters(string kind, params (string Key, string Value)[] own)
    {
        var all = new JsonObject(own.Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)pair.Value)));
        all[$"replication.storage.openshift.io/{kind}-secret-name"] = GeneratorAccount.SecretName;
        all[$"replication.storage.openshift.io/{kind}-secret-namespace"] = GeneratorAccount.Namespace;
        return all;
    }

    public string PvName(string claim) => $"{Name}-{claim}";

    /// <summary>A bound claim at a site.</summary>
    public async Task PutClaimAsync(ApiServer site, string claim, Action<JsonObject>? changeVolume = null)
    {
        var volume = new JsonObject
        {
            ["metadata"] = Named(PvName(claim)),
            ["spec"] = new JsonObject
            {
                ["accessModes"] = new JsonArray("ReadWriteOnce"),
                ["capacity"] = new JsonObject { ["storage"] = "1Gi" },
                ["persistentVolumeReclaimPolicy"] = "Retain",
                ["storageClassName"] = Class,
                ["claimRef"] = new JsonObject { ["name"] = claim, ["namespace"] = Name },
                ["csi"] = new JsonObject
                {
                    ["driver"] = Driver,
                    ["volumeHandle"] = $"0001-0006-site-a-0000000000000002-{Guid.NewGuid()}",
                    ["volumeAttributes"] = new JsonObject { ["pool"] = "replicapool" },
                },
            },
        };
        changeVolume?.Invoke(volume);
        await site.CreateAsync(ApiServer.Volumes, volume);
        await site.CreateAsync(ApiServer.Claims(Name), new JsonObject
        {
            ["metadata"] = new JsonObject { ["name"] = claim, ["labels"] = new JsonObject { ["app"] = "shop" } },
            ["spec"] = new JsonObject
            {
                ["accessModes"] = new JsonArray("ReadWriteOnce"),
                ["resources"] = new JsonObject { ["requests"] = new JsonObject { ["storage"] = "1Gi" } },
                ["storageClassName"] = Class,
                ["volumeName"] = PvName(claim),
            },
        });
        await Eventually.TrueAsync(async () => await PhaseAsync(site, claim) == "Bound", $"{claim} is bound at {site.Name}");
    }

    /// <summary>A Deployment whose pods use a claim.</summary>
    public Task PutDeploymentAsync(ApiServer site, string claim, int replicas) => site.CreateAsync($"apis/apps/v1/namespaces/{Name}/{Deployments}", new JsonObject
    {
        ["metadata"] = Named("shop"),
        ["spec"] = new JsonObject
        {
            ["replicas"] = replicas,
            ["selector"] = new JsonObject { ["matchLabels"] = new JsonObject { ["run"] = "shop" } },
            ["template"] = new JsonObject
            {
                ["metadata"] = new JsonObject { ["labels"] = new JsonObject { ["run"] = "shop" } },
                ["spec"] = new JsonObject
                {
                    ["containers"] = new JsonArray(new JsonObject { ["name"] = "shop", ["image"] = "shop" }),
                    ["volumes"] = new JsonArray(new JsonObject { ["name"] = "data", ["persistentVolumeClaim"] = new JsonObject { ["claimName"] = claim } }),
                },
            },
        },
    });

    public async Task<int> ReplicasAsync(ApiServer site) => (int)(await site.GetAsync($"apis/apps/v1/namespaces/{Name}/{Deployments}/shop"))["spec"]!["replicas"]!;

    public async Task<int> PodsAsync(ApiServer site) => (await site.ListAsync($"api/v1/namespaces/{Name}/pods")).Count;

    public async Task<string?> PhaseAsync(ApiServer site, string claim) => (string?)(await site.FindAsync($"{ApiServer.Claims(Name)}/{claim}"))?["status"]?["phase"];

    public Task<JsonObject?> ReplicationAsync(ApiServer site, string claim) => site.FindAsync($"{ApiServer.Replications(Name)}/{claim}");

    public async Task<string?> WantedAsync(ApiServer site, string claim) => (string?)(await ReplicationAsync(site, claim))?["spec"]!["replicationState"];

    /// <summary>Waits until a VolumeReplication, or by its path a VolumeGroupReplication, has synced and goes on.</summary>
    public static Task SyncedAsync(ApiServer site, string path) => Eventually.TrueAsync(
        async () => (await site.FindAsync(path))?["status"] is { } status && status["lastSyncTime"] is not null
            && status["conditions"]!.AsArray().Any(condition => (string?)condition!["type"] == "Replicating" && (string?)condition["status"] == "True"),
        $"{path} has synced at {site.Name}");

    public Task<DrRun> RunAsync(params string[] arguments) => DrRun.OfAsync([.. arguments, "-n", Name]);

    private static JsonObject Named(string name) => new() { ["name"] = name };
}
