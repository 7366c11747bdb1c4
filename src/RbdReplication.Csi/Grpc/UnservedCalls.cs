using Grpc.Core;

namespace RbdReplication.Csi.Grpc;

/// <summary>Calls that no service here has: they are the driver's where calls are forwarded, and else answered UNIMPLEMENTED with their name.</summary>
internal sealed partial class UnservedCalls(IEnumerable<RpcService> served, ILogger<UnservedCalls> logger, CallForwarder? forwarder = null)
{
    /// <summary>Route of every gRPC call; those of the services that are served are closer matches.</summary>
    public const string Route = "/{service}/{method}";

    // gRPC's own services tell about this process: a driver's reflection would show grpcurl the driver's services in place of ours.
    private const string OwnPackage = "grpc.";

    private readonly HashSet<string> _served = [.. served.Select(service => service.Descriptor.FullName)];

    /// <summary>Answers a call.</summary>
    public Task InvokeAsync(HttpContext http)
    {
        if (!GrpcAnswer.IsGrpc(http.Request.ContentType) || !HttpProtocol.IsHttp2(http.Request.Protocol))
        {
            http.Response.StatusCode = StatusCodes.Status404NotFound;
            return Task.CompletedTask;
        }
        var (service, method) = ($"{http.Request.RouteValues["service"]}", $"{http.Request.RouteValues["method"]}");
        var isGrpcs = service.StartsWith(OwnPackage, StringComparison.Ordinal);
        if (forwarder is not null && !isGrpcs && !_served.Contains(service) && IsName(service) && IsName(method))
            return forwarder.InvokeAsync(http, service);
        var shown = $"{RequestVolume.Printable(service)}/{RequestVolume.Printable(method)}";
        var message = _served.Contains(service) ? $"{shown} is no method of this service, which is served here"
            : forwarder is null ? $"{shown} is of no service of this server; with --forward-endpoint such calls go on to the driver"
            : $"{shown} is of no service of this server, and is not forwarded";
        GrpcAnswer.Fail(http.Response, StatusCode.Unimplemented, message);
        // Clients look for reflection in several versions, each time.
        if (!isGrpcs)
            Unserved(message);
        return Task.CompletedTask;
    }

    // As .proto files have them, within what is fit for a log line and a label.
    private static bool IsName(string text) =>
        text.Length is > 0 and <= 128 && (char.IsAsciiLetter(text[0]) || text[0] == '_') && text.All(static c => char.IsAsciiLetterOrDigit(c) || c is '_' or '.');

    [LoggerMessage(EventIds.CallUnserved, LogLevel.Warning, "Unimplemented: {Message}")]
    private partial void Unserved(string message);
}
