using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.RegularExpressions;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;

namespace RbdReplication.Benchmarks;

/// <summary>One Ceph site of a sandbox: a connection as the CSI driver's user, and what its OSD counts.</summary>
internal sealed partial class BenchSite : IAsyncDisposable
{
    public const string ClusterId = "bench";

    private const string PoolName = "replicapool";

    private readonly string _folder;

    private BenchSite(string folder, string monitors, string key)
    {
        _folder = folder;
        Monitors = monitors;
        Secrets = new() { [CephCredentials.UserField] = "csi", [CephCredentials.KeyField] = key };
        Credentials = CephCredentials.FromSecrets(Secrets);
    }

    public string Name => Path.GetFileName(_folder);

    public string ConfFile => Path.Combine(_folder, "ceph.conf");

    public string ConfigPath => Path.Combine(_folder, "config.json");

    public string Monitors { get; }

    public Dictionary<string, string> Secrets { get; }

    public CephCredentials Credentials { get; }

    public RadosCluster Cluster { get; private set; } = null!;

    public RadosPool Pool { get; private set; } = null!;

    public static async Task<BenchSite> ConnectAsync(string sandbox, string name)
    {
        var folder = Path.Combine(Path.GetFullPath(sandbox), name);
        var conf = Path.Combine(folder, "ceph.conf");
        var monitors = MonHost().Match(await File.ReadAllTextAsync(conf)).Groups[1].Value;
        var key = (await ProcessOutput.OfAsync("ceph", "-c", conf, "auth", "get-key", "client.csi")).Trim();
        var site = new BenchSite(folder, monitors, key);
        site.Cluster = await RadosCluster.ConnectAsync(
            new RadosConnectionOptions { Monitors = MonitorList.Parse([monitors]), User = "csi", Key = site.Credentials.Key }, CancellationToken.None);
        site.Pool = await site.Cluster.OpenPoolAsync(PoolName, "", CancellationToken.None);
        await File.WriteAllTextAsync(site.ConfigPath, JsonSerializer.Serialize(new[] { new { clusterID = ClusterId, monitors = (string[])[monitors] } }));
        return site;
    }

    /// <summary>Starts the published binary, on a socket of this name.</summary>
    public Task<ServerProcess> StartServerAsync(string label, params string[] options) => ServerProcess.StartAsync(
        Path.Combine(_folder, label + ".sock"), ["--cluster-config", ConfigPath, "--cluster-mapping", Path.Combine(_folder, "none.json"), .. options]);

    /// <summary>Operations of clients that the site's only OSD has done since it started.</summary>
    public async Task<long> OsdOperationsAsync()
    {
        var socketPath = Directory.GetFiles(Path.Combine(_folder, "run"), "osd.0.*.asok").Single();
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(socketPath));
        await using var stream = new NetworkStream(socket);
        await stream.WriteAsync("{\"prefix\":\"perf dump\",\"logger\":\"osd\",\"counter\":\"op\",\"format\":\"json\"}\0"u8.ToArray());
        var length = new byte[sizeof(int)];
        await stream.ReadExactlyAsync(length);
        var answer = new byte[BinaryPrimitives.ReadInt32BigEndian(length)];
        await stream.ReadExactlyAsync(answer);
        using var json = JsonDocument.Parse(answer);
        return json.RootElement.GetProperty("osd").GetProperty("op").GetInt64();
    }

    /// <summary>Operations in a second that the OSD does anyway, for mirror daemons and the manager.</summary>
    public async Task<double> BackgroundRateAsync(TimeSpan duration)
    {
        var before = await OsdOperationsAsync();
        await Task.Delay(duration);
        return (await OsdOperationsAsync() - before) / duration.TotalSeconds;
    }

    public async ValueTask DisposeAsync()
    {
        await Pool.DisposeAsync();
        await Cluster.DisposeAsync();
    }

    [GeneratedRegex(@"mon[_ ]host\s*=\s*(\S+)")]
    private static partial Regex MonHost();
}
