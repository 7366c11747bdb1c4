using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Net.Http.Headers;
using RbdReplication.Csi.Hosting;

namespace RbdReplication.Csi.Page;

/// <summary>The page, the JSON behind it, and the stream of events that keeps it up to date. All of it only reads.</summary>
internal sealed class PageEndpoint(FleetFeed feed, PageOptions options, IHostApplicationLifetime lifetime, TimeProvider time)
{
    /// <summary>Where the JSON is.</summary>
    public const string VolumesPath = "/api/v1/volumes";

    /// <summary>Where the events are.</summary>
    public const string EventsPath = "/api/v1/events";

    // A page that has heard nothing for three of them takes the connection for lost.
    private static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(30);

    private static readonly (PackedBytes Html, string Policy) Page = Compose();

    private int _streams;

    /// <summary>Answers for them; other methods than GET and HEAD are 405.</summary>
    public void Map(IEndpointRouteBuilder app)
    {
        string[] methods = [HttpMethods.Get, HttpMethods.Head];
        app.MapMethods("/", methods, static (HttpContext http) => SendAsync(http, "text/html; charset=utf-8", Page.Html, Page.Policy));
        app.MapMethods(VolumesPath, methods, (HttpContext http) => SendAsync(http, "application/json", feed.Read().Whole, "default-src 'none'"));
        app.MapMethods(EventsPath, methods, StreamAsync);
    }

    private static Task SendAsync(HttpContext http, string type, PackedBytes body, string policy)
    {
        Protect(http.Response, type, policy);
        var isPacked = TakesGzip(http);
        http.Response.ContentLength = isPacked ? body.GzipLength : body.Length;
        return HttpMethods.IsHead(http.Request.Method) ? Task.CompletedTask
            : isPacked ? body.WriteGzipAsync(http.Response.Body, http.RequestAborted) : body.WriteAsync(http.Response.Body, http.RequestAborted);
    }

    // Nothing here is secret to who may ask, so that its length may tell what is in it.
    private static bool TakesGzip(HttpContext http)
    {
        http.Response.Headers.Vary = "Accept-Encoding";
        if (!StringWithQualityHeaderValue.TryParseList(http.Request.Headers.AcceptEncoding, out var accepted)
            || !accepted.Any(encoding => encoding.Value.Equals("gzip", StringComparison.OrdinalIgnoreCase) && encoding.Quality != 0))
        {
            return false;
        }
        http.Response.Headers.ContentEncoding = "gzip";
        return true;
    }

    private static void Protect(HttpResponse response, string type, string policy)
    {
        response.ContentType = type;
        var headers = response.Headers;
        headers.CacheControl = "no-store";
        headers.ContentSecurityPolicy = policy;
        headers.XContentTypeOptions = "nosniff";
        headers.XFrameOptions = "DENY";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
    }

    private async Task StreamAsync(HttpContext http)
    {
        try
        {
            if (Interlocked.Increment(ref _streams) > options.MaximumStreams)
            {
                Protect(http.Response, "text/plain", "default-src 'none'");
                http.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
                http.Response.Headers.RetryAfter = RetryAfter.TotalSeconds.ToString(CultureInfo.InvariantCulture);
                await http.Response.WriteAsync($"{options.MaximumStreams} pages are kept up to date already (--max-page-streams)\n", http.RequestAborted);
                return;
            }
            Protect(http.Response, "text/event-stream", "default-src 'none'");
            if (HttpMethods.IsHead(http.Request.Method))
                return;
            http.Features.Get<ConnectionAge>()?.Lift();
            using var end = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, lifetime.ApplicationStopping);
            await FollowAsync(http, end.Token);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            // The reader has gone, or the server stops.
        }
        finally
        {
            Interlocked.Decrement(ref _streams);
        }
    }

    // Whoever is behind by more than one state gets the newest one whole, so nothing is kept for those that are slow.
    private async Task FollowAsync(HttpContext http, CancellationToken cancellationToken)
    {
        long sent = 0;
        var spokenAt = time.GetTimestamp();
        var (body, isPacked) = (http.Response.Body, TakesGzip(http));
        if (isPacked)
            await PackedBytes.BeginStreamAsync(body, cancellationToken);
        await SendAsync("time", Now(), null);
        while (true)
        {
            var state = feed.Read();
            if (state.Version != sent)
            {
                await (state.Version == sent + 1 && sent > 0 ? SendAsync("changes", "", state.Changes) : SendAsync("state", "", state.Whole));
                sent = state.Version;
            }
            else if (time.GetElapsedTime(spokenAt) >= Heartbeat)
            {
                await SendAsync("time", Now(), null);
            }
            else
            {
                await Task.Delay(Look, time, cancellationToken);
            }
        }

        string Now() => $"\"{time.GetUtcNow():O}\"";

        async Task SendAsync(string name, string text, PackedBytes? data)
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            patience.CancelAfter(ServeLimits.EventTime);
            try
            {
                await WriteAsync($"event: {name}\ndata: {text}", patience.Token);
                if (data is not null)
                    await (isPacked ? data.WriteBlocksAsync(body, patience.Token) : data.WriteAsync(body, patience.Token));
                await WriteAsync("\n\n", patience.Token);
                await body.FlushAsync(patience.Token);
            }
            catch (OperationCanceledException)
            {
                // Half an event is no event: it must not look as if the stream had ended well.
                http.Abort();
                throw;
            }
            spokenAt = time.GetTimestamp();
        }

        ValueTask WriteAsync(string text, CancellationToken cancellationToken)
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            return isPacked ? PackedBytes.WriteStoredBlockAsync(body, bytes, cancellationToken) : body.WriteAsync(bytes, cancellationToken);
        }
    }

    private static (PackedBytes, string) Compose()
    {
        var (style, script) = (Read("page.css"), Read("page.js"));
        var html = Read("page.html").Replace("/*style*/", style, StringComparison.Ordinal).Replace("/*script*/", script, StringComparison.Ordinal);
        return (PackedBytes.Of(Encoding.UTF8.GetBytes(html)), string.Join("; ",
            "default-src 'none'", $"script-src '{HashOf(script)}'", $"style-src '{HashOf(style)}'", "connect-src 'self'", "img-src data:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"));
    }

    private static string HashOf(string text) => $"sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(text)))}";

    private static string Read(string name)
    {
        using var reader = new StreamReader(typeof(PageEndpoint).Assembly.GetManifestResourceStream(name)!, Encoding.UTF8);
        return reader.ReadToEnd();
    }
}
