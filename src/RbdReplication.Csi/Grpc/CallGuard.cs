using System.Globalization;
using Grpc.Core;
using RbdReplication.Csi.Hosting;

namespace RbdReplication.Csi.Grpc;

/// <summary>
/// What a gRPC request meets before it is read: refuses it while <see cref="ServeLimits.Calls"/> others are under way, which
/// bounds the memory of half-sent messages. One that turns out to be unreadable gets the code that gRPC has for that.
/// </summary>
internal sealed partial class CallGuard(ILogger<CallGuard> logger)
{
    private static readonly string Unknown = ((int)StatusCode.Unknown).ToString(CultureInfo.InvariantCulture);

    private int _calls;

    public async Task InvokeAsync(HttpContext http, RequestDelegate next)
    {
        if (!GrpcAnswer.IsGrpc(http.Request.ContentType))
        {
            await next(http);
            return;
        }
        try
        {
            if (Interlocked.Increment(ref _calls) > ServeLimits.Calls)
            {
                Fail(http, StatusCode.ResourceExhausted, $"{ServeLimits.Calls} calls are under way already; retry when some have ended");
                return;
            }
            await next(http);
            // Failures of the calls get their codes from StatusInterceptor, so what is left is a body that is no such message.
            if (!http.Response.HasStarted && http.Response.Headers[GrpcAnswer.StatusHeader] == Unknown)
                Fail(http, StatusCode.Internal, "the request cannot be read: its body is not the message of this method");
        }
        finally
        {
            Interlocked.Decrement(ref _calls);
        }
    }

    private void Fail(HttpContext http, StatusCode code, string message)
    {
        GrpcAnswer.Fail(http.Response, code, message);
        Refused(RequestVolume.Printable(http.Request.Path.Value ?? ""), code, message);
    }

    [LoggerMessage(EventIds.CallRefused, LogLevel.Warning, "{Method}: {Code} {Message}")]
    private partial void Refused(string method, StatusCode code, string message);
}
