using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.Core;

namespace RbdReplication.CephTests.Sandbox;

/// <summary>A pool of a test's own, mirrored image by image and without a peer.</summary>
public sealed class OwnPool : IAsyncDisposable
{
    private readonly Site _site;

    private OwnPool(Site site, RadosPool pool)
    {
        _site = site;
        Pool = pool;
    }

    public RadosPool Pool { get; }

    public static async Task<OwnPool> CreateAsync(Site site)
    {
        var name = "own" + Guid.NewGuid().ToString("N")[..8];
        await site.CephAsync("osd", "pool", "create", name, "1", "1");
        await site.RbdAsync("pool", "init", name);
        await site.RbdAsync("mirror", "pool", "enable", name, "image");
        return new OwnPool(site, await site.Cluster.OpenPoolAsync(name, "", CancellationToken.None));
    }

    /// <summary>Creates an image named as that of a volume, and returns its handle.</summary>
    public async Task<VolumeHandle> CreateVolumeAsync()
    {
        var handle = new VolumeHandle(_site.Name, Pool.Id, Guid.NewGuid().ToString());
        await RbdImage.CreateAsync(Pool, ImageName(handle), TestVolume.SizeBytes, ImageFeatures.Layering, CancellationToken.None);
        return handle;
    }

    public static string ImageName(VolumeHandle handle) => JournalKeys.DefaultImagePrefix + handle.Uuid;

    public Task<Status> StatusAsync(string call, VolumeHandle handle, bool force = false) => Rpc.StatusAsync(
        _site.Replication, call, new() { Source = RpcArguments.Volume(handle.ToString()), Secrets = _site.Secrets, Force = force }, new CallOptions(deadline: DateTime.UtcNow.AddSeconds(60)));

    /// <summary>Limits the number of objects, 0 for no limit, and waits until the OSDs know whether the pool is full.</summary>
    public async Task SetQuotaAsync(int objects)
    {
        await _site.CephAsync("osd", "pool", "set-quota", Pool.Name, "max_objects", objects.ToString(System.Globalization.CultureInfo.InvariantCulture));
        await Eventually.TrueAsync(
            async () => (await _site.CephAsync("osd", "dump")).Split('\n').Single(line => line.Contains($"'{Pool.Name}'", StringComparison.Ordinal))
                .Contains("full_quota", StringComparison.Ordinal) == objects > 0,
            $"{Pool.Name} is full, or no more");
    }

    public async ValueTask DisposeAsync()
    {
        await Pool.DisposeAsync();
        await _site.CephAsync("osd", "pool", "delete", Pool.Name, Pool.Name, "--yes-i-really-really-mean-it");
    }
}
