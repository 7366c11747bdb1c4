using RbdReplication.Csi.Hosting;
using RbdReplication.Kubernetes;
using RbdReplication.PersistentVolumes;

namespace RbdReplication.Csi.Composition;

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
            await CommandHost.TellAsync(e.Message);
            return ExitCode.Failure;
        }
        await using var app = Build(options, api);
        if (options.Host.HttpEndpoint is not null && await CommandHost.StartAsync(app, cancellationToken) is { } failure)
            return failure;
        var logger = app.Services.GetRequiredService<ILogger<OmapGenerator>>();
        Started(logger, ProductVersion.Text, options.Generator.DriverName, api.Address);
        try
        {
            await app.Services.GetRequiredService<OmapGenerator>().RunAsync(cancellationToken);
        }
#pragma warning disable CA1031 // The last place that can tell.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Crashed(logger, e);
            return ExitCode.Failure;
        }
        Stopped(logger);
        return ExitCode.Success;
    }

    private static WebApplication Build(OmapGeneratorHostOptions options, KubernetesApi api)
    {
        var builder = CommandHost.CreateBuilder(options.Host, static _ => { });
        var services = builder.Services;
        services.AddSingleton(options.Generator);
        services.AddSingleton(api);
        services.AddSingleton<GeneratorTelemetry>();
        services.AddSingleton<OmapGenerator>();

        var app = builder.Build();
        HttpEndpoint.Map(app, () => app.Services.GetRequiredService<OmapGenerator>().Readiness);
        return app;
    }

    [LoggerMessage(EventIds.GeneratorStarted, LogLevel.Information, "omap generator {Version} watches volumes of driver {Driver}, API server {ApiServer}")]
    private static partial void Started(ILogger logger, string version, string driver, Uri apiServer);

    [LoggerMessage(EventIds.GeneratorStopped, LogLevel.Information, "Stopped")]
    private static partial void Stopped(ILogger logger);

    [LoggerMessage(EventIds.GeneratorCrashed, LogLevel.Critical, "The omap generator ends on an unforeseen error")]
    private static partial void Crashed(ILogger logger, Exception error);
}
