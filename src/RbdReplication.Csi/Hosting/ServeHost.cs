using System.Net.Sockets;
using Grpc.Health.V1;
using Grpc.Reflection;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;
using RbdReplication.Core;
using RbdReplication.Csi.Cli;
using RbdReplication.Csi.Grpc;
using RbdReplication.Csi.VolumeMetrics;

namespace RbdReplication.Csi.Hosting;

/// <summary>Puts the server together: this is the only place where its parts are wired.</summary>
internal static partial class ServeHost
{
    // For the answers to calls that only read, once no change is waited for any more.
    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(5);

    // The SDK gives each instrument of a new meter a place of its own, and VolumeSeries makes new meters.
    private const int MaximumMetricStreams = 10_000;

    /// <summary>Serves until <paramref name="cancellationToken"/> is cancelled, then drains.</summary>
    public static async Task<int> RunAsync(ServeOptions options, CancellationToken cancellationToken)
    {
        if (UnixSocket.MakeWay(options.SocketPath) is { } obstacle)
        {
            await Console.Error.WriteLineAsync($"rbd-replication: {obstacle}");
            return CommandLine.Failure;
        }
        await using var app = Build(options);
        var logger = app.Services.GetRequiredService<ILogger<ServeOptions>>();
        try
        {
            await app.StartAsync(cancellationToken);
        }
        catch (SocketGroupException e)
        {
            await Console.Error.WriteLineAsync($"rbd-replication: {e.Message}");
            return CommandLine.Usage;
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            await Console.Error.WriteLineAsync($"rbd-replication: cannot listen: {e.Message}");
            return CommandLine.Failure;
        }
        Started(logger, IdentityService.Version, options.DriverName, options.SocketPath);
        await using var stop = cancellationToken.Register(() => app.Lifetime.StopApplication());
        await app.WaitForShutdownAsync(CancellationToken.None);
        File.Delete(options.SocketPath);
        Stopped(logger);
        return CommandLine.Success;
    }

