using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests.Groups;

/// <summary>A client of a site's cluster other than the tests' own, as a node is.</summary>
internal sealed class OtherClient : IAsyncDisposable
{
    private OtherClient(RadosPool pool) => Pool = pool;

    public RadosPool Pool { get; }

    public static async Task<OtherClient> ConnectAsync(Site site)
    {
        var cluster = await RadosCluster.ConnectAsync(
            new RadosConnectionOptions { Monitors = MonitorList.Parse(site.Monitors), User = "csi", Key = site.Credentials.Key }, CancellationToken.None);
        return new OtherClient(await cluster.OpenPoolAsync(TwoSites.Pool, "", CancellationToken.None));
    }

    public Task<RbdImage> OpenAsync(string imageName) => RbdImage.OpenAsync(Pool, imageName, readOnly: false, CancellationToken.None);

    public async ValueTask DisposeAsync()
    {
        await Pool.DisposeAsync();
        await Pool.Cluster.DisposeAsync();
    }
}
