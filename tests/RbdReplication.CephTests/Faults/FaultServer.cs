using System.Diagnostics;
using System.Text.Json;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests.Faults;

/// <summary>
/// A server of its own that knows both sites, whose configuration is mounted as Kubernetes mounts a ConfigMap, and that can be
/// killed and started again.
/// </summary>
public sealed class FaultServer : IAsyncDisposable
{
    private readonly TwoSites _sites;
    private readonly string _folder = Path.Combine(TwoSites.Folder, "faults-" + Guid.NewGuid().ToString("N")[..12]);
    private readonly string[] _options;
    private readonly string? _stderr;
    private readonly List<ServerProcess> _dead = [];
    private int _version;

    private FaultServer(TwoSites sites, string? stderr, string[] options) => (_sites, _stderr, _options) = (sites, stderr, options);

    /// <summary>The server that runs now.</summary>
    public ServerProcess Process { get; private set; } = null!;

    /// <summary>What it and those before it have logged.</summary>
    public string Log => string.Join('\n', _dead.Append(Process).Select(server => server.Log));

    /// <param name="sites">The sites.</param>
    /// <param name="stderr">File that its log goes to, instead of <see cref="Log"/>.</param>
    /// <param name="options">Further options of <c>serve</c>.</param>
    public static async Task<FaultServer> StartAsync(TwoSites sites, string? stderr = null, params string[] options)
    {
        var server = new FaultServer(sites, stderr, options);
        Directory.CreateDirectory(server._folder);
        await server.MountAsync(server.GoodConfig);
        File.CreateSymbolicLink(server.ConfigPath, "..data/config.json");
        await server.LaunchAsync();
        return server;
    }

    private string ConfigPath => Path.Combine(_folder, "config.json");

    /// <summary>A configuration with both sites.</summary>
    public string GoodConfig => JsonSerializer.Serialize(new object[]
    {
        new { clusterID = _sites.A.Name, monitors = _sites.A.Monitors },
        new { clusterID = _sites.B.Name, monitors = _sites.B.Monitors },
    });

    /// <summary>As the kubelet does it: <c>..data</c> is a link to a folder with the content, and is replaced by renaming another.</summary>
    public async Task MountAsync(string config)
    {
        var version = $"..version{++_version}";
        Directory.CreateDirectory(Path.Combine(_folder, version));
        await File.WriteAllTextAsync(Path.Combine(_folder, version, "config.json"), config);
        var fresh = Path.Combine(_folder, "..data_tmp");
        File.CreateSymbolicLink(fresh, version);
        await ProcessOutput.OfAsync("mv", "-T", fresh, Path.Combine(_folder, "..data"));
    }

    /// <summary>Kills it as <c>kill -9</c> does.</summary>
    public async Task KillAsync()
    {
        Process.Kill();
        await Process.WaitForExitAsync();
    }

    /// <summary>Starts it again on the same socket.</summary>
    public Task RestartAsync()
    {
        _dead.Add(Process);
        return LaunchAsync();
    }

    private async Task LaunchAsync()
    {
        var socket = Path.Combine(_folder, "serve.sock");
        string[] arguments =
        [
            "serve", "--csi-addons-endpoint", "unix://" + socket, "--http-endpoint", "", "--log-format", "text",
            "--cluster-config", ConfigPath, "--cluster-mapping", _sites.A.MappingPath, .. _options,
        ];
        string[] line = _stderr is null ? [ServerProcess.Binary, .. arguments] : ["sh", "-c", $"exec \"$0\" \"$@\" 2>>{_stderr}", ServerProcess.Binary, .. arguments];
        Process = await ServerProcess.AttachAsync(
            System.Diagnostics.Process.Start(new ProcessStartInfo(line[0], line[1..]) { RedirectStandardError = true, RedirectStandardOutput = true })!, socket);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var server in _dead.Append(Process))
            await server.DisposeAsync();
    }
}