    private static WebApplication Build(ServeOptions options)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Configuration.Sources.Clear();
        Logging.Configure(builder.Logging, options.LogLevel, options.LogJson);
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = options.StopTimeout + AnswerTime);
        builder.WebHost.ConfigureKestrel(kestrel => Listen(kestrel, options));
        builder.WebHost.UseSockets(sockets => sockets.CreateBoundListenSocket = endPoint => endPoint is UnixDomainSocketEndPoint path
            ? UnixSocket.Bind(path, options.SocketGroup)
            : SocketTransportOptions.CreateDefaultBoundListenSocket(endPoint));

        var services = builder.Services;
        services.AddSingleton(options);
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton(provider => new ClusterFiles(
            options.ClusterConfigPath, options.ClusterMappingPath,
            (path, problem) => ReportFile(provider.GetRequiredService<ILogger<ClusterFiles>>(), path, problem)));
        services.AddSingleton<ClusterConnections>();
        services.AddSingleton(new PoolsInUse(TimeProvider.System, areWatched: options.VolumeMetricsInterval > TimeSpan.Zero));
        services.AddSingleton<Places>();
        services.AddSingleton<VolumeResolver>();
        services.AddSingleton<OverdueLog>();
        services.AddSingleton<OverdueReport>(provider => provider.GetRequiredService<OverdueLog>().Report);
        services.AddSingleton<VolumeGate>();
        services.AddSingleton<FlattenReport>(provider =>
        {
            var logger = provider.GetRequiredService<ILogger<VolumeReplication>>();
            return (clone, parent, percent) => Flattening(logger, clone.ImageSpec, clone.Handle, parent.ToString(), percent);
        });
        services.AddSingleton(provider =>
        {
            var logger = provider.GetRequiredService<ILogger<VolumeLocks>>();
            // In Kubernetes that is the name of the pod.
            return new VolumeLocks(Environment.MachineName, TimeProvider.System, (volume, operation) => LockLost(logger, operation, volume));
        });
        services.AddSingleton<VolumeReplication>();
        services.AddSingleton<Telemetry>();
        services.AddSingleton<MirrorInventory>();
        services.AddSingleton<VolumeSeries>();
        services.AddHostedService<VolumePoller>();
        services.AddSingleton<Draining>();
        services.AddHostedService(provider => provider.GetRequiredService<Draining>());
        services.AddSingleton<Readiness>();
        services.AddSingleton<StatusInterceptor>();
        services.AddSingleton<CallGuard>();
        services.AddRpcService<IdentityService>();
        services.AddRpcService<ReplicationService>();
        services.AddGrpc(grpc =>
        {
            grpc.Interceptors.Add<StatusInterceptor>();
            grpc.MaxReceiveMessageSize = ServeLimits.MessageBytes;
        });
        // AddGrpcReflection finds the services by run-time reflection, which Native AOT does not keep.
        services.AddSingleton(provider => new ReflectionServiceImpl(
            [.. provider.GetServices<RpcService>().Select(service => service.Descriptor), Health.Descriptor]));
        services.AddGrpcHealthChecks(health => health.Services.Map("", _ => true)).AddCheck<Draining>("draining");
        services.AddOpenTelemetry()
            .WithMetrics(metrics =>
            {
                metrics.AddMeter(CephMetrics.SourceName, VolumeSeries.MeterName).AddPrometheusExporter();
                metrics.AddView(instrument => VolumeSeries.LimitOf(instrument, options)).SetMaxMetricStreams(MaximumMetricStreams);
                if (HasCollector)
                    metrics.AddOtlpExporter();
            })
            .WithTracing(tracing =>
            {
                if (HasCollector)
                    tracing.AddSource(CephMetrics.SourceName).AddOtlpExporter();
            });

        var app = builder.Build();
        // Gauges are registered by the constructor.
        _ = app.Services.GetRequiredService<Telemetry>();
        app.Use(app.Services.GetRequiredService<CallGuard>().InvokeAsync);
        app.Use(OneRequestAConnection);
        app.MapRpcServices();
        app.MapGrpcHealthChecksService();
        app.MapGrpcService<ReflectionServiceImpl>();
        app.MapPrometheusScrapingEndpoint("/metrics");
        app.Map("/healthz", static (HttpContext http) => http.Response.WriteAsync("ok\n"));
        app.Map("/readyz", static (HttpContext http) =>
        {
            var obstacle = http.RequestServices.GetRequiredService<Readiness>().Obstacle;
            http.Response.StatusCode = obstacle is null ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
            return http.Response.WriteAsync((obstacle ?? "ok") + "\n");
        });
        app.Map(OperationsJson.Path, ShowOperations);
        return app;
    }

    private static Task ShowOperations(HttpContext http) => http.Response.WriteAsJsonAsync(
        OperationsJson.Of(http.RequestServices.GetRequiredService<VolumeGate>()), OperationsJsonContext.Default.OperationsJson);

    /// <summary>Whether an OpenTelemetry collector is configured.</summary>
    internal static bool HasCollector => !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("OTEL_EXPORTER_OTLP_ENDPOINT"));

    private static void Listen(KestrelServerOptions kestrel, ServeOptions options)
    {
        kestrel.AddServerHeader = false;
        ServeLimits.Apply(kestrel.Limits);
        kestrel.ListenUnixSocket(options.SocketPath, socket =>
        {
            socket.Protocols = HttpProtocols.Http2;
            ServeLimits.RequirePreface(socket);
        });
        if (options.HttpEndpoint is { } http)
            ListenHttp(kestrel, http);
    }

    /// <summary>Opens the endpoint of metrics and probes.</summary>
    internal static void ListenHttp(KestrelServerOptions kestrel, Uri http)
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

    /// <summary>Idle connections to the HTTP endpoint would stay open as those to the socket must.</summary>
    internal static Task OneRequestAConnection(HttpContext http, RequestDelegate next)
    {
        if (HttpProtocol.IsHttp11(http.Request.Protocol))
            http.Response.Headers.Connection = "close";
        return next(http);
    }

    /// <summary>Logs that a configuration file became unusable or good again.</summary>
    internal static void ReportFile(ILogger logger, string path, string? problem)
    {
        if (problem is null)
            FileGood(logger, path);
        else
            FileBad(logger, path, problem);
    }

    [LoggerMessage(EventIds.ServerStarted, LogLevel.Information, "rbd-replication {Version} serves driver {Driver} on {Socket}")]
    private static partial void Started(ILogger logger, string version, string driver, string socket);

    [LoggerMessage(EventIds.ServerStopped, LogLevel.Information, "Stopped")]
    private static partial void Stopped(ILogger logger);

    [LoggerMessage(EventIds.Flattening, LogLevel.Information, "Flattening {Image} of volume {VolumeHandle}, a clone of {Parent}: {Percent} %")]
    private static partial void Flattening(ILogger logger, string image, VolumeHandle volumeHandle, string parent, int percent);

    [LoggerMessage(EventIds.LockLost, LogLevel.Warning, "The lock that keeps other servers off volume {VolumeHandle} ran out during {Operation}: it could not be renewed, or another server has it now; no further step is begun")]
    private static partial void LockLost(ILogger logger, string operation, VolumeHandle volumeHandle);

    [LoggerMessage(EventIds.ConfigurationGood, LogLevel.Information, "Configuration file {Path} is good again")]
    private static partial void FileGood(ILogger logger, string path);

    [LoggerMessage(EventIds.ConfigurationBad, LogLevel.Error, "Configuration file {Path} cannot be used, its last good content stays in force: {Problem}")]
    private static partial void FileBad(ILogger logger, string path, string problem);
}
