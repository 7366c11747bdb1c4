using System.Net.Sockets;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Tests.Hostile;

namespace RbdReplication.Tests.Forwarding;

/// <summary>A server that forwards to a socket on which there is no driver.</summary>
public sealed class DriverlessServer : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("bad-").FullName;

    public ServerProcess Server { get; private set; } = null!;

    /// <summary>Where it looks for the driver. Each test has the path for itself.</summary>
    public string DriverPath => Path.Combine(_folder, "driver.sock");

    public async ValueTask InitializeAsync() => Server = await ServerProcess.StartAsync(
        Path.Combine(_folder, "serve.sock"), ["--forward-endpoint", "unix://" + DriverPath], untilReady: false);

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}

/// <summary>What a driver's socket can answer that is no gRPC.</summary>
public sealed class BadDriverTests(DriverlessServer driverless) : IClassFixture<DriverlessServer>, IDisposable
{
    private readonly ServerProcess _server = driverless.Server;

    private string DriverPath => driverless.DriverPath;

    public void Dispose() => File.Delete(DriverPath);

    [Fact]
    public async Task Garbage_on_the_socket_is_unavailable()
    {
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(DriverPath));
        listener.Listen();
        var call = Unheard.StatusAsync(_server.Channel, "Echo", []);
        using var connection = await listener.AcceptAsync(TestContext.Current.CancellationToken);
        var garbage = new byte[4096];
        new Random(1).NextBytes(garbage);
        await connection.SendAsync(garbage, TestContext.Current.CancellationToken);
        var status = await call;
        Assert.Equal(StatusCode.Unavailable, status.StatusCode);
        Assert.Contains(DriverPath, status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_socket_on_which_nobody_says_anything_is_waited_for_until_the_time_is_up()
    {
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(DriverPath));
        listener.Listen();
        // gRPC's client would end the call by itself.
        using var caller = RawConnection.Begin(_server.SocketPath);
        Assert.Equal("4", await caller.CallAsync("/unheard.of.Service/Echo", RawConnection.Message([]), ("grpc-timeout", "300m")));
        await Eventually.TrueAsync(
            () => Task.FromResult(_server.Log.Contains($"the driver behind {DriverPath} did not answer unheard.of.Service/Echo in time", StringComparison.Ordinal)), "it is logged");
    }

    private sealed record Lie(string What, StatusCode Code, string Text, Func<HttpResponse, Task> Answer);

    private static Lie Of(string what, StatusCode code, string text, byte[] body, string? status = "0", string contentType = "application/grpc", int http = 200) =>
        new(what, code, text, async response =>
        {
            response.StatusCode = http;
            response.ContentType = contentType;
            if (status is not null)
                response.AppendTrailer("grpc-status", status);
            await response.Body.WriteAsync(body);
        });

    private static readonly Lie[] Lies =
    [
        Of("a web page", StatusCode.Internal, "HTTP status 200 and no gRPC message", "<html>"u8.ToArray(), contentType: "text/html"),
        Of("an error of HTTP", StatusCode.Internal, "HTTP status 503", [], http: 503),
        Of("no status", StatusCode.Internal, "no gRPC status", RawConnection.Message([1]), status: null),
        Of("a status that is no number", StatusCode.Internal, "no gRPC status", RawConnection.Message([1]), status: "fine"),
        Of("OK without a message", StatusCode.Internal, "code OK and no message", []),
        Of("less than is promised", StatusCode.Internal, "a message that is cut off", RawConnection.Message(new byte[10], length: 100)),
        Of("a prefix that is cut off", StatusCode.Internal, "a message that is cut off", [0, 0, 0]),
        Of("a flag that does not exist", StatusCode.Internal, "a message that is cut off or none", RawConnection.Message([1], compressed: 7)),
        Of("more than is promised", StatusCode.Unimplemented, "a stream of messages", RawConnection.Message(new byte[100], length: 10)),
        Of("2 GiB are promised", StatusCode.ResourceExhausted, "answer to unheard.of.Service/Echo has more than", RawConnection.Message([1], length: int.MaxValue)),
        Of("a code that does not exist", (StatusCode)77, "", RawConnection.Message([1]), status: "77"),
        new("a reset", StatusCode.Unavailable, "broke unheard.of.Service/Echo off", response =>
        {
            response.HttpContext.Abort();
            return Task.CompletedTask;
        }),
        new("a reset in the message", StatusCode.Unavailable, "broke unheard.of.Service/Echo off", async response =>
        {
            response.ContentType = "application/grpc";
            await response.Body.WriteAsync(RawConnection.Message([1, 2], length: 1000));
            await response.Body.FlushAsync();
            response.HttpContext.Abort();
        }),
    ];

    [Fact]
    public async Task An_answer_that_is_no_gRPC_gets_a_status_that_says_so()
    {
        var lie = Lies[0];
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenUnixSocket(DriverPath, socket => socket.Protocols = HttpProtocols.Http2));
        await using var driver = builder.Build();
        driver.Run(http => lie.Answer(http.Response));
        await driver.StartAsync(TestContext.Current.CancellationToken);
        foreach (var next in Lies)
        {
            lie = next;
            var status = await Unheard.StatusAsync(_server.Channel, "Echo", [1]);
            Assert.True(next.Code == status.StatusCode && status.Detail.Contains(next.Text, StringComparison.Ordinal), $"{next.What}: {status}");
        }
        Assert.DoesNotContain("failed unexpectedly", _server.Log, StringComparison.Ordinal);
    }
}
