using System.Net;
using System.Net.Sockets;
using System.Text;
using Grpc.Core;
using RbdReplication.Csi.Hosting;

namespace RbdReplication.Csi.Grpc;

/// <summary>Where calls are forwarded to.</summary>
/// <param name="SocketPath">The driver's own CSI-Addons socket.</param>
/// <param name="OperationTimeout">Longest time of a call whose caller gives it none.</param>
internal sealed record ForwardOptions(string SocketPath, TimeSpan OperationTimeout);

/// <summary>An answer of the driver, all of it.</summary>
/// <param name="Code">Its gRPC code.</param>
/// <param name="Message">The message as it is on the wire; empty unless the code is OK.</param>
/// <param name="Headers">What came before the message, without what is of the connection.</param>
/// <param name="Trailers">What came after it, code and text included.</param>
internal sealed record DriverAnswer(
    StatusCode Code, byte[] Message, IReadOnlyList<KeyValuePair<string, string[]>> Headers, IReadOnlyList<KeyValuePair<string, string[]>> Trailers);

/// <summary>
/// The driver's own CSI-Addons socket. Connections are made when they are needed and shared by all calls; one that breaks is replaced by
/// the next call, so a driver that comes back needs nothing of us.
/// </summary>
/// <remarks>
/// HTTP/2 from .NET itself. YARP's forwarder would add a library for what is left then, which is what it does not do: bounds,
/// deadlines, and a status for what goes wrong. What it would cost is in <c>docs/performance.md</c>.
/// </remarks>
internal sealed class DriverSocket : IDisposable
{
    private readonly ForwardOptions _options;
    private readonly HttpMessageInvoker _http;

    public DriverSocket(ForwardOptions options)
    {
        _options = options;
        Handler = UnixSocket.HttpHandler(options.SocketPath);
        Handler.UseProxy = false;
        Handler.UseCookies = false;
        Handler.AllowAutoRedirect = false;
        // The driver's limit of calls at once on a connection does not hold up the next ones.
        Handler.EnableMultipleHttp2Connections = true;
        // The caller's own trace headers go on.
        Handler.ActivityHeadersPropagator = null;
        Handler.MaxResponseHeadersLength = ServeLimits.HeaderBytes / 1024;
        Handler.ResponseHeaderEncodingSelector = static (_, _) => Encoding.Latin1;
        _http = new HttpMessageInvoker(Handler, disposeHandler: false);
    }

    /// <summary>HTTP to the socket, for gRPC's own client.</summary>
    public SocketsHttpHandler Handler { get; }

    /// <summary>Path of the socket.</summary>
    public string Path => _options.SocketPath;

    /// <summary>Makes one call.</summary>
    /// <param name="method">Path of the method, <c>/service/method</c>.</param>
    /// <param name="headers">The caller's headers.</param>
    /// <param name="message">The message as it is on the wire.</param>
    /// <param name="timeLeft">What the driver is told of it; the token ends the call here.</param>
    /// <param name="cancellationToken">Ends the call, at the driver too.</param>
    /// <exception cref="RpcException">There is no answer that could be passed on; the status says why.</exception>
    public async Task<DriverAnswer> CallAsync(
        string method, IHeaderDictionary headers, byte[] message, TimeSpan timeLeft, CancellationToken cancellationToken)
    {
        try
        {
            using var request = RequestOf(method, headers, message, timeLeft);
            using var response = await _http.SendAsync(request, cancellationToken);
            // It has been sent: a call holds its request or its answer, and not both.
            request.Content = null;
            return await ReadAsync(method, response, cancellationToken);
        }
        catch (HttpRequestException e) when (e.HttpRequestError is HttpRequestError.ConnectionError && !cancellationToken.IsCancellationRequested)
        {
            throw Failure(StatusCode.Unavailable,
                $"{method[1..]} is the driver's, and nobody answers on its socket {Path} ({Cause(e)}): look at the driver's container; it is tried again with each call");
        }
        catch (Exception e) when (e is HttpRequestException or IOException && !cancellationToken.IsCancellationRequested)
        {
            throw Failure(StatusCode.Unavailable,
                $"the driver behind {Path} broke {method[1..]} off ({Cause(e)}) and may have carried it out: look at the driver's container and try again");
        }
    }

