using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;
using RbdReplication.Kubernetes;
using RbdReplication.PersistentVolumes;
using RbdReplication.Tests.Kubernetes;

namespace RbdReplication.CephTests.PersistentVolumes;

/// <summary>An API server stand-in with the Secret of a site's CSI user, and generators that work for it on that site.</summary>
public sealed class GeneratorRig : IAsyncDisposable
{
    private readonly Site _site;
    private readonly List<Func<Task>> _stops = [];

    private GeneratorRig(Site site) => _site = site;

    public ApiServerStandIn Api { get; } = new();

    /// <summary>A journal directory of its own.</summary>
    public string InstanceId { get; } = Guid.NewGuid().ToString("N");

    public string Folder { get; } = Directory.CreateTempSubdirectory("rbd-replication-").FullName;

    public string KubeConfigPath => Path.Combine(Folder, "kubeconfig");

    /// <summary>Cluster id of <see cref="Private"/>.</summary>
    public const string PrivateCluster = "private";

    /// <summary>A rados namespace of this rig's own, which librbd knows nothing of.</summary>
    public RadosPool Private { get; private set; } = null!;

    private string ConfigPath => Path.Combine(Folder, "config.json");

    public static async Task<GeneratorRig> StartAsync(Site site)
    {
        var rig = new GeneratorRig(site);
        rig.Private = await site.Cluster.OpenPoolAsync(TwoSites.Pool, rig.InstanceId, CancellationToken.None);
        var config = JsonNode.Parse(await File.ReadAllTextAsync(site.ConfigPath))!.AsArray();
        config.Add(new JsonObject
        {
            ["clusterID"] = PrivateCluster,
            ["monitors"] = new JsonArray([.. site.Monitors.Select(m => (JsonNode)m)]),
            ["rbd"] = new JsonObject { ["radosNamespace"] = rig.InstanceId },
        });
        await File.WriteAllTextAsync(rig.ConfigPath, config.ToJsonString());
        await rig.Api.StartAsync();
        rig.PutSecret(site.Secrets[CephCredentials.KeyField]);
        await File.WriteAllTextAsync(rig.KubeConfigPath, rig.Api.KubeConfig());
        return rig;
    }

    public void PutSecret(string key) =>
        Api.PutSecret("ceph", "csi-rbd", (CephCredentials.UserField, "csi"), (CephCredentials.KeyField, key));

    /// <summary>
    /// Adds a cluster to the configuration of generators that are started later, and takes out of it what tells whose cluster is
    /// whose: only the key does then.
    /// </summary>
    public async Task AddClusterAsync(string id, IReadOnlyList<string> monitors)
    {
        var config = JsonNode.Parse(await File.ReadAllTextAsync(ConfigPath))!.AsArray();
        foreach (var cluster in config)
            cluster!.AsObject().Remove("replicationDestination");
        config.Add(new JsonObject { ["clusterID"] = id, ["monitors"] = new JsonArray([.. monitors.Select(m => (JsonNode)m)]) });
        await File.WriteAllTextAsync(ConfigPath, config.ToJsonString());
    }

    /// <summary>A mapping in this rig's directory whose image does not exist yet.</summary>
    public MappedImage NewImage(RadosPool? pool = null) => new(pool ?? _site.Pool, InstanceId);

    /// <summary>The PersistentVolume of a mapping.</summary>
    public JsonObject Pv(MappedImage image, string? clusterId = null, string @namespace = "apps")
    {
        var pv = PvObject.Json(0, @namespace: @namespace, handle: new VolumeHandle(clusterId ?? _site.Name, 2, image.Reservation.Uuid).ToString());
        pv["metadata"]!["name"] = image.Reservation.RequestName;
        pv["metadata"]!["uid"] = image.Reservation.RequestName[4..];
        return pv;
    }

    /// <summary>Starts a generator in this process.</summary>
    internal OmapGenerator Start(Func<OmapGeneratorOptions, OmapGeneratorOptions>? change = null)
    {
        var options = new OmapGeneratorOptions
        {
            DriverName = PvObject.Driver,
            InstanceId = InstanceId,
            LeaderElectionNamespace = "ceph",
            SetMetadata = false,
            ClusterName = "",
            Workers = 4,
            // The production maximum of a quarter of an hour is right for a cluster and too long for a test.
            LongestRetryDelay = TimeSpan.FromSeconds(1),
        };
        options = change?.Invoke(options) ?? options;
        var api = Api.Connect();
        var connections = new ClusterConnections(TimeProvider.System);
        var telemetry = new GeneratorTelemetry();
        var files = new ClusterFiles(ConfigPath, _site.MappingPath, (_, _) => { });
        var generator = new OmapGenerator(api, files, connections, telemetry, options, TimeProvider.System, NullLoggerFactory.Instance);
        var stop = new CancellationTokenSource();
        var running = generator.RunAsync(stop.Token);
        _stops.Add(async () =>
        {
            await stop.CancelAsync();
            await running;
            stop.Dispose();
            telemetry.Dispose();
            api.Dispose();
            await connections.DisposeAsync();
        });
        return generator;
    }

    /// <summary>Stops the generators that were started in this process.</summary>
    public async Task StopAsync()
    {
        foreach (var stop in _stops)
            await stop();
        _stops.Clear();
    }

    internal static Task ReadyAsync(OmapGenerator generator) =>
        Eventually.TrueAsync(() => Task.FromResult(generator.Readiness is { IsReady: true, State: "ok" }), "the first pass is done");

    public static Task MappedAsync(MappedImage image) =>
        Eventually.TrueAsync(async () => await image.ReadDirectoryEntryAsync() == image.Reservation.Uuid, $"{image.Reservation.RequestName} is mapped");

    public IEnumerable<JsonObject> EventsOf(MappedImage image) =>
        Api.Events.Where(e => (string?)e["involvedObject"]!["name"] == image.Reservation.RequestName);

    public Task EventAsync(MappedImage image, string reason) => Eventually.TrueAsync(
        () => Task.FromResult(EventsOf(image).Any(e => (string?)e["reason"] == reason)), $"an event {reason} on {image.Reservation.RequestName}");

    /// <summary>The command line of a generator process for this rig.</summary>
    public IEnumerable<string> Arguments(params string[] more) =>
    [
        "omap-generator", "--kubeconfig", KubeConfigPath, "--cluster-config", ConfigPath, "--cluster-mapping", _site.MappingPath,
        "--instance-id", InstanceId, "--leader-election-namespace", "ceph", "--log-format", "text",
        .. more,
    ];

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await Api.DisposeAsync();
        await Private.DisposeAsync();
        Directory.Delete(Folder, recursive: true);
    }
}
