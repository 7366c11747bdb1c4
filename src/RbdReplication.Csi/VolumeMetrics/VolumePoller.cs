using System.Collections.Concurrent;
using RbdReplication.Core;

namespace RbdReplication.Csi.VolumeMetrics;

/// <summary>
/// Lists each pool in use once in an interval, for <see cref="LastListings"/> and <see cref="VolumeSeries"/>. Pools are listed
/// independently of each other, so one in a cluster that hangs delays no other; it is not listed again before its last listing has ended.
/// </summary>
internal sealed partial class VolumePoller(
    PoolsInUse pools, ClusterFiles files, PoolLister lister, LastListings listings, VolumeSeries series, VolumeMetricsOptions options,
    TimeProvider time, ILogger<VolumePoller> logger) : BackgroundService
{
    private readonly ConcurrentDictionary<(string ClusterId, long PoolId), Task> _running = new();
    private readonly ConcurrentDictionary<(string ClusterId, long PoolId), bool> _failing = new();

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (options.Interval == TimeSpan.Zero)
            return;
        using var timer = new PeriodicTimer(options.Interval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
                ListAll(stoppingToken);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
        await Task.WhenAll(_running.Values);
    }

    private void ListAll(CancellationToken cancellationToken)
    {
        var configured = ListConfigured();
        if (listings.Keep(configured.Select(entry => entry.Pool)))
            series.Update();
        foreach (var (pool, cluster) in configured)
        {
            var key = (pool.ClusterId, pool.PoolId);
            if (_running.TryGetValue(key, out var before) && !before.IsCompleted)
                Failed(pool, "the listing before has not ended yet");
            else
                _running[key] = ListAsync(pool, cluster, cancellationToken);
        }
    }

    private IReadOnlyList<(PoolInUse Pool, ClusterEntry Cluster)> ListConfigured()
    {
        try
        {
            return pools.ListConfigured(files.Read().Config);
        }
        catch (ReplicationException)
        {
            // Never readable: no call has found a volume either.
            return [];
        }
    }

    private async Task ListAsync(PoolInUse pool, ClusterEntry cluster, CancellationToken cancellationToken)
    {
        try
        {
            // Read now, or by a reading for calls that is under way; calls are answered from it, too.
            var listing = await lister.ListPoolAsync(cluster, pool.Credentials, pool.PoolId, options.MaximumVolumeSeries, cancellationToken);
            listings.Put(pool, listing);
            series.Update();
            if (_failing.TryRemove((pool.ClusterId, pool.PoolId), out _))
                Recovered(pool.PoolName, pool.ClusterId);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
        }
#pragma warning disable CA1031 // The top of a loop: the next interval comes whatever went wrong in this one.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Failed(pool, e is ReplicationException ? e.Message : $"a bug: {e}");
        }
    }

    private void Failed(PoolInUse pool, string problem)
    {
        // Where it went wrong in the code is for the log.
        listings.Fail(pool, problem.Split('\n')[0]);
        series.CountFailure(pool);
        if (_failing.TryAdd((pool.ClusterId, pool.PoolId), true))
            Failing(pool.PoolName, pool.ClusterId, problem);
    }

    [LoggerMessage(EventIds.ListingFails, LogLevel.Warning, "The volumes of pool {Pool} of cluster {Cluster} cannot be listed, their metrics vanish if that lasts: {Problem}")]
    private partial void Failing(string pool, string cluster, string problem);

    [LoggerMessage(EventIds.ListingRecovered, LogLevel.Information, "The volumes of pool {Pool} of cluster {Cluster} are listed again")]
    private partial void Recovered(string pool, string cluster);
}
