using System.Text.Json.Nodes;
using RbdReplication.Ceph;
using RbdReplication.CephTests.PersistentVolumes;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.KubernetesTests.Clusters;
using RbdReplication.KubernetesTests.Play;
using RbdReplication.KubernetesTests.Sites;

namespace RbdReplication.KubernetesTests.Guide;

/// <summary>The steps by hand of docs/disaster-recovery.md, as they are printed there.</summary>
public sealed class GuideTests(TwoClusters clusters, TwoSites sites) : IAsyncLifetime
{
    private const string Namespace = "app";
    private const string Driver = "rbd.csi.ceph.com";
    private static readonly string[] Saved = ["pv.json", "pvc.json"];

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("rbd-replication-");
    private ReplicatedSites _replicated = null!;
    private GuideSteps _guide = null!;

    public async ValueTask InitializeAsync()
    {
        _guide = await GuideSteps.ReadAsync();
        _replicated = await ReplicatedSites.PrepareAsync(clusters, sites, Driver);
        foreach (var (server, site) in ((ApiServer, Site)[])[(clusters.A, sites.A), (clusters.B, sites.B)])
        {
            var folder = _folder.CreateSubdirectory(server.Name);
            await ProcessOutput.OfAsync("cp", "-r", Path.Combine(TwoSites.Repository, "deploy"), folder.FullName);
            // "clusterID is this site's id in config.json", the example says.
            var groupClass = Path.Combine(folder.FullName, "deploy", "examples", "volume-group-replication-class.yaml");
            await File.WriteAllTextAsync(groupClass, (await File.ReadAllTextAsync(groupClass)).Replace("clusterID: site-a", $"clusterID: {site.Name}", StringComparison.Ordinal));
            await PutSecretAsync(server, site);
        }
        await clusters.A.CreateAsync("api/v1/namespaces", new JsonObject { ["metadata"] = new JsonObject { ["name"] = Namespace } });
        _replicated.Keep(Namespace);
        await _replicated.GenerateAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _replicated.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Every_step_by_hand_does_what_the_guide_says()
    {
        foreach (var site in (ApiServer[])[clusters.A, clusters.B])
            await RunAsync(site, "Protect a claim", "kubectl apply -f deploy/examples/05");
        var volume = await VolumeAsync("data");
        await RunAsync(clusters.A, "Protect a claim", "kubectl apply -f deploy/examples/pvc.yaml");
        await ReachedAsync(clusters.A, "Primary");
        await volume.AwaitCopyAsync(sites.B);
        await SaveAsync("data");
        await RunAsync(clusters.B, "Save what Kubernetes knows", "kubectl create namespace");
        await RestoreAsync("data");

        await RehearseAsync(volume);

        await RunAsync(clusters.A, "Planned move", "kubectl get volumeattachments");
        await MoveAsync(clusters.A, sites.A, clusters.B, sites.B, volume);

        // The site that is given up is site-b now, and its Ceph cluster lives. The fence of the example is for site-a.
        await RunAsync(clusters.A, "Fence, and let in again", "kubectl apply");
        await FencedAsync("Fenced", isListed: true);
        await RunAsync(clusters.A, "Fence, and let in again", "kubectl patch");
        await FencedAsync("Unfenced", isListed: false);
        await RunAsync(clusters.A, "Failover after a disaster");
        await ReachedAsync(clusters.A, "Primary");

        await volume.WriteAsync(sites.A, 8192, Guid.NewGuid().ToByteArray());
        await RunAsync(clusters.B, "Failback", "kubectl apply -f deploy/examples/volume-replication-secondary");
        await ReachedAsync(clusters.B, "Secondary");
        await RunAsync(clusters.B, "Failback", "kubectl apply -f deploy/examples/volume-replication-resync");
        // "ready": false, the guide says: it follows.
        await ReachedAsync(clusters.B, "Secondary", "Resyncing");
        await MoveAsync(clusters.A, sites.A, clusters.B, sites.B, volume);

        await RunAsync(clusters.B, "Take a volume out of replication", "kubectl delete volumereplication");
        await RunAsync(clusters.A, "Take a volume out of replication", "kubectl delete");
        Assert.Equal(MirrorImageState.Disabled, (await volume.InfoAsync(sites.B)).State);
        Assert.Null(await clusters.A.FindAsync(ApiServer.Claims(Namespace) + "/data"));

        await GroupAsync();
        Assert.Empty(_guide.Left);
    }

    private async Task RehearseAsync(TestVolume volume)
    {
        await PointRun.TakeAsync(sites.A, volume, "before-upgrade");
        var drill = new DrillCalls(sites.B, sites.B.Pool);
        // The guide's is called q4.
        var (code, manifests, error) = await drill.RunAsync("create", "q4", "--volume", volume.Handle.ToString(), "--point", "before-upgrade", "--storage-class", "rbd-replicated");
        Assert.True(code == 0, error);
        await File.WriteAllTextAsync(Path.Combine(_folder.FullName, clusters.B.Name, "q4.yaml"), manifests);
        await RunAsync(clusters.B, "Rehearse a failover", "kubectl create namespace");
        await BashAsync(clusters.B, "kubectl apply -f q4.yaml");
        await Eventually.TrueAsync(
            async () => (await clusters.B.ListAsync(ApiServer.Claims("drill-q4"))) is [var claim] && (string?)claim["status"]?["phase"] == "Bound", "the drill's claim is bound");
        await RunAsync(clusters.B, "Rehearse a failover", "kubectl delete");
        (code, _, error) = await drill.RunAsync("remove", "q4", "--cluster-id", sites.B.Name);
        Assert.True(code == 0, error);
    }

    private async Task GroupAsync()
    {
        string[] claims = ["shop-data", "shop-log"];
        foreach (var site in (ApiServer[])[clusters.A, clusters.B])
            await RunAsync(site, "Protect a group", "kubectl apply -f deploy/examples/05");
        var volumes = new[] { await VolumeAsync(claims[0]), await VolumeAsync(claims[1]) };
        await RunAsync(clusters.A, "Protect a group", "kubectl apply -f deploy/examples/volume-group-pvcs.yaml");
        await GroupReachedAsync(clusters.A, "Primary");
        foreach (var (claim, volume) in claims.Zip(volumes))
        {
            await volume.AwaitCopyAsync(sites.B);
            await SaveAsync(claim);
            await RestoreAsync(claim);
        }
        await RunAsync(clusters.A, "Of a group", "kubectl get");
        Hand("vgrcontent.json", "vgr.json");
        await RunAsync(clusters.B, "Of a group", "kubectl apply");
        await GroupReachedAsync(clusters.B, "Secondary");

        foreach (var volume in volumes)
            await volume.WriteAsync(sites.A, 4096, Guid.NewGuid().ToByteArray());
        var digests = await Task.WhenAll(volumes.Select(volume => volume.DigestAsync(sites.A)));
        var steps = _guide.Take("Move a group");
        await BashAsync(clusters.A, steps[0]);
        await GroupReachedAsync(clusters.A, "Secondary");
        await BashAsync(clusters.B, steps[1]);
        await GroupReachedAsync(clusters.B, "Primary");
        Assert.Equal(digests, await Task.WhenAll(volumes.Select(volume => volume.DigestAsync(sites.B))));

        foreach (var site in (ApiServer[])[clusters.B, clusters.A])
            await RunAsync(site, "Take a group out of replication");
        Assert.All(await Task.WhenAll(volumes.Select(volume => volume.InfoAsync(sites.B))), info => Assert.Equal(MirrorImageState.Disabled, info.State));
    }

    private async Task MoveAsync(ApiServer from, Site source, ApiServer to, Site target, TestVolume volume)
    {
        await volume.WriteAsync(source, 4096, Guid.NewGuid().ToByteArray());
        var digest = await volume.DigestAsync(source);
        await RunAsync(from, "Planned move", "kubectl apply -f deploy/examples/volume-replication-secondary.yaml");
        await ReachedAsync(from, "Secondary");
        await RunAsync(to, "Planned move", "kubectl apply -f deploy/examples/volume-replication.yaml");
        await ReachedAsync(to, "Primary");
        Assert.Equal(digest, await volume.DigestAsync(target));
    }

    private async Task SaveAsync(string claim)
    {
        foreach (var step in _guide.Take("Save what Kubernetes knows", "kubectl get"))
            await BashAsync(clusters.A, step.Replace("get pvc data ", $"get pvc {claim} ", StringComparison.Ordinal));
        Hand(Saved);
    }

    private async Task RestoreAsync(string claim)
    {
        await RunAsync(clusters.B, "Save what Kubernetes knows", "kubectl apply");
        await Eventually.TrueAsync(
            async () => (string?)(await clusters.B.FindAsync($"{ApiServer.Claims(Namespace)}/{claim}"))?["status"]?["phase"] == "Bound", $"{claim} is bound at the other site");
    }

    /// <summary>Brings files that were saved at site-a to site-b.</summary>
    private void Hand(params string[] files)
    {
        foreach (var file in files)
            File.Copy(Path.Combine(_folder.FullName, clusters.A.Name, file), Path.Combine(_folder.FullName, clusters.B.Name, file), overwrite: true);
    }

    /// <summary>An image with its PersistentVolume, in place of what the driver would make for a claim.</summary>
    private async Task<TestVolume> VolumeAsync(string claim)
    {
        var volume = await TestVolume.CreateAsync(sites.A, features: ImageFeatures.Layering | ImageFeatures.ExclusiveLock);
        var pv = _replicated.Account.Pv("pvc-" + volume.Handle.Uuid, volume.Handle.ToString());
        var spec = pv["spec"]!.AsObject();
        spec["storageClassName"] = "rbd-replicated";
        spec["capacity"] = new JsonObject { ["storage"] = "10Gi" };
        spec["claimRef"] = new JsonObject { ["name"] = claim, ["namespace"] = Namespace };
        await clusters.A.CreateAsync(ApiServer.Volumes, pv);
        return volume;
    }

    /// <summary>The secret of the examples, of a user who may let in again as well.</summary>
    private static async Task PutSecretAsync(ApiServer server, Site site)
    {
        const string User = "guide";
        var key = (await site.CephAsync(
            "auth", "get-or-create-key", "client." + User, "mon", "profile rbd, allow command \"osd blocklist\"", "mgr", "profile rbd", "osd", "profile rbd")).Trim();
        await server.CreateAsync($"api/v1/namespaces/{GeneratorAccount.Namespace}/secrets", new JsonObject
        {
            ["metadata"] = new JsonObject { ["name"] = "csi-rbd-secret" },
            ["stringData"] = new JsonObject { ["userID"] = User, ["userKey"] = key },
        });
    }

    private async Task RunAsync(ApiServer site, string section, string begins = "kubectl ")
    {
        foreach (var step in _guide.Take(section, begins))
            await BashAsync(site, step);
    }

    private Task<string> BashAsync(ApiServer site, string step) => ProcessOutput.OfAsync(
        "bash", "-c", $"set -euo pipefail; cd '{Path.Combine(_folder.FullName, site.Name)}'; export KUBECONFIG='{TwoClusters.KubeConfigOf(site)}'; {step}");

    private static Task ReachedAsync(ApiServer site, string state, string? condition = null) =>
        ReachedAsync(site, ApiServer.Replications(Namespace) + "/data", state, condition);

    private static Task GroupReachedAsync(ApiServer site, string state) => ReachedAsync(site, GroupReconcile.Groups(Namespace) + "/shop", state, null);

    /// <param name="site">Where.</param>
    /// <param name="path">The object.</param>
    /// <param name="state">What it has to be.</param>
    /// <param name="condition">A condition that has to be true.</param>
    private static Task ReachedAsync(ApiServer site, string path, string state, string? condition) => Eventually.TrueAsync(
        async () => await site.FindAsync(path) is { } found && found["status"] is { } status && (string?)status["state"] == state
            && (long?)status["observedGeneration"] == (long)found["metadata"]!["generation"]!
            && (condition is null || status["conditions"]!.AsArray().Any(one => (string?)one!["type"] == condition && (string?)one["status"] == "True")),
        $"{path} is {state} at {site.Name}");

    private async Task FencedAsync(string state, bool isListed)
    {
        await Eventually.TrueAsync(
            async () => await clusters.A.GetAsync(FenceReconcile.Fences + "/lost-nodes") is var fence && (string?)fence["spec"]!["fenceState"] == state && (string?)fence["status"]?["result"] == "Succeeded"
                && (await sites.A.CephAsync("osd", "blocklist", "ls")).Contains("192.0.2.64", StringComparison.Ordinal) == isListed,
            $"the nodes are {state}");
    }
}
