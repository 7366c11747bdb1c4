using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;
using RbdReplication.Core;
using RbdReplication.Csi.Cli;
using RbdReplication.Csi.Grpc;
using RbdReplication.Kubernetes;
using RbdReplication.PersistentVolumes;

namespace RbdReplication.Csi.Hosting;

/// <summary>Puts the generator together, with its endpoint for metrics and probes.</summary>
internal static partial class OmapGeneratorHost
{
    /// <summary>Works until <paramref name="cancellationToken"/> is cancelled.</summary>
    public static async Task<int> RunAsync(OmapGeneratorHostOptions options, CancellationToken cancellationToken)
    {
        KubernetesApi api;
        try
        {
            api = KubernetesApi.Connect(options.KubeConfig);
        }
        catch (KubernetesApiException e)
        {
            await Console.Error.WriteLineAsync($"rbd-replication: {e.Message}");
            return CommandLine.Failure;
        }
        await using var app = Build(options, api);
        var logger = app.Services.GetRequiredService<ILogger<OmapGenerator>>();
        try
        {
            if (options.HttpEndpoint is not null)
                await app.StartAsync(cancellationToken);
        }
        catch (IOException e)
        {
            await Console.Error.WriteLineAsync($"rbd-replication: cannot listen: {e.Message}");
            return CommandLine.Failure;
        }
        Started(logger, IdentityService.Version, options.Generator.DriverName, api.Address);
        try
        {
            await app.Services.GetRequiredService<OmapGenerator>().RunAsync(cancellationToken);
        }
#pragma warning disable CA1031 // The last place that can tell.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Crashed(logger, e);
            return CommandLine.Failure;
        }
        Stopped(logger);
        return CommandLine.Success;
    }

    private static WebApplication Build(OmapGeneratorHostOptions options, KubernetesApi api)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Configuration.Sources.Clear();
        Logging.Configure(builder.Logging, options.LogLevel, options.LogJson);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            ServeLimits.Apply(kestrel.Limits);
            if (options.HttpEndpoint is { } http)
                ServeHost.ListenHttp(kestrel, http);
        });

        var services = builder.Services;
        services.AddSingleton(options.Generator);
        services.AddSingleton(api);
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton(provider => new ClusterFiles(
            options.ClusterConfigPath, options.ClusterMappingPath,
            (path, problem) => ServeHost.ReportFile(provider.GetRequiredService<ILogger<ClusterFiles>>(), path, problem)));
        services.AddSingleton<ClusterConnections>();
        services.AddSingleton<GeneratorTelemetry>();
        services.AddSingleton<OmapGenerator>();
        services.AddOpenTelemetry()
            .WithMetrics(metrics =>
            {
                metrics.AddMeter(CephMetrics.SourceName).AddPrometheusExporter();
                if (ServeHost.HasCollector)
                    metrics.AddOtlpExporter();
            })
            .WithTracing(tracing =>
            {
                if (ServeHost.HasCollector)
                    tracing.AddSource(CephMetrics.SourceName).AddOtlpExporter();
            });

        var app = builder.Build();
        app.Use(ServeHost.OneRequestAConnection);
        app.MapPrometheusScrapingEndpoint("/metrics");
        app.Map("/healthz", static (HttpContext http) => http.Response.WriteAsync("ok\n"));
        app.Map("/readyz", static (HttpContext http) =>
        {
            var (ready, state) = http.RequestServices.GetRequiredService<OmapGenerator>().Readiness;
            http.Response.StatusCode = ready ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
            return http.Response.WriteAsync(state + "\n");
        });
        return app;
    }

    [LoggerMessage(EventIds.GeneratorStarted, LogLevel.Information, "omap generator {Version} watches volumes of driver {Driver}, API server {ApiServer}")]
    private static partial void Started(ILogger logger, string version, string driver, Uri apiServer);

    [LoggerMessage(EventIds.GeneratorStopped, LogLevel.Information, "Stopped")]
    private static partial void Stopped(ILogger logger);

    [LoggerMessage(EventIds.GeneratorCrashed, LogLevel.Critical, "The omap generator ends on an unforeseen error")]
    private static partial void Crashed(ILogger logger, Exception error);
}
