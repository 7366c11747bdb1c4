using System.Net.Sockets;
using Grpc.Health.V1;
using Grpc.Reflection;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using OpenTelemetry.Metrics;
using RbdReplication.Core;
using RbdReplication.Csi.Grpc;
using RbdReplication.Csi.Hosting;
using RbdReplication.Csi.Page;
using RbdReplication.Csi.VolumeMetrics;

namespace RbdReplication.Csi.Composition;

/// <summary>Puts the server together: this is the only place where its parts are wired.</summary>
internal static partial class ServeHost
{
    // For the answers to calls that only read, once no change is waited for any more.
    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(5);

    // The SDK gives each instrument of a new meter a place of its own, and VolumeSeries makes new meters.
    private const int MaximumMetricStreams = 10_000;

    /// <summary>Serves until <paramref name="cancellationToken"/> is cancelled, then drains.</summary>
    public static async Task<int> RunAsync(ServeHostOptions options, CancellationToken cancellationToken)
    {
        if (options.ForwardSocketPath is { } forward && Path.GetFullPath(forward) == Path.GetFullPath(options.SocketPath))
        {
            await CommandHost.TellAsync($"--forward-endpoint is unix://{options.ForwardSocketPath}, the server's own socket: it must be the driver's");
            return ExitCode.Usage;
        }
        if (UnixSocket.MakeWay(options.SocketPath) is { } obstacle)
        {
            await CommandHost.TellAsync(obstacle);
            return ExitCode.Failure;
        }
        await using var app = Build(options);
        if (await CommandHost.StartAsync(app, cancellationToken) is { } failure)
            return failure;
        var logger = app.Services.GetRequiredService<ILogger<ServeHostOptions>>();
        Started(logger, ProductVersion.Text, options.DriverName, options.SocketPath);
        await using var stop = cancellationToken.Register(() => app.Lifetime.StopApplication());
        await app.WaitForShutdownAsync(CancellationToken.None);
        File.Delete(options.SocketPath);
        Stopped(logger);
        return ExitCode.Success;
    }

