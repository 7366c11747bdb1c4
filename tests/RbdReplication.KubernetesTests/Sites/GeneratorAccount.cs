using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using RbdReplication.Ceph;
using RbdReplication.CephTests.PersistentVolumes;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;
using RbdReplication.Kubernetes;
using RbdReplication.KubernetesTests.Clusters;
using RbdReplication.Tests.Kubernetes;

namespace RbdReplication.KubernetesTests.Sites;

/// <summary>
/// The ServiceAccount of <c>deploy/kustomize/base</c> with the Roles from there and nothing else, on a real API server, and omap generators
/// that work under it for a Ceph site.
/// </summary>
public sealed partial class GeneratorAccount : IAsyncDisposable
{
    public const string Namespace = "ceph-csi";
    public const string SecretName = "csi-rbd";

    private const string ClusterRole = "apis/rbac.authorization.k8s.io/v1/clusterroles/rbd-replication-omap-generator";
    private const string Role = $"apis/rbac.authorization.k8s.io/v1/namespaces/{Namespace}/roles/rbd-replication-omap-generator";

    private static readonly SemaphoreSlim Installing = new(1);

    private readonly Site _site;
    private readonly string _folder = Directory.CreateTempSubdirectory("rbd-replication-").FullName;

    private GeneratorAccount(ApiServer server, Site site, string instanceId, string? driver)
    {
        InstanceId = instanceId;
        Driver = driver ?? $"rbd-{Guid.NewGuid():N}.csi.ceph.com";
        Server = server;
        _site = site;
    }

    public ApiServer Server { get; }

    /// <summary>A driver of its own, as a rule: volumes have no namespace, and other tests have some, too.</summary>
    public string Driver { get; }

    /// <summary>The journal that its generators keep.</summary>
    public string InstanceId { get; }

    /// <summary>Cluster id of <see cref="Private"/>.</summary>
    public const string PrivateCluster = "private";

    /// <summary>A rados namespace of its own, which librbd knows nothing of.</summary>
    public RadosPool Private { get; private set; } = null!;

    private string ConfigPath => Path.Combine(_folder, "config.json");

    private string KubeConfigPath => Path.Combine(_folder, "kubeconfig");

    /// <param name="server">The API server.</param>
    /// <param name="site">The site beside it.</param>
    /// <param name="instanceId">The journal; one of its own unless a server of ours is to find its volumes there.</param>
    /// <param name="driver">The driver, where it has to be a certain one.</param>
    public static async Task<GeneratorAccount> StartAsync(ApiServer server, Site site, string? instanceId = null, string? driver = null)
    {
        var privateName = Guid.NewGuid().ToString("N");
        var account = new GeneratorAccount(server, site, instanceId ?? privateName, driver);
        account.Private = await site.Cluster.OpenPoolAsync(TwoSites.Pool, privateName, CancellationToken.None);
        var config = JsonNode.Parse(await File.ReadAllTextAsync(site.ConfigPath))!.AsArray();
        config.Add(new JsonObject
        {
            ["clusterID"] = PrivateCluster,
            ["monitors"] = new JsonArray([.. site.Monitors.Select(m => (JsonNode)m)]),
            ["rbd"] = new JsonObject { ["radosNamespace"] = privateName },
        });
        await File.WriteAllTextAsync(account.ConfigPath, config.ToJsonString());
        await InstallAsync(server, site);
        var token = await server.CreateAsync($"api/v1/namespaces/{Namespace}/serviceaccounts/rbd-replication/token", new JsonObject
        {
            ["apiVersion"] = "authentication.k8s.io/v1",
            ["kind"] = "TokenRequest",
            ["spec"] = new JsonObject(),
        });
        var administrator = await File.ReadAllTextAsync(TwoClusters.KubeConfigOf(server));
        await File.WriteAllTextAsync(account.KubeConfigPath, Token().Replace(administrator, $"token: {token["status"]!["token"]}"));
        return account;
    }

    /// <summary>What <c>kubectl apply -k</c> makes of our manifests, and the Secret of the site's CSI user.</summary>
    public static async Task InstallAsync(ApiServer server, Site site)
    {
        // Tests that run side by side share them.
        await Installing.WaitAsync(CancellationToken.None);
        try
        {
            if (await server.FindAsync("api/v1/namespaces/" + Namespace) is null)
                await server.CreateAsync("api/v1/namespaces", new JsonObject { ["metadata"] = new JsonObject { ["name"] = Namespace } });
            await TwoClusters.KubectlAsync(server, "apply", "-k", Path.Combine(TwoSites.Repository, "deploy", "kustomize", "base"));
            if (await server.FindAsync($"api/v1/namespaces/{Namespace}/secrets/{SecretName}") is null)
                await server.CreateAsync($"api/v1/namespaces/{Namespace}/secrets", new JsonObject
                {
                    ["metadata"] = new JsonObject { ["name"] = SecretName },
                    ["stringData"] = new JsonObject(site.Secrets.Select(s => KeyValuePair.Create(s.Key, (JsonNode?)s.Value))),
                });
        }
        finally
        {
            Installing.Release();
        }
    }

