using System.Collections.Concurrent;
using System.Diagnostics;
using Grpc.Net.Client;
using RbdReplication.Csi.Cli;
using RbdReplication.Csi.Protocol;

namespace RbdReplication.CephTests.Sandbox;

/// <summary>The executable under test, running as <c>serve</c>; driven over its socket like the sidecar does.</summary>
public sealed class ServerProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly ConcurrentQueue<string> _log = new();

    private ServerProcess(Process process, string socketPath)
    {
        _process = process;
        SocketPath = socketPath;
        Channel = CallCommand.Connect(socketPath);
        Replication = new Controller.ControllerClient(Channel);
        Identity = new Identity.IdentityClient(Channel);
        process.ErrorDataReceived += (_, line) => _log.Enqueue(line.Data ?? "");
        process.BeginErrorReadLine();
    }

    /// <summary>The published binary if there is one, else the one that was built along with the tests.</summary>
    public static string Binary { get; } =
        Environment.GetEnvironmentVariable("RBD_REPLICATION_BINARY") is { Length: > 0 } published
            ? published
            : Path.Combine(AppContext.BaseDirectory, "rbd-replication");

    public string SocketPath { get; }

    public GrpcChannel Channel { get; }

    public Controller.ControllerClient Replication { get; }

    public Identity.IdentityClient Identity { get; }

    public int ProcessId => _process.Id;

    public bool HasExited => _process.HasExited;

    /// <summary>Number of descriptors that the server has open.</summary>
    public int Descriptors => Directory.GetFileSystemEntries($"/proc/{ProcessId}/fd").Length;

    /// <summary>Number of its threads.</summary>
    public int Threads => Directory.GetDirectories($"/proc/{ProcessId}/task").Length;

    /// <summary>Memory that it has in RAM.</summary>
    public long ResidentBytes
    {
        get
        {
            _process.Refresh();
            return _process.WorkingSet64;
        }
    }

    public string Log => string.Join('\n', _log);

    public static Task<ServerProcess> StartAsync(string socketPath, IEnumerable<string> options, bool untilReady = true) => AttachAsync(
        Start(["serve", "--csi-addons-endpoint", "unix://" + socketPath, "--http-endpoint", "", "--log-format", "text", "--volume-groups", .. options]), socketPath, untilReady);

    /// <summary>Waits until a server that was started answers on its socket, and says that it is ready.</summary>
    public static async Task<ServerProcess> AttachAsync(Process process, string socketPath, bool untilReady = true)
    {
        var server = new ServerProcess(process, socketPath);
        await Eventually.TrueAsync(
            async () =>
            {
                if (process.HasExited)
                    throw new InvalidOperationException($"the server ended with {process.ExitCode}: {server.Log}");
                return (await server.Identity.ProbeAsync(new ProbeRequest())).Ready == true || !untilReady;
            },
            "the server answers");
        return server;
    }

    public static Process Start(IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null)
    {
        var info = new ProcessStartInfo(Binary, arguments) { RedirectStandardError = true, RedirectStandardOutput = true };
        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
            info.Environment[name] = value;
        return Process.Start(info)!;
    }

    /// <summary>Asks the server to stop, waits, and returns its exit code.</summary>
    public async Task<int> TerminateAsync()
    {
        await ProcessOutput.OfAsync("kill", "-TERM", ProcessId.ToString());
        await _process.WaitForExitAsync();
        return _process.ExitCode;
    }

    public void Kill() => _process.Kill();

    public Task WaitForExitAsync() => _process.WaitForExitAsync();

    public async ValueTask DisposeAsync()
    {
        Channel.Dispose();
        if (!_process.HasExited)
            await TerminateAsync();
        _process.Dispose();
    }
}
