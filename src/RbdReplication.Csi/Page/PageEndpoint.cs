using System.Globalization;
using System.Security.Cryptography;
using System.Text;
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

    // What Kestrel holds of an answer that is not read: more is written only when the reader has taken some.
    private const int SliceBytes = 32 * 1024;

    private static readonly (byte[] Html, string Policy) Page = Compose();

    private int _streams;

    /// <summary>Answers for them; other methods than GET and HEAD are 405.</summary>
    public void Map(IEndpointRouteBuilder app)
    {
        string[] methods = [HttpMethods.Get, HttpMethods.Head];
        app.MapMethods("/", methods, static (HttpContext http) => SendAsync(http, "text/html; charset=utf-8", Page.Html, Page.Policy));
        app.MapMethods(VolumesPath, methods, (HttpContext http) => SendAsync(http, "application/json", feed.Read().Whole, "default-src 'none'"));
        app.MapMethods(EventsPath, methods, StreamAsync);
    }

    private static Task SendAsync(HttpContext http, string type, byte[] body, string policy)
    {
        Protect(http.Response, type, policy);
        http.Response.ContentLength = body.Length;
        return HttpMethods.IsHead(http.Request.Method) ? Task.CompletedTask : http.Response.Body.WriteAsync(body, http.RequestAborted).AsTask();
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
        await SendAsync("time", Now());
        while (true)
        {
            var state = feed.Read();
            if (state.Version != sent)
            {
                await (state.Version == sent + 1 && sent > 0 ? SendAsync("changes", state.Changes) : SendAsync("state", state.Whole));
                sent = state.Version;
            }
            else if (time.GetElapsedTime(spokenAt) >= Heartbeat)
            {
                await SendAsync("time", Now());
            }
            else
            {
                await Task.Delay(Look, time, cancellationToken);
            }
        }

        byte[] Now() => Encoding.UTF8.GetBytes($"\"{time.GetUtcNow():O}\"");

        async Task SendAsync(string name, byte[] data)
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            patience.CancelAfter(ServeLimits.EventTime);
            try
            {
                var body = http.Response.Body;
                await body.WriteAsync(Encoding.UTF8.GetBytes($"event: {name}\ndata: "), patience.Token);
                for (var start = 0; start < data.Length; start += SliceBytes)
                    await body.WriteAsync(data.AsMemory(start, Math.Min(SliceBytes, data.Length - start)), patience.Token);
                await body.WriteAsync("\n\n"u8.ToArray(), patience.Token);
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
    }

    private static (byte[], string) Compose()
    {
        var (style, script) = (Read("page.css"), Read("page.js"));
        var html = Read("page.html").Replace("/*style*/", style, StringComparison.Ordinal).Replace("/*script*/", script, StringComparison.Ordinal);
        return (Encoding.UTF8.GetBytes(html), string.Join("; ",
            "default-src 'none'", $"script-src '{HashOf(script)}'", $"style-src '{HashOf(style)}'", "connect-src 'self'", "img-src data:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"));
    }

    private static string HashOf(string text) => $"sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(text)))}";

    private static string Read(string name)
    {
        using var reader = new StreamReader(typeof(PageEndpoint).Assembly.GetManifestResourceStream(name)!, Encoding.UTF8);
        return reader.ReadToEnd();
    }
}
