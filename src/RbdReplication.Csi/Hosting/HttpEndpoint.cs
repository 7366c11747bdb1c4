using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace RbdReplication.Csi.Hosting;

/// <summary>The endpoint of metrics and probes.</summary>
internal static class HttpEndpoint
{
    /// <summary>Opens it.</summary>
    public static void Listen(KestrelServerOptions kestrel, Uri http)
    {
        static void Http1(ListenOptions listen)
        {
            listen.Protocols = HttpProtocols.Http1;
            ServeLimits.LimitAge(listen);
        }

        if (http.Host is "0.0.0.0" or "[::]" or "*" or "+")
            kestrel.ListenAnyIP(http.Port, Http1);
        else if (System.Net.IPAddress.TryParse(http.Host, out var address))
            kestrel.Listen(address, http.Port, Http1);
        else
            kestrel.ListenLocalhost(http.Port, Http1);
    }

    /// <summary>Answers <c>/metrics</c>, <c>/healthz</c> and <c>/readyz</c>.</summary>
    /// <param name="app">The host.</param>
    /// <param name="readiness">Whether the command can do its work, and the word or the obstacle that says so.</param>
    public static void Map(WebApplication app, Func<(bool IsReady, string State)> readiness)
    {
        app.Use(OneRequestAConnection);
        app.MapPrometheusScrapingEndpoint("/metrics");
        app.Map("/healthz", static (HttpContext http) => http.Response.WriteAsync("ok\n"));
        app.Map("/readyz", (HttpContext http) =>
        {
            var (isReady, state) = readiness();
            http.Response.StatusCode = isReady ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
            return http.Response.WriteAsync(state + "\n");
        });
    }

    // Idle connections to this endpoint would stay open as those to the socket must.
    private static Task OneRequestAConnection(HttpContext http, RequestDelegate next)
    {
        if (HttpProtocol.IsHttp11(http.Request.Protocol))
            http.Response.Headers.Connection = "close";
        return next(http);
    }
}
