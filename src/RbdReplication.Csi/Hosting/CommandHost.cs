using System.Net.Sockets;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;
using RbdReplication.Core;

namespace RbdReplication.Csi.Hosting;

/// <summary>What the commands that keep running have in common: log, telemetry, connections to Ceph, the HTTP endpoint and what they end with.</summary>
internal static partial class CommandHost
{
    /// <summary>Begins a host.</summary>
    /// <param name="options">What both commands are told.</param>
    /// <param name="listen">Opens the command's own endpoints, before the one of metrics and probes.</param>
    public static WebApplicationBuilder CreateBuilder(CommandHostOptions options, Action<KestrelServerOptions> listen)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Configuration.Sources.Clear();
        Logging.Configure(builder.Logging, options.LogLevel, options.LogJson);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            ServeLimits.Apply(kestrel.Limits);
            listen(kestrel);
            if (options.HttpEndpoint is { } http)
                HttpEndpoint.Listen(kestrel, http);
        });
        var services = builder.Services;
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton(provider => new ClusterFiles(
            options.ClusterConfigPath, options.ClusterMappingPath,
            (path, problem) => ReportFile(provider.GetRequiredService<ILogger<ClusterFiles>>(), path, problem)));
        services.AddSingleton<ClusterConnections>();
        var hasCollector = !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("OTEL_EXPORTER_OTLP_ENDPOINT"));
        services.AddOpenTelemetry()
            .WithMetrics(metrics =>
            {
                metrics.AddMeter(CephMetrics.SourceName).AddPrometheusExporter();
                if (hasCollector)
                    metrics.AddOtlpExporter();
            })
            .WithTracing(tracing =>
            {
                if (hasCollector)
                    tracing.AddSource(CephMetrics.SourceName).AddOtlpExporter();
            });
        return builder;
    }

    /// <summary>Opens the endpoints.</summary>
    /// <returns>Null if they are open; else what the command is to end with, and stderr has the reason.</returns>
    public static async Task<int?> StartAsync(WebApplication app, CancellationToken cancellationToken)
    {
        try
        {
            await app.StartAsync(cancellationToken);
            return null;
        }
        catch (SocketGroupException e)
        {
            await TellAsync(e.Message);
            return ExitCode.Usage;
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            await TellAsync($"cannot listen: {e.Message}");
            return ExitCode.Failure;
        }
    }

    /// <summary>Writes onto stderr what keeps a command from starting.</summary>
    public static Task TellAsync(string problem) => Console.Error.WriteLineAsync($"rbd-replication: {problem}");

    private static void ReportFile(ILogger logger, string path, string? problem)
    {
        if (problem is null)
            FileGood(logger, path);
        else
            FileBad(logger, path, problem);
    }

    [LoggerMessage(EventIds.ConfigurationGood, LogLevel.Information, "Configuration file {Path} is good again")]
    private static partial void FileGood(ILogger logger, string path);

    [LoggerMessage(EventIds.ConfigurationBad, LogLevel.Error, "Configuration file {Path} cannot be used, its last good content stays in force: {Problem}")]
    private static partial void FileBad(ILogger logger, string path, string problem);
}