    /// <summary>A mapping whose image does not exist yet.</summary>
    public MappedImage NewImage(RadosPool? pool = null) => new(pool ?? _site.Pool, InstanceId);

    public async Task<MappedImage> WithImageAsync()
    {
        var image = NewImage();
        await image.CreateImageAsync();
        return image;
    }

    /// <summary>The PersistentVolume of a mapping.</summary>
    public JsonObject Pv(MappedImage image, string? clusterId = null) =>
        Pv(image.Reservation.RequestName, new VolumeHandle(clusterId ?? _site.Name, 2, image.Reservation.Uuid).ToString());

    /// <summary>The PersistentVolume of a volume.</summary>
    public JsonObject Pv(string name, string handle)
    {
        var pv = PvObject.Json(0, Driver, handle: handle);
        pv["metadata"] = new JsonObject { ["name"] = name };
        pv["spec"]!["claimRef"]!["name"] = "data-" + name;
        Complete(pv, handle);
        return pv;
    }

    /// <summary>Gives a PersistentVolume a volume and the secrets that our manifests' generator may read.</summary>
    public static void Complete(JsonObject pv, string handle)
    {
        var csi = pv["spec"]!["csi"]!;
        csi["volumeHandle"] = handle;
        foreach (var secret in (string[])["controllerExpandSecretRef", "nodeStageSecretRef"])
            csi[secret] = new JsonObject { ["name"] = SecretName, ["namespace"] = Namespace };
    }

    public Task PutAsync(JsonObject pv) => Server.CreateAsync(ApiServer.Volumes, pv);

    /// <summary>Starts a generator under the account.</summary>
    public GeneratorProcess Start(params string[] more) => new(
    [
        "omap-generator", "--kubeconfig", KubeConfigPath, "--cluster-config", ConfigPath, "--cluster-mapping", _site.MappingPath, "--driver-name", Driver,
        "--instance-id", InstanceId, "--leader-election-namespace", Namespace, "--log-format", "text", .. more,
    ]);

    public Task EventAsync(MappedImage image, string reason, int count = 1) => Eventually.TrueAsync(
        async () => (await Server.ListAsync($"api/v1/namespaces/default/events?fieldSelector=involvedObject.name={image.Reservation.RequestName}"))
            .Any(e => (string?)e["reason"] == reason && (int)e["count"]! >= count),
        $"an event {reason} on {image.Reservation.RequestName}");

    /// <summary>Takes a verb out of our Roles until the result is disposed of.</summary>
    public async Task<IAsyncDisposable> WithoutAsync(string verb, string resource)
    {
        foreach (var path in (string[])[ClusterRole, Role])
        {
            var role = await Server.GetAsync(path);
            var before = role["rules"]!.DeepClone();
            if (role["rules"]!.AsArray().SingleOrDefault(rule => rule!["resources"]!.AsArray().Any(r => (string?)r == resource)) is not { } rule)
                continue;
            rule["verbs"] = new JsonArray([.. rule["verbs"]!.AsArray().Select(v => (string)v!).Where(v => v != verb).Select(v => (JsonNode)v)]);
            // A rule has at least one.
            if (rule["verbs"]!.AsArray().Count == 0)
                role["rules"]!.AsArray().Remove(rule);
            await Server.ReplaceAsync(path, role);
            var group = (string)rule["apiGroups"]![0]!;
            await AllowedAsync(verb, group, resource, is_: false);
            return new Restored(async () =>
            {
                await Server.MergeAsync(path, new JsonObject { ["rules"] = before });
                await AllowedAsync(verb, group, resource, is_: true);
            });
        }
        throw new ArgumentException($"our Roles have no {resource}", nameof(resource));
    }

    // The server takes up Roles a moment after they are written.
    private Task AllowedAsync(string verb, string group, string resource, bool is_) => Eventually.TrueAsync(
        async () =>
        {
            var review = await Server.CreateAsync("apis/authorization.k8s.io/v1/subjectaccessreviews", new JsonObject
            {
                ["apiVersion"] = "authorization.k8s.io/v1",
                ["kind"] = "SubjectAccessReview",
                ["spec"] = new JsonObject
                {
                    ["user"] = $"system:serviceaccount:{Namespace}:rbd-replication",
                    ["resourceAttributes"] = new JsonObject { ["verb"] = verb, ["group"] = group, ["resource"] = resource, ["namespace"] = Namespace },
                },
            });
            return (bool)review["status"]!["allowed"]! == is_;
        },
        $"{verb} {resource} is {(is_ ? "allowed" : "forbidden")}");

    public async ValueTask DisposeAsync()
    {
        await Private.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [GeneratedRegex("token: [0-9a-f]+")]
    private static partial Regex Token();

    private sealed class Restored(Func<Task> restore) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync() => await restore();
    }
}
