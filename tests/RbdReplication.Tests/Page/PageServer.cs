using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using RbdReplication.Core;
using RbdReplication.Csi.Hosting;
using RbdReplication.Csi.Page;
using RbdReplication.Csi.VolumeMetrics;
using RbdReplication.Tests.VolumeMetrics;

namespace RbdReplication.Tests.Page;

/// <summary>The server's own endpoint of the page, with readings that a test makes.</summary>
internal sealed class PageServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private PageServer(WebApplication app, int port)
    {
        _app = app;
        Port = port;
        Address = new Uri($"http://127.0.0.1:{port}/");
        Http = new HttpClient { BaseAddress = Address };
    }

    public int Port { get; }

    public Uri Address { get; }

    public HttpClient Http { get; }

    public LastListings Listings => _app.Services.GetRequiredService<LastListings>();

    public VolumeGate Gate => _app.Services.GetRequiredService<VolumeGate>();

    public FleetFeed Feed => _app.Services.GetRequiredService<FleetFeed>();

    public static async Task<PageServer> StartAsync(int? port = null, int maximumStreams = 8, int maximumVolumes = 20_000, TimeSpan? interval = null)
    {
        var taken = port ?? StartAndStopTests.FreePort();
        var metrics = new VolumeMetricsOptions { Interval = interval ?? Listed.Interval, MaximumVolumeSeries = maximumVolumes };
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            ServeLimits.Apply(kestrel.Limits);
            HttpEndpoint.Listen(kestrel, new Uri($"http://127.0.0.1:{taken}"));
        });
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton(metrics);
        builder.Services.AddSingleton(new LastListings(metrics.Interval, TimeProvider.System));
        builder.Services.AddSingleton(new VolumeGate(TimeProvider.System));
        builder.Services.AddSingleton(new PageOptions(maximumStreams));
        builder.Services.AddSingleton<FleetFeed>();
        builder.Services.AddSingleton<PageEndpoint>();
        var app = builder.Build();
        app.Services.GetRequiredService<PageEndpoint>().Map(app);
        await app.StartAsync();
        return new PageServer(app, taken);
    }

    /// <summary>A volume as a reading sees it.</summary>
    public static MirroredVolume Volume(
        int number, ReplicationHealth health = ReplicationHealth.Healthy, string? persistentVolume = null, int lagSeconds = 90, string message = "site-b reports \"replaying\" 12 s ago: in step")
    {
        var uuid = $"00000000-0000-4000-8000-{number:d12}";
        var volume = Listed.Volume($"csi-vol-{uuid}", health, persistentVolume ?? $"pvc-{number}");
        var lastSync = DateTimeOffset.UtcNow.AddSeconds(-lagSeconds);
        return volume with
        {
            Handle = new VolumeHandle("site-a", 2, uuid),
            Status = volume.Status with
            {
                LastSyncTime = lastSync,
                Lag = TimeSpan.FromSeconds(lagSeconds),
                Message = message,
                Failover = health == ReplicationHealth.Healthy
                    ? new FailoverSafety(true, lastSync, $"a forced promotion at site-b would return to {lastSync:yyyy-MM-dd HH:mm:ss} UTC")
                    : new FailoverSafety(false, lastSync, message),
            },
        };
    }

    public void Read(params MirroredVolume[] volumes) => Listings.Put(Listed.Pool, Listed.At(DateTimeOffset.UtcNow, volumes));

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
    }
}
