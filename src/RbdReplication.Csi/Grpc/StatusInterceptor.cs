using System.Diagnostics;
using Grpc.Core;
using Grpc.Core.Interceptors;
using RbdReplication.Core;
using RbdReplication.Csi.Hosting;

namespace RbdReplication.Csi.Grpc;

/// <summary>
/// The edge of every call: turns failures into status codes, and writes the one log line and the one measurement of each.
/// </summary>
internal sealed partial class StatusInterceptor(ILogger<StatusInterceptor> logger, Telemetry telemetry) : Interceptor
{
    // It travels in a header, of which clients take a limited amount.
    private const int MaximumMessageLength = 2000;

    public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        var started = Stopwatch.GetTimestamp();
        var handle = RequestVolume.HandleOf(request);
        using var activity = telemetry.StartCall(context.Method);
        var code = StatusCode.OK;
        var message = "";
        try
        {
            return await continuation(request, context);
        }
        catch (Exception e)
        {
            var status = StatusOf(e, context);
            code = status.StatusCode;
            // Parameters, names and the texts of daemons are in it.
            message = RequestVolume.Printable(status.Detail, MaximumMessageLength);
            if (code == StatusCode.Internal)
                Bug(e, context.Method, message);
            throw new RpcException(new Status(code, message));
        }
        finally
        {
            var duration = Stopwatch.GetElapsedTime(started);
            telemetry.EndCall(context.Method, code, duration, activity);
            // Identity, health and reflection are asked all the time and never fail: they are logged for debugging only.
            if (handle is null && RequestCluster.Of(request) is { } cluster)
                ClusterCall(context.Method, cluster.ClusterId, cluster.Blocks, code, duration.TotalMilliseconds, message, Activity.Current?.TraceId.ToString());
            else if (handle is null)
                CallDebug(context.Method, code, duration.TotalMilliseconds, message);
            else
                Call(context.Method, RequestVolume.Printable(handle), code, duration.TotalMilliseconds, message, Activity.Current?.TraceId.ToString());
        }
    }

    /// <summary>The only place where a failure gets its gRPC code.</summary>
    private static Status StatusOf(Exception failure, ServerCallContext context) => failure switch
    {
        ReplicationException e => new Status(CodeOf(e.Error), e.Message),
        RpcException e => e.Status,
        OperationCanceledException when context.CancellationToken.IsCancellationRequested => new Status(StatusCode.Cancelled, "the caller has gone"),
        OperationCanceledException => new Status(StatusCode.DeadlineExceeded, "the call did not end in time"),
        DllNotFoundException => new Status(StatusCode.Unavailable, "the Ceph client libraries cannot be loaded; install librados2 and librbd1"),
        _ => new Status(StatusCode.Internal, $"a bug in this server: {failure.GetType().Name}; its log has the details"),
    };

    private static StatusCode CodeOf(ReplicationError error) => error switch
    {
        ReplicationError.InvalidArgument => StatusCode.InvalidArgument,
        ReplicationError.NotFound => StatusCode.NotFound,
        ReplicationError.AccessDenied => StatusCode.Unauthenticated,
        ReplicationError.FailedPrecondition => StatusCode.FailedPrecondition,
        ReplicationError.AlreadyExists => StatusCode.AlreadyExists,
        ReplicationError.TooMany => StatusCode.ResourceExhausted,
        ReplicationError.Busy => StatusCode.Aborted,
        ReplicationError.Unavailable or ReplicationError.NotConfigured => StatusCode.Unavailable,
        ReplicationError.TimedOut => StatusCode.DeadlineExceeded,
        ReplicationError.Damaged => StatusCode.DataLoss,
        ReplicationError.Unimplemented => StatusCode.Unimplemented,
        _ => StatusCode.Internal,
    };

    [LoggerMessage(EventIds.CallEnded, LogLevel.Information, "{Method} {VolumeHandle}: {Code} after {DurationMs:0.0} ms {Message} {TraceId}")]
    private partial void Call(string method, string volumeHandle, StatusCode code, double durationMs, string message, string? traceId);

    [LoggerMessage(EventIds.ClusterCallEnded, LogLevel.Information, "{Method} {ClusterId} {Addresses}: {Code} after {DurationMs:0.0} ms {Message} {TraceId}")]
    private partial void ClusterCall(string method, string clusterId, string addresses, StatusCode code, double durationMs, string message, string? traceId);

    [LoggerMessage(EventIds.CallWithoutVolumeEnded, LogLevel.Debug, "{Method}: {Code} after {DurationMs:0.0} ms {Message}")]
    private partial void CallDebug(string method, StatusCode code, double durationMs, string message);

    [LoggerMessage(EventIds.CallCrashed, LogLevel.Error, "{Method} failed unexpectedly: {Message}")]
    private partial void Bug(Exception exception, string method, string message);
}
