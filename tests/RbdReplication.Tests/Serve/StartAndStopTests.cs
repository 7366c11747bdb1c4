using System.Net.Sockets;
using Grpc.Core;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.Tests;

public sealed class StartAndStopTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("start-").FullName;

    private string SocketPath => Path.Combine(_folder, "csi-addons.sock");

    private string ConfigPath => Path.Combine(_folder, "config.json");

    public StartAndStopTests() => File.WriteAllText(ConfigPath, """[{"clusterID":"dead","monitors":["127.0.0.1:1"]}]""");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static async Task<(int ExitCode, string Error)> RunAsync(IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null)
    {
        using var process = ServerProcess.Start(arguments, environment);
        var error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, await error);
    }

    private Task<ServerProcess> StartAsync(params string[] options) => ServerProcess.StartAsync(SocketPath, ["--cluster-config", ConfigPath, .. options]);

    [Theory]
    [InlineData("--no-such-option", "--no-such-option")]
    [InlineData("--operation-timeout ten", "--operation-timeout is \"ten\"")]
    [InlineData("--operation-timeout 0s", "--operation-timeout is \"0s\"")]
    [InlineData("--log-level loud", "one of trace, debug, info, warn, error")]
    [InlineData("--csi-addons-endpoint tcp://127.0.0.1:1", "starts with unix://")]
    [InlineData("--csi-addons-endpoint /csi/csi-addons.sock", "starts with unix://")]
    [InlineData("--forward-endpoint /csi/csi-addons.sock", "starts with unix://")]
    [InlineData("--forward-endpoint unix:///csi/csi-addons.sock", "the server's own socket")]
    [InlineData("--http-endpoint localhost", "--http-endpoint is \"localhost\"")]
    [InlineData("--driver-name", "--driver-name")]
    public async Task A_wrong_option_is_one_line_and_exit_code_2_before_anything_is_opened(string options, string expected)
    {
        string[] endpoint = options.Contains("endpoint", StringComparison.Ordinal) ? [] : ["--csi-addons-endpoint", "unix://" + SocketPath];
        var (exitCode, error) = await RunAsync(["serve", .. endpoint, .. options.Split(' ')]);
        Assert.Equal(2, exitCode);
        Assert.Contains(expected, error, StringComparison.Ordinal);
        Assert.Equal(1, error.Count(character => character == '\n'));
        Assert.False(File.Exists(SocketPath));
    }

    [Fact]
    public async Task A_socket_path_that_is_too_long_for_the_system_is_a_wrong_option()
    {
        var (exitCode, error) = await RunAsync(["serve", "--csi-addons-endpoint", $"unix://{_folder}/{new string('x', 120)}.sock"]);
        Assert.Equal(2, exitCode);
        Assert.Contains("at most 107 bytes", error, StringComparison.Ordinal);
        Assert.Equal(1, error.Count(character => character == '\n'));
    }

    [Fact]
    public async Task A_wrong_variable_of_the_environment_is_named()
    {
        var (exitCode, error) = await RunAsync(["serve"], new Dictionary<string, string> { ["RBD_REPLICATION_OPERATION_TIMEOUT"] = "ten" });
        Assert.Equal(2, exitCode);
        Assert.Contains("RBD_REPLICATION_OPERATION_TIMEOUT is \"ten\"", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_option_may_come_from_the_environment_and_the_command_line_wins()
    {
        var environment = new Dictionary<string, string>
        {
            ["RBD_REPLICATION_DRIVER_NAME"] = "from.the.environment",
            ["RBD_REPLICATION_CSI_ADDONS_ENDPOINT"] = "unix://" + SocketPath,
            ["RBD_REPLICATION_HTTP_ENDPOINT"] = "",
        };
        await using (var server = await ServerProcess.AttachAsync(ServerProcess.Start(["serve"], environment), SocketPath))
            Assert.Equal("from.the.environment", (await server.Identity.GetIdentityAsync(new())).Name);
        await using (var server = await ServerProcess.AttachAsync(ServerProcess.Start(["serve", "--driver-name", "from.the.line"], environment), SocketPath))
            Assert.Equal("from.the.line", (await server.Identity.GetIdentityAsync(new())).Name);
    }

    [Fact]
    public async Task The_socket_of_a_killed_server_is_replaced()
    {
        await using (var killed = await StartAsync())
        {
            killed.Kill();
            await killed.WaitForExitAsync();
        }
        Assert.True(File.Exists(SocketPath));
        await using var server = await StartAsync();
        Assert.True((await server.Identity.ProbeAsync(new())).Ready);
    }

    [Fact]
    public async Task The_socket_is_for_owner_and_group_only()
    {
        await using var server = await StartAsync();
        Assert.Equal(
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite, File.GetUnixFileMode(SocketPath));
    }

    [Fact]
    public async Task The_socket_of_a_living_server_is_left_alone()
    {
        await using var living = await StartAsync();
        var (exitCode, error) = await RunAsync(["serve", "--csi-addons-endpoint", "unix://" + SocketPath, "--http-endpoint", ""]);
        Assert.Equal(1, exitCode);
        Assert.Contains("another server is listening", error, StringComparison.Ordinal);
        Assert.True((await living.Identity.ProbeAsync(new())).Ready);
    }

    [Theory]
    [InlineData("precious")]
    [InlineData("")]
    public async Task A_plain_file_in_the_place_of_the_socket_is_left_alone(string content)
    {
        await File.WriteAllTextAsync(SocketPath, content);
        var (exitCode, error) = await RunAsync(["serve", "--csi-addons-endpoint", "unix://" + SocketPath, "--http-endpoint", ""]);
        Assert.Equal(1, exitCode);
        Assert.Contains("is no socket", error, StringComparison.Ordinal);
        Assert.Equal(content, await File.ReadAllTextAsync(SocketPath));
    }

    [Fact]
    public async Task A_missing_folder_is_one_line()
    {
        var (exitCode, error) = await RunAsync(["serve", "--csi-addons-endpoint", $"unix://{_folder}/none/x.sock", "--http-endpoint", ""]);
        Assert.Equal((1, 1), (exitCode, error.Count(character => character == '\n')));
        Assert.Contains("does not exist", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_termination_lets_the_calls_under_way_end_and_removes_the_socket()
    {
        await using var server = await StartAsync();
        var handle = new Core.VolumeHandle("dead", 1, Guid.NewGuid().ToString()).ToString();
        var call = Rpc.StatusAsync(server.Replication, Rpc.GetInfo, new() { Source = RpcArguments.Volume(handle), Secrets = RunningServer.Secrets });
        // The connection attempt makes threads of its own; from then on the call is under way.
        await Eventually.TrueAsync(
            () => Task.FromResult(Directory.GetDirectories($"/proc/{server.ProcessId}/task").Any(task => File.ReadAllText(Path.Combine(task, "comm")).StartsWith("ceph-csi", StringComparison.Ordinal))),
            "the call has begun to connect");
        var exitCode = await server.TerminateAsync();
        var status = await call;
        Assert.Equal(StatusCode.Unavailable, status.StatusCode);
        Assert.Contains("cannot connect to cluster dead", status.Detail, StringComparison.Ordinal);
        Assert.Equal(0, exitCode);
        Assert.False(File.Exists(SocketPath));
    }

    [Fact]
    public async Task A_server_that_waits_for_a_change_before_it_stops_begins_no_other_and_still_answers()
    {
        await using var server = await StartAsync();
        RpcArguments Volume() => new() { Source = RpcArguments.Volume(new Core.VolumeHandle("dead", 1, Guid.NewGuid().ToString()).ToString()), Secrets = RunningServer.Secrets };
        // Ends when the attempt to connect does, after four seconds.
        var change = Rpc.StatusAsync(server.Replication, Rpc.Promote, Volume());
        await Eventually.TrueAsync(async () => (await Scrape.GetAsync(server, "/operations")).Contains("\"promote\"", StringComparison.Ordinal), "the change is under way");
        var exitCode = server.TerminateAsync();
        await Eventually.TrueAsync(async () => (await server.Identity.ProbeAsync(new())).Ready == false, "the server says that it is stopping");
        var refused = await Rpc.StatusAsync(server.Replication, Rpc.Demote, Volume());
        Assert.Equal(StatusCode.Unavailable, refused.StatusCode);
        Assert.Contains("demote was not begun, because this server is stopping", refused.Detail, StringComparison.Ordinal);
        Assert.Contains("\"promote\"", await Scrape.GetAsync(server, "/operations"), StringComparison.Ordinal);
        Assert.Contains("cannot connect to cluster dead", (await change).Detail, StringComparison.Ordinal);
        Assert.Equal(0, await exitCode);
        Assert.Contains("Stopping: waiting up to 45 s for 1 changes", server.Log, StringComparison.Ordinal);
        Assert.DoesNotContain("left behind", server.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_change_that_outlasts_the_patience_of_a_stopping_server_is_named_in_the_log()
    {
        await using var server = await StartAsync("--stop-timeout", "100ms");
        var handle = new Core.VolumeHandle("dead", 1, Guid.NewGuid().ToString()).ToString();
        var change = Rpc.StatusAsync(server.Replication, Rpc.Promote, new() { Source = RpcArguments.Volume(handle), Secrets = RunningServer.Secrets, Force = true });
        await Eventually.TrueAsync(async () => (await Scrape.GetAsync(server, "/operations")).Contains(handle, StringComparison.Ordinal), "the change is under way");
        Assert.Equal(0, await server.TerminateAsync());
        await change;
        var line = Assert.Single(server.Log.Split('\n'), line => line.Contains("left behind", StringComparison.Ordinal));
        Assert.Contains($"forced promote of volume {handle} is left behind after", line, StringComparison.Ordinal);
        Assert.Contains("promote it by force again, which finishes that", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Metrics_and_probes_are_served_over_http()
    {
        var port = FreePort();
        var process = ServerProcess.Start(["serve", "--csi-addons-endpoint", "unix://" + SocketPath, "--cluster-config", ConfigPath, "--http-endpoint", $"http://127.0.0.1:{port}"]);
        await using var server = await ServerProcess.AttachAsync(process, SocketPath);
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
        Assert.Equal("ok\n", await http.GetStringAsync(new Uri("/healthz", UriKind.Relative)));
        Assert.Equal("ok\n", await http.GetStringAsync(new Uri("/readyz", UriKind.Relative)));
        await Rpc.StatusAsync(server.Replication, Rpc.Demote, new());
        Assert.Equal("{\"operations\":[]}", await http.GetStringAsync(new Uri("/operations", UriKind.Relative)));
        Assert.Contains("rbd_replication_rpc_duration", await http.GetStringAsync(new Uri("/metrics", UriKind.Relative)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_without_a_usable_configuration_is_not_ready_and_says_why()
    {
        await File.WriteAllTextAsync(ConfigPath, "[{");
        var port = FreePort();
        var process = ServerProcess.Start(["serve", "--csi-addons-endpoint", "unix://" + SocketPath, "--cluster-config", ConfigPath, "--http-endpoint", $"http://127.0.0.1:{port}"]);
        await using var server = await ServerProcess.AttachAsync(process, SocketPath);
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
        var answer = await http.GetAsync(new Uri("/readyz", UriKind.Relative));
        Assert.Equal(System.Net.HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.StartsWith($"the configuration file {ConfigPath} cannot be used: ", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        await File.WriteAllTextAsync(ConfigPath, "[]");
        Assert.Equal("ok\n", await http.GetStringAsync(new Uri("/readyz", UriKind.Relative)));
    }

    internal static int FreePort()
    {
        using var listener = new TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        return ((System.Net.IPEndPoint)listener.LocalEndpoint).Port;
    }
}
