using System.Collections.Concurrent;
using System.Diagnostics;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.Benchmarks;

/// <summary>A node that writes to all members of a group, through a client of its own.</summary>
internal sealed class GroupWriters : IAsyncDisposable
{
    private const int BlockBytes = 4096;

    private readonly RadosPool _pool;
    private readonly IReadOnlyList<RbdImage> _images;
    private readonly byte[] _block = new byte[BlockBytes];

    private GroupWriters(RadosPool pool, IReadOnlyList<RbdImage> images) => (_pool, _images) = (pool, images);

    public static async Task<GroupWriters> OpenAsync(BenchSite site, IEnumerable<BenchVolume> volumes)
    {
        var cluster = await RadosCluster.ConnectAsync(
            new RadosConnectionOptions { Monitors = MonitorList.Parse([site.Monitors]), User = "csi", Key = site.Credentials.Key }, CancellationToken.None);
        var pool = await cluster.OpenPoolAsync(site.Pool.Name, "", CancellationToken.None);
        return new GroupWriters(
            pool, await Task.WhenAll(volumes.Select(volume => RbdImage.OpenAsync(pool, volume.ImageName, readOnly: false, CancellationToken.None))));
    }

    /// <summary>Writes a block to each image in turn, one write after the other, until something has ended and then once more to each.</summary>
    /// <param name="threads">Writers at once, each of which does that, in places of its own and beginning with another image.</param>
    /// <param name="until">What is waited for.</param>
    public async Task<Load> WriteAsync(int threads, Task until)
    {
        var latencies = new ConcurrentBag<TimeSpan>();
        var started = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, threads).Select(async thread =>
        {
            await Task.Yield();
            bool isLast;
            do
            {
                isLast = until.IsCompleted;
                for (var i = 0; i < _images.Count; i++)
                {
                    var before = Stopwatch.GetTimestamp();
                    await _images[(i + thread * _images.Count / threads) % _images.Count].WriteAsync((ulong)(thread * BlockBytes), _block, CancellationToken.None);
                    latencies.Add(Stopwatch.GetElapsedTime(before));
                }
            }
            while (!isLast);
        }));
        return new Load(Stopwatch.GetElapsedTime(started), [.. latencies.Order()]);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var image in _images)
            await image.DisposeAsync();
        await _pool.DisposeAsync();
        await _pool.Cluster.DisposeAsync();
    }
}
