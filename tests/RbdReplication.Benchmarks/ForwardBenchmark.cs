using System.Globalization;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Csi.Cli;

namespace RbdReplication.Benchmarks;

/// <summary>A call of the driver's made directly and through the published binary, in the same rounds; the driver here sends back what it gets.</summary>
internal static class ForwardBenchmark
{
    private const int Rounds = 5;
    private const int RequestBytes = 1000;

    private static readonly Marshaller<byte[]> Bytes = Marshallers.Create(static bytes => bytes, static bytes => bytes);
    private static readonly Method<byte[], byte[]> Echo = new(MethodType.Unary, "unheard.of.Service", "Echo", Bytes, Bytes);

    public static async Task RunAsync(int calls)
    {
        var folder = Directory.CreateTempSubdirectory("forward-").FullName;
        var driverPath = Path.Combine(folder, "driver.sock");
        await using (var driver = await StartDriverAsync(driverPath))
        // Nobody here answers for the driver's capabilities, so the server never says that it is ready.
        await using (var server = await ServerProcess.StartAsync(Path.Combine(folder, "serve.sock"), ["--forward-endpoint", "unix://" + driverPath], untilReady: false))
        {
            using var direct = CallCommand.Connect(driverPath);
            var request = new byte[RequestBytes];
            async Task CallAsync(ChannelBase channel) => await channel.CreateCallInvoker().AsyncUnaryCall(Echo, null, default, request);
            foreach (var concurrency in (int[])[1, 32])
            {
                var (alone, through, cpu) = (new List<Load>(), new List<Load>(), new List<TimeSpan>());
                for (var round = 0; round <= Rounds; round++)
                {
                    var one = await Load.RunAsync([direct], calls, concurrency, CallAsync);
                    var before = ProcessCpu.Of(server.ProcessId);
                    var other = await Load.RunAsync([server.Channel], calls, concurrency, CallAsync);
                    // The first is for warming up.
                    if (round == 0)
                        continue;
                    alone.Add(one);
                    through.Add(other);
                    cpu.Add(((ProcessCpu.Of(server.ProcessId) - before) / calls).Total);
                }
                Table.Begin(
                    string.Create(CultureInfo.InvariantCulture, $"{calls} calls, {concurrency} at once, {RequestBytes} bytes each way, medians of {Rounds} rounds"),
                    "call", "p50 ms", "p99 ms", "calls/s", "CPU of the server ms");
                Print("at the driver", alone, null);
                Print("through the server", through, cpu);
            }
            Console.WriteLine($"\nthreads of the server: {server.Threads}");
        }
        Directory.Delete(folder, recursive: true);
    }

    private static void Print(string what, List<Load> loads, List<TimeSpan>? cpu) => Table.Row(
        what, Table.Milliseconds(Table.Median(loads.Select(load => load.Percentile(50)))), Table.Milliseconds(Table.Median(loads.Select(load => load.Percentile(99)))),
        Table.Number(Table.Median(loads.Select(load => load.CallsPerSecond)), "0"), cpu is null ? "" : Table.Milliseconds(Table.Median(cpu)));

    private static async Task<WebApplication> StartDriverAsync(string path)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenUnixSocket(path, static socket => socket.Protocols = HttpProtocols.Http2));
        var driver = builder.Build();
        driver.Run(static async http =>
        {
            http.Response.ContentType = "application/grpc";
            http.Response.AppendTrailer("grpc-status", "0");
            await http.Request.Body.CopyToAsync(http.Response.Body, http.RequestAborted);
        });
        await driver.StartAsync();
        return driver;
    }
}
