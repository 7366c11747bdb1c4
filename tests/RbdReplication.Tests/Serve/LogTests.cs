using System.Diagnostics;
using Grpc.Core;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.Tests;

public sealed class LogTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("log-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private async Task<ServerProcess> StartAsync(string stderr)
    {
        var socket = Path.Combine(_folder, "serve.sock");
        var info = new ProcessStartInfo(
            "sh", ["-c", $"exec \"$0\" \"$@\" 2>{stderr}", ServerProcess.Binary, "serve", "--csi-addons-endpoint", "unix://" + socket, "--http-endpoint", "", "--log-format", "text"])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };
        return await ServerProcess.AttachAsync(Process.Start(info)!, socket);
    }

    // Each is a line in the log.
    private static Task CallAsync(ServerProcess server, int count) => Parallel.ForEachAsync(
        Enumerable.Range(0, count), new ParallelOptions { MaxDegreeOfParallelism = 32 }, async (_, _) =>
        {
            var status = await Rpc.StatusAsync(
                server.Replication, Rpc.GetInfo, new() { Source = RpcArguments.Volume("no handle"), Secrets = RunningServer.Secrets },
                new CallOptions(deadline: DateTime.UtcNow.AddMinutes(1)));
            Assert.Equal(StatusCode.InvalidArgument, status.StatusCode);
        });

    [Fact]
    public async Task A_log_that_nobody_takes_holds_up_no_call_and_tells_later_what_it_lacks()
    {
        var path = Path.Combine(_folder, "stderr");
        await ProcessOutput.OfAsync("mkfifo", path);
        // Open for both, it waits for nobody; a pipe holds 64 KiB.
        await using var pipe = new FileStream(path, FileMode.Open, FileAccess.ReadWrite);
        await using var server = await StartAsync(path);
        await CallAsync(server, 6000);

        using var reader = new StreamReader(pipe);
        var taken = TakeUntilAsync(reader, "dropped because of queue size limit");
        while (!taken.IsCompleted)
            await CallAsync(server, 1);
        Assert.Contains("is not a volume handle", await taken, StringComparison.Ordinal);
        // What it says while it ends must not meet a full pipe either.
        var rest = TakeUntilAsync(reader, "Stopped");
        Assert.Equal(0, await server.TerminateAsync());
        await rest;
    }

    [Fact]
    public async Task A_log_on_a_full_disk_holds_up_no_call()
    {
        await using var server = await StartAsync("/dev/full");
        await CallAsync(server, 100);
        Assert.Equal(0, await server.TerminateAsync());
    }

    private static async Task<string> TakeUntilAsync(StreamReader reader, string words)
    {
        var before = "";
        while (await reader.ReadLineAsync() is { } line && !line.Contains(words, StringComparison.Ordinal))
            before = line;
        return before;
    }
}
