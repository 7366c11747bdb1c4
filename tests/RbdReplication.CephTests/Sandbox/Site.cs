using System.Text.Json;
using RbdReplication.Ceph;
using RbdReplication.Core;
using RbdReplication.Csi.Protocol;

namespace RbdReplication.CephTests.Sandbox;

/// <summary>One Ceph cluster with a server of ours beside it.</summary>
public sealed class Site(string name, int port) : IAsyncDisposable
{
    public string Name => name;

    public string ConfFile => Path.Combine(TwoSites.Folder, name, "ceph.conf");

    public IReadOnlyList<string> Monitors => [$"[v2:127.0.0.1:{port},v1:127.0.0.1:{port + 1}]"];

    public string ConfigPath => Path.Combine(TwoSites.Folder, name, "config.json");

    public string MappingPath => Path.Combine(TwoSites.Folder, name, "cluster-mapping.json");

    /// <summary>The user of the CSI driver, with the capabilities that ceph-csi asks for.</summary>
    public CephCredentials Credentials { get; private set; } = null!;

    public Dictionary<string, string> Secrets { get; private set; } = null!;

    /// <summary>A connection as that user.</summary>
    public RadosCluster Cluster { get; private set; } = null!;

    public RadosPool Pool { get; private set; } = null!;

    /// <summary>The mirrored rados namespace.</summary>
    public RadosPool Tenant { get; private set; } = null!;

    public ServerProcess Server { get; private set; } = null!;

    public Controller.ControllerClient Replication => Server.Replication;

    public async Task ConnectAsync()
    {
        var key = (await CephAsync("auth", "get-key", "client.csi")).Trim();
        Secrets = new() { [CephCredentials.UserField] = "csi", [CephCredentials.KeyField] = key };
        Credentials = CephCredentials.FromSecrets(Secrets);
        Cluster = await RadosCluster.ConnectAsync(
            new RadosConnectionOptions { Monitors = MonitorList.Parse(Monitors), User = "csi", Key = Credentials.Key }, CancellationToken.None);
        Pool = await Cluster.OpenPoolAsync(TwoSites.Pool, "", CancellationToken.None);
        Tenant = await Cluster.OpenPoolAsync(TwoSites.Pool, TwoSites.Namespace, CancellationToken.None);
    }

    public async Task StartAsync(string mappingJson, Site peer)
    {
        await File.WriteAllTextAsync(ConfigPath, ConfigJson(Monitors, peer.Name));
        await File.WriteAllTextAsync(MappingPath, mappingJson);
        Server = await StartServerAsync(name);
    }

    /// <summary>Starts one more server for this site.</summary>
    public Task<ServerProcess> StartServerAsync(string label, params string[] options) =>
        ServerProcess.StartAsync(Path.Combine(TwoSites.Folder, label + ".sock"), ["--cluster-config", ConfigPath, "--cluster-mapping", MappingPath, .. options]);

    /// <summary>Kills this site's server as <c>kill -9</c> does.</summary>
    public async Task KillServerAsync()
    {
        Server.Kill();
        await Server.WaitForExitAsync();
    }

    /// <summary>Starts it again on the same socket.</summary>
    public async Task RestartServerAsync()
    {
        // The channel of the dead one stays open for callers that still hold it.
        Server = await StartServerAsync(name);
    }

    /// <summary>
    /// This site's cluster configuration: itself, the rados namespace as a cluster of its own, and one that nobody answers for.
    /// </summary>
    private string ConfigJson(IReadOnlyList<string> monitors, string peer) => JsonSerializer.Serialize(new object[]
    {
        new { clusterID = name, monitors, replicationDestination = new { remoteClusterID = peer } },
        new { clusterID = "tenant", monitors, rbd = new { radosNamespace = TwoSites.Namespace } },
        new { clusterID = "dead", monitors = (string[])["127.0.0.1:1"] },
    });

    /// <summary>Runs the ceph tool as admin.</summary>
    public Task<string> CephAsync(params string[] arguments) => ProcessOutput.OfAsync("ceph", ["-c", ConfFile, .. arguments]);

    /// <summary>Runs the rados tool as admin.</summary>
    public Task<string> RadosAsync(params string[] arguments) => ProcessOutput.OfAsync("rados", ["-c", ConfFile, .. arguments]);

    /// <summary>Runs the rbd tool as admin.</summary>
    public Task<string> RbdAsync(params string[] arguments) => ProcessOutput.OfAsync("rbd", ["-c", ConfFile, .. arguments]);

    /// <summary>Has the mirror daemon of this site stop copying an image, as a person does with <c>rbd mirror stop</c>.</summary>
    public Task StopCopyingAsync(TestVolume volume) => TellMirrorAsync(volume, "stop", "Stopped");

    /// <summary>Lets it go on.</summary>
    public Task GoOnCopyingAsync(TestVolume volume) => TellMirrorAsync(volume, "start", "Replaying");

    // The command does not wait for the end.
    private async Task TellMirrorAsync(TestVolume volume, string command, string state)
    {
        var run = Path.Combine(TwoSites.Folder, name, "run");
        var pid = (await File.ReadAllTextAsync(Path.Combine(run, "client.rbd-mirror.x.pid"))).Trim();
        Task<string> AskAsync(string what) => ProcessOutput.OfAsync(
            "ceph", "--admin-daemon", Path.Combine(run, $"client.rbd-mirror.x.{pid}.asok"), "rbd", "mirror", what, volume.PoolAt(this).SpecOf(volume.ImageName));
        await AskAsync(command);
        await Eventually.TrueAsync(async () => (await AskAsync("status")).Contains($"\"{state}\"", StringComparison.Ordinal), $"the daemon says {state}");
    }

    public async ValueTask DisposeAsync()
    {
        if (Server is not null)
            await Server.DisposeAsync();
        if (Cluster is not null)
        {
            await Pool.DisposeAsync();
            await Tenant.DisposeAsync();
            await Cluster.DisposeAsync();
        }
    }

    public override string ToString() => name;
}
