using RbdReplication.CephTests.PersistentVolumes;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.KubernetesTests.Clusters;

namespace RbdReplication.KubernetesTests.Api;

/// <summary>An omap generator as a process, of a driver that has no volumes: it takes part in the election, and needs no Ceph for it.</summary>
public sealed class LonelyGenerator : IDisposable
{
    private readonly ApiServer _server;
    private readonly string _path;
    private readonly string _folder = Directory.CreateTempSubdirectory("rbd-replication-").FullName;

    public LonelyGenerator(ApiServer server, string @namespace)
    {
        const string Driver = "lonely.example.com";
        _server = server;
        _path = $"apis/coordination.k8s.io/v1/namespaces/{@namespace}/leases/{Driver}-{@namespace}";
        var config = Path.Combine(_folder, "config.json");
        File.WriteAllText(config, """[{"clusterID":"site-a","monitors":["127.0.0.1:1"]}]""");
        Process = new GeneratorProcess(
        [
            "omap-generator", "--kubeconfig", TwoClusters.KubeConfigOf(server), "--cluster-config", config, "--driver-name", Driver,
            "--leader-election-namespace", @namespace, "--log-format", "text",
        ]);
    }

    public GeneratorProcess Process { get; }

    public async Task<string?> HolderAsync() => (string?)(await _server.FindAsync(_path))?["spec"]!["holderIdentity"];

    public async Task<string?> RenewalAsync() => (string?)(await _server.GetAsync(_path))["spec"]!["renewTime"];

    /// <summary>Waits until somebody holds the lease.</summary>
    public Task<string> LeadsAsync() => Eventually.GetAsync(async () => await HolderAsync() is { Length: > 0 } holder ? holder : null, "the lease is held");

    public void Dispose()
    {
        Process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