    public void Dispose()
    {
        _http.Dispose();
        Handler.Dispose();
    }

    private static HttpRequestMessage RequestOf(string method, IHeaderDictionary headers, byte[] message, TimeSpan timeLeft)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "http://localhost" + method)
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(message),
        };
        foreach (var (name, values) in headers)
        {
            if (!values.All(value => ForwardedHeaders.GoesOn(name, value ?? "")))
                continue;
            if (!request.Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)values))
                request.Content.Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)values);
        }
        request.Headers.TryAddWithoutValidation("te", "trailers");
        request.Headers.TryAddWithoutValidation(ForwardedHeaders.Timeout, ForwardedHeaders.FormatTime(timeLeft));
        return request;
    }

    private async Task<DriverAnswer> ReadAsync(string method, HttpResponseMessage response, CancellationToken cancellationToken)
    {
        if (response.StatusCode != HttpStatusCode.OK || !GrpcAnswer.IsGrpc(response.Content.Headers.ContentType?.MediaType))
            throw Unreadable(method, $"HTTP status {(int)response.StatusCode} and no gRPC message");
        await using var body = await response.Content.ReadAsStreamAsync(cancellationToken);
        var (problem, message) = await WireMessage.ReadAsync(body, cancellationToken);
        switch (problem)
        {
            case WireProblem.TooLarge:
                throw Failure(StatusCode.ResourceExhausted,
                    $"the driver's answer to {method[1..]} has more than {ServeLimits.MessageBytes / 1024} KiB and is not passed on; ask for less at once");
            case WireProblem.Stream:
                throw Failure(StatusCode.Unimplemented, $"{method[1..]} is answered with a stream of messages, which is not passed on: only calls with one answer are");
            case WireProblem.Malformed:
                throw Unreadable(method, "a message that is cut off or none");
        }
        // A status alone is in the headers.
        var last = response.TrailingHeaders.NonValidated.Contains(GrpcAnswer.StatusHeader) ? response.TrailingHeaders : response.Headers;
        if (!last.NonValidated.TryGetValues(GrpcAnswer.StatusHeader, out var status) || !int.TryParse(status.ToString(), out var code) || code < 0)
            throw Unreadable(method, "no gRPC status");
        if (code == 0 && problem == WireProblem.Empty)
            throw Unreadable(method, "code OK and no message");
        var isAlone = ReferenceEquals(last, response.Headers);
        return new DriverAnswer(
            (StatusCode)code, code == 0 ? message : [],
            [.. isAlone ? [] : Passed(response.Headers), .. Passed(response.Content.Headers)],
            Passed(last));
    }

    private static List<KeyValuePair<string, string[]>> Passed(System.Net.Http.Headers.HttpHeaders headers)
    {
        var passed = new List<KeyValuePair<string, string[]>>();
        foreach (var (name, values) in headers.NonValidated)
        {
            // Texts have to be percent-encoded; where a driver does not, this is done for it.
            string[] fit = [.. values.Select(value => name.Equals(GrpcAnswer.MessageHeader, StringComparison.OrdinalIgnoreCase) ? Ascii(value) : value)];
            if (fit.All(value => ForwardedHeaders.GoesOn(name, value)))
                passed.Add(new(name, fit));
        }
        return passed;
    }

    private static string Ascii(string text) => text.AsSpan().ContainsAnyExceptInRange(' ', '~')
        ? string.Concat(text.Select(static c => c is >= ' ' and <= '~' ? c.ToString() : $"%{(int)c:X2}"))
        : text;

    private RpcException Unreadable(string method, string what) => Failure(
        StatusCode.Internal, $"the driver behind {Path} answered {method[1..]} with {what}: its log may have the cause");

    private static RpcException Failure(StatusCode code, string message) => new(new Status(code, message));

    // Of the texts of exceptions none is passed on: they may quote what came.
    private static string Cause(Exception failure) => failure.InnerException is SocketException socket ? socket.Message
        : failure is HttpRequestException { HttpRequestError: var error } ? $"{error}"
        : failure is HttpIOException { HttpRequestError: var reading } ? $"{reading}"
        : failure.GetType().Name;
}
