using System.Collections.Concurrent;
using System.Diagnostics;
using Grpc.Core;
using RbdReplication.Csi.Hosting;

namespace RbdReplication.Csi.Grpc;

/// <summary>
/// Passes unary calls of services that are not served here on to the driver's own CSI-Addons socket, as bytes: nothing of a message is
/// read, kept or logged. Both messages are held whole and within <see cref="ServeLimits.MessageBytes"/>, so that whatever happens on the
/// other side the caller gets a status that says so.
/// </summary>
/// <remarks>No thread waits for a call that is with the driver.</remarks>
internal sealed partial class CallForwarder(
    ForwardOptions options, DriverSocket driver, ForwardedCalls calls, Telemetry telemetry, ILogger<CallForwarder> logger)
{
    // Callers choose the names. Those that the driver knows get metrics of their own, within this number.
    private const int MaximumMethods = 64;

    // As OpenTelemetry's conventions write it: https://opentelemetry.io/docs/specs/semconv/rpc/rpc-metrics/
    private const string OtherMethods = "_OTHER";

    private readonly ConcurrentDictionary<string, bool> _methods = new(StringComparer.Ordinal);

    /// <summary>Makes the call of <paramref name="http"/> at the driver and answers with what comes of it.</summary>
    /// <param name="http">A gRPC request.</param>
    /// <param name="service">Name of its service, fit to be shown.</param>
    public async Task InvokeAsync(HttpContext http, string service)
    {
        var method = http.Request.Path.Value!;
        var started = Stopwatch.GetTimestamp();
        var time = ForwardedHeaders.ParseTime(http.Request.Headers[ForwardedHeaders.Timeout]) ?? options.OperationTimeout;
        using var activity = telemetry.StartCall(method);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, calls.Abandoned);
        end.CancelAfter(time);
        // What is not caught here is a bug, of which the framework writes a line.
        var code = StatusCode.Internal;
        var message = "";
        var isAnswered = false;
        try
        {
            var answer = await CallAsync(http, method, time - Stopwatch.GetElapsedTime(started), end.Token);
            isAnswered = true;
            await WriteAsync(http, service, answer);
            code = answer.Code;
        }
        catch (Exception e) when (e is RpcException or OperationCanceledException or IOException or HttpRequestException)
        {
            var status = StatusOf(e, http, method, end.IsCancellationRequested, Stopwatch.GetElapsedTime(started) >= time);
            (code, message) = (status.StatusCode, status.Detail);
            if (!http.Response.HasStarted && !http.RequestAborted.IsCancellationRequested)
            {
                GrpcAnswer.Fail(http.Response, code, message);
                await http.Response.CompleteAsync();
            }
        }
        finally
        {
            var duration = Stopwatch.GetElapsedTime(started);
            telemetry.EndCall(NameFor(method, isAnswered && code != StatusCode.Unimplemented), code, duration, activity);
            Forwarded(method[1..], code, duration.TotalMilliseconds, message, Activity.Current?.TraceId.ToString());
        }
    }

    private async Task<DriverAnswer> CallAsync(HttpContext http, string method, TimeSpan timeLeft, CancellationToken cancellationToken)
    {
        if (!calls.TryBegin())
        {
            throw new RpcException(calls.IsClosed
                ? new Status(StatusCode.Unavailable, $"{method[1..]} was not forwarded, because this server is stopping")
                : new Status(StatusCode.ResourceExhausted, $"{ServeLimits.ForwardedCalls} calls are with the driver behind {driver.Path} already; retry when some have ended"));
        }
        try
        {
            var (problem, message) = await WireMessage.ReadAsync(http.Request.Body, cancellationToken);
            return problem switch
            {
                WireProblem.None => await driver.CallAsync(method, http.Request.Headers, message, timeLeft, cancellationToken),
                WireProblem.TooLarge => throw new RpcException(TooLarge(method)),
                WireProblem.Stream => throw new RpcException(new Status(
                    StatusCode.Unimplemented, $"{method[1..]} was called with a stream of messages, which is not forwarded: only calls with one message are")),
                _ => throw new RpcException(new Status(StatusCode.Internal, "the request cannot be read: its body is no gRPC message")),
            };
        }
        finally
        {
            calls.End();
        }
    }

    private async Task WriteAsync(HttpContext http, string service, DriverAnswer answer)
    {
        var response = http.Response;
        if (answer.Code == StatusCode.OK)
        {
            foreach (var (name, values) in answer.Headers)
                response.Headers[name] = values;
            foreach (var (name, values) in answer.Trailers)
                response.AppendTrailer(name, values);
            await response.Body.WriteAsync(answer.Message, http.RequestAborted);
        }
        else
        {
            response.ContentType = GrpcAnswer.ContentType;
            foreach (var (name, values) in answer.Headers.Concat(answer.Trailers))
                response.Headers[name] = values;
            if (answer.Code == StatusCode.Unimplemented && !$"{response.Headers[GrpcAnswer.MessageHeader]}".Contains(service, StringComparison.Ordinal))
            {
                response.Headers[GrpcAnswer.MessageHeader] = GrpcAnswer.Encode($"{http.Request.Path.Value![1..]} is served neither here nor by the driver behind {driver.Path}: ")
                    + response.Headers[GrpcAnswer.MessageHeader];
            }
        }
        await response.CompleteAsync();
    }

    // Timers are coarser than clocks: that the time is up is seen by what has ended the call, not by how late it is.
    private Status StatusOf(Exception failure, HttpContext http, string method, bool hasEnded, bool isLate) => failure switch
    {
        RpcException e => e.Status,
        _ when http.RequestAborted.IsCancellationRequested && !isLate => new Status(StatusCode.Cancelled, "the caller has gone"),
        _ when calls.Abandoned.IsCancellationRequested => new Status(
            StatusCode.Unavailable, $"this server is stopping, and the driver behind {driver.Path} had not answered {method[1..]}; it was cancelled there: try again"),
        _ when hasEnded => new Status(StatusCode.DeadlineExceeded, $"the driver behind {driver.Path} did not answer {method[1..]} in time; the call was cancelled there"),
        BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge } => TooLarge(method),
        _ => new Status(StatusCode.Internal, "the request cannot be read: its body ended early"),
    };

    private static Status TooLarge(string method) => new(
        StatusCode.ResourceExhausted, $"the request has more than {ServeLimits.MessageBytes / 1024} KiB, and {method[1..]} was not forwarded");

    private string NameFor(string method, bool isKnown) =>
        _methods.ContainsKey(method) || (isKnown && _methods.Count < MaximumMethods && _methods.TryAdd(method, true)) ? method : OtherMethods;

    [LoggerMessage(EventIds.CallForwarded, LogLevel.Information, "{Method} of the driver: {Code} after {DurationMs:0.0} ms {Message} {TraceId}")]
    private partial void Forwarded(string method, StatusCode code, double durationMs, string message, string? traceId);
}
