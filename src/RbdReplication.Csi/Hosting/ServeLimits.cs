using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace RbdReplication.Csi.Hosting;

/// <summary>
/// How much a caller can make a server hold, and for how long: all limits of the endpoints. <c>docs/security.md</c> lists them.
/// </summary>
internal static class ServeLimits
{
    /// <summary>
    /// Largest request message. CSI allows 4 KiB for a map and 128 bytes for most texts, so real ones have some KiB; up to a handle
    /// of 1 MiB the answer says what is wrong with it.
    /// </summary>
    public const int MessageBytes = (1024 + 64) * 1024;

    /// <summary>Calls at once, over all connections. The controller has at most some dozens under way.</summary>
    public const int Calls = 400;

    /// <summary>
    /// Of these, calls that are with the driver: as many as one of the controller's reconcilers has at once. Those beyond it are
    /// refused, so that a driver that hangs leaves room for replication, on the sidecar's one connection too.
    /// </summary>
    public const int ForwardedCalls = 100;

    /// <summary>Connections at once, for each endpoint.</summary>
    public const int Connections = 64;

    /// <summary>Pages at once that can be allowed to be kept up to date, each by a connection: what is left is for metrics and probes.</summary>
    public const int PageStreams = Connections - 16;

    /// <summary>Time that a reader of such a stream has to take one event.</summary>
    public static readonly TimeSpan EventTime = TimeSpan.FromMinutes(1);

    /// <summary>Calls at once on one connection; a client keeps further ones back by itself.</summary>
    public const int StreamsPerConnection = 2 * ForwardedCalls;

    /// <summary>Names and values of a request's headers together; clients are told it when they connect.</summary>
    public const int HeaderBytes = 16 * 1024;

    /// <summary>Number of a request's headers.</summary>
    public const int HeaderCount = 64;

    /// <summary>Time to send a request's headers, or the first bytes of a connection to the socket.</summary>
    public static readonly TimeSpan HeaderTime = TimeSpan.FromSeconds(10);

    /// <summary>Longest life of a connection to the HTTP endpoint; each carries one request. Those that keep a page up to date are counted instead.</summary>
    public static readonly TimeSpan HttpConnectionTime = TimeSpan.FromMinutes(1);

    // What is buffered of a call before it is read, and of a connection.
    private const int CallBytes = 128 * 1024;
    private const int ConnectionBytes = 512 * 1024;

    // "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    private const int PrefaceBytes = 24;

    /// <summary>Sets the limits that Kestrel keeps.</summary>
    public static void Apply(KestrelServerLimits limits)
    {
        limits.MaxConcurrentConnections = Connections;
        limits.MaxRequestHeaderCount = HeaderCount;
        limits.MaxRequestHeadersTotalSize = HeaderBytes;
        limits.MaxRequestLineSize = HeaderBytes;
        limits.MaxRequestBufferSize = ConnectionBytes;
        limits.RequestHeadersTimeout = HeaderTime;
        // gRPC answers a message that is too large before it is read; this is for bodies that are no messages.
        limits.MaxRequestBodySize = 2 * MessageBytes;
        limits.MinRequestBodyDataRate = new MinDataRate(bytesPerSecond: 1024, gracePeriod: HeaderTime);
        limits.MinResponseDataRate = new MinDataRate(bytesPerSecond: 1024, gracePeriod: HeaderTime);
        // The CSI-Addons sidecar ends, and its pod's leadership with it, when it loses its connection: an idle one stays open.
        // Not the infinite one, with which Kestrel 10.0 closes them after a second.
        limits.KeepAliveTimeout = TimeSpan.FromDays(3650);
        limits.Http2.MaxStreamsPerConnection = StreamsPerConnection;
        limits.Http2.MaxRequestHeaderFieldSize = HeaderBytes;
        limits.Http2.InitialStreamWindowSize = CallBytes;
        limits.Http2.InitialConnectionWindowSize = ConnectionBytes;
    }

    /// <summary>Closes connections that do not begin with all of HTTP/2's preface in time, of which nothing else keeps the time.</summary>
    public static void RequirePreface(IConnectionBuilder connections) => connections.Use(next => async connection =>
    {
        var input = connection.Transport.Input;
        using var time = CancellationTokenSource.CreateLinkedTokenSource(connection.ConnectionClosed);
        time.CancelAfter(HeaderTime);
        try
        {
            while (true)
            {
                var read = await input.ReadAsync(time.Token);
                var isEnough = read.IsCompleted || read.Buffer.Length >= PrefaceBytes;
                // Looked at, not taken: what it says is Kestrel's to judge. When it is enough, Kestrel's next read must not wait for more.
                input.AdvanceTo(read.Buffer.Start, isEnough ? read.Buffer.Start : read.Buffer.End);
                if (isEnough)
                    break;
            }
        }
        catch (OperationCanceledException)
        {
            connection.Abort(new ConnectionAbortedException("the connection did not begin in time"));
            return;
        }
        await next(connection);
    });

    /// <summary>Closes connections that have lived long, idle ones included.</summary>
    public static void LimitAge(IConnectionBuilder connections) => connections.Use(next => async connection =>
    {
        using var time = new CancellationTokenSource(HttpConnectionTime);
        connection.Features.Set(new ConnectionAge(time));
        await using var end = time.Token.Register(() => connection.Abort(new ConnectionAbortedException("the connection lived too long")));
        await next(connection);
    });
}

/// <summary>How long a connection to the HTTP endpoint may live.</summary>
internal sealed class ConnectionAge(CancellationTokenSource time)
{
    /// <summary>Lets it live on.</summary>
    public void Lift() => time.CancelAfter(Timeout.InfiniteTimeSpan);
}
