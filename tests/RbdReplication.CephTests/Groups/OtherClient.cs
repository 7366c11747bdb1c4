using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests.Groups;

/// <summary>A client of a site's cluster other than the tests' own, as a node is.</summary>
internal sealed class OtherClient : IAsyncDisposable
{
    private readonly RadosPool _pool;

    private OtherClient(RadosPool pool) => _pool = pool;

    public static async Task<OtherClient> ConnectAsync(Site site)
    {
        var cluster = await RadosCluster.ConnectAsync(
            new RadosConnectionOptions { Monitors = MonitorList.Parse(site.Monitors), User = "csi", Key = site.Credentials.Key }, CancellationToken.None);
        return new OtherClient(await cluster.OpenPoolAsync(TwoSites.Pool, "", CancellationToken.None));
    }

    public Task<RbdImage> OpenAsync(string imageName) => RbdImage.OpenAsync(_pool, imageName, readOnly: false, CancellationToken.None);

    public async ValueTask DisposeAsync()
    {
        await _pool.DisposeAsync();
        await _pool.Cluster.DisposeAsync();
    }
}