    private static WebApplication Build(ServeHostOptions options)
    {
        var builder = CommandHost.CreateBuilder(options.Host, kestrel => kestrel.ListenUnixSocket(options.SocketPath, static socket =>
        {
            socket.Protocols = HttpProtocols.Http2;
            ServeLimits.RequirePreface(socket);
        }));
        builder.WebHost.UseSockets(sockets => sockets.CreateBoundListenSocket = endPoint => endPoint is UnixDomainSocketEndPoint path
            ? UnixSocket.Bind(path, options.SocketGroup)
            : SocketTransportOptions.CreateDefaultBoundListenSocket(endPoint));

        var services = builder.Services;
        services.Configure<HostOptions>(host => host.ShutdownTimeout = options.StopTimeout + AnswerTime);
        services.AddSingleton(options.VolumeMetrics);
        services.AddSingleton(new DrainingOptions(options.StopTimeout));
        services.AddSingleton(new IdentityOptions(options.DriverName));
        services.AddSingleton(new ReplicationOptions(options.OperationTimeout));
        services.AddSingleton(new PoolsInUse(TimeProvider.System, areWatched: options.VolumeMetrics.Interval > TimeSpan.Zero));
        services.AddSingleton<Places>();
        services.AddSingleton<VolumeResolver>();
        services.AddSingleton<OverdueLog>();
        services.AddSingleton<OverdueReport>(provider => provider.GetRequiredService<OverdueLog>().Report);
        services.AddSingleton<VolumeGate>();
        services.AddSingleton<FlattenReport>(provider =>
        {
            var logger = provider.GetRequiredService<ILogger<VolumeReplication>>();
            return (clone, parent, percent) => Flattening(logger, clone.ImageSpec, clone.Handle, parent, percent);
        });
        services.AddSingleton(provider =>
        {
            var logger = provider.GetRequiredService<ILogger<VolumeLocks>>();
            // In Kubernetes that is the name of the pod.
            return new VolumeLocks(Environment.MachineName, TimeProvider.System, (volume, operation) => LockLost(logger, operation, volume));
        });
        services.AddSingleton<CutOffReport>(provider =>
        {
            var logger = provider.GetRequiredService<ILogger<VolumeReplication>>();
            return (volume, address, patience) => CutOff(logger, address, volume.ImageSpec, volume.Handle, patience.TotalSeconds);
        });
        services.AddSingleton(new RecentChanges(options.StatusMaximumAge, TimeProvider.System));
        services.AddSingleton<VolumeOperations>();
        services.AddSingleton<PointLog>();
        services.AddSingleton(provider => new PointSchedule(
            provider.GetRequiredService<VolumeOperations>(), new VolumeLocks(Environment.MachineName, TimeProvider.System, prefix: PointSchedule.LockPrefix),
            provider.GetRequiredService<PointLog>().Report, TimeProvider.System));
        services.AddSingleton<ReadingLog>();
        services.AddSingleton(provider =>
        {
            var log = provider.GetRequiredService<ReadingLog>();
            return new SharedReports(options.StatusMaximumAge, provider.GetRequiredService<RecentChanges>(), TimeProvider.System, log.Read, log.Answered);
        });
        services.AddSingleton<VolumeReplication>();
        services.AddSingleton<Telemetry>();
        services.AddSingleton<PoolLister>();
        services.AddSingleton(new LastListings(options.VolumeMetrics.Interval, TimeProvider.System));
        services.AddSingleton<VolumeSeries>();
        services.AddHostedService<VolumePoller>();
        services.AddSingleton(options.Page);
        services.AddSingleton<FleetFeed>();
        services.AddSingleton<PageEndpoint>();
        services.AddSingleton<ForwardedCalls>();
        services.AddSingleton<UnservedCalls>();
        if (options.ForwardSocketPath is { } driver)
        {
            services.AddSingleton(new ForwardOptions(driver, options.OperationTimeout));
            services.AddSingleton<DriverSocket>();
            services.AddSingleton<DriverCapabilities>();
            services.AddSingleton<CallForwarder>();
        }
        services.AddSingleton<Draining>();
        services.AddHostedService(provider => provider.GetRequiredService<Draining>());
        services.AddSingleton<Readiness>();
        services.AddSingleton<StatusInterceptor>();
        services.AddSingleton<CallGuard>();
        services.AddRpcService<IdentityService>();
        services.AddRpcService<ReplicationService>();
        services.AddRpcService<ReclaimSpaceService>();
        services.AddRpcService<FenceService>();
        if (options.VolumeGroups is { } groups)
        {
            services.AddSingleton(groups);
            services.AddSingleton<FailoverReport>(provider =>
            {
                var logger = provider.GetRequiredService<ILogger<GroupReplication>>();
                return (group, failover) => GroupFailedOver(logger, group, failover.Since, failover.Describe());
            });
            services.AddRpcService<VolumeGroupService>();
        }
        services.AddGrpc(grpc =>
        {
            grpc.Interceptors.Add<StatusInterceptor>();
            grpc.MaxReceiveMessageSize = ServeLimits.MessageBytes;
            // They are UnservedCalls'.
            grpc.IgnoreUnknownServices = true;
        });
        // AddGrpcReflection finds the services by run-time reflection, which Native AOT does not keep.
        services.AddSingleton(provider => new ReflectionServiceImpl(
            [.. provider.GetServices<RpcService>().Select(service => service.Descriptor), Health.Descriptor]));
        services.AddGrpcHealthChecks(health => health.Services.Map("", _ => true)).AddCheck<Draining>("draining");
        services.AddOpenTelemetry().WithMetrics(metrics => metrics.AddMeter(VolumeSeries.MeterName)
            .AddView(instrument => VolumeSeries.LimitOf(instrument, options.VolumeMetrics)).SetMaxMetricStreams(MaximumMetricStreams));

        var app = builder.Build();
        // Gauges are registered by the constructor.
        _ = app.Services.GetRequiredService<Telemetry>();
        app.Use(app.Services.GetRequiredService<CallGuard>().InvokeAsync);
        HttpEndpoint.Map(app, () => app.Services.GetRequiredService<Readiness>().Obstacle is { } obstacle ? (false, obstacle) : (true, "ok"));
        app.MapRpcServices();
        app.MapGrpcHealthChecksService();
        app.MapGrpcService<ReflectionServiceImpl>();
        app.MapPost(UnservedCalls.Route, app.Services.GetRequiredService<UnservedCalls>().InvokeAsync);
        app.Map(OperationsJson.Path, ShowOperations);
        app.Services.GetRequiredService<PageEndpoint>().Map(app);
        return app;
    }

    private static Task ShowOperations(HttpContext http) => http.Response.WriteAsJsonAsync(
        OperationsJson.Of(http.RequestServices.GetRequiredService<VolumeGate>()), OperationsJsonContext.Default.OperationsJson);

    [LoggerMessage(EventIds.ServerStarted, LogLevel.Information, "rbd-replication {Version} serves driver {Driver} on {Socket}")]
    private static partial void Started(ILogger logger, string version, string driver, string socket);

    [LoggerMessage(EventIds.ServerStopped, LogLevel.Information, "Stopped")]
    private static partial void Stopped(ILogger logger);

    [LoggerMessage(EventIds.Flattening, LogLevel.Information, "Flattening {Image} of volume {VolumeHandle}, a clone of {Parent}: {Percent} %")]
    private static partial void Flattening(ILogger logger, string image, VolumeHandle volumeHandle, string parent, int percent);

    [LoggerMessage(EventIds.GroupFailedOver, LogLevel.Warning, "Volume group {VolumeGroupHandle} was promoted by force, begun at {Since:u}: {Outcome}")]
    private static partial void GroupFailedOver(ILogger logger, VolumeHandle volumeGroupHandle, DateTimeOffset since, string outcome);

    [LoggerMessage(
        EventIds.MirrorDaemonCutOff, LogLevel.Warning,
        "The mirror daemon at {Address} did not let go of {Image} of volume {VolumeHandle} within {Seconds:0} s, so that it could not be promoted, and was put on the cluster's blocklist; it connects again by itself, or has to be restarted before anything is copied to this site again")]
    private static partial void CutOff(ILogger logger, string address, string image, VolumeHandle volumeHandle, double seconds);

    [LoggerMessage(EventIds.LockLost, LogLevel.Warning, "The lock that keeps other servers off volume {VolumeHandle} ran out during {Operation}: it could not be renewed, or another server has it now; no further step is begun")]
    private static partial void LockLost(ILogger logger, string operation, VolumeHandle volumeHandle);
}
