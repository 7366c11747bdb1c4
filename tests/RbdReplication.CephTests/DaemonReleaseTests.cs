using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests;

public sealed class DaemonReleaseTests(TwoSites sites)
{
    [Fact]
    public async Task Volumes_that_are_promoted_by_force_at_once_are_told_when_their_sites_daemon_has_let_go()
    {
        await using var server = await sites.B.StartServerAsync($"told-{Guid.NewGuid():N}"[..20], "--volume-metrics-interval", "0");
        var volumes = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => TestVolume.CreateAsync(sites.A)));
        await Task.WhenAll(volumes.Select(volume => volume.ProtectAsync(sites.A, sites.B)));
        await Task.WhenAll(volumes.Select(volume => TestVolume.RetryAsync(
            () => Rpc.CallAsync(server.Replication, Rpc.Promote, new RpcArguments { Source = volume.Source, Secrets = sites.B.Secrets, Force = true }), "it is promoted")));
        foreach (var volume in volumes)
            Assert.True((await volume.InfoAsync(sites.B)).IsPrimary);
        await Eventually.TrueAsync(
            async () => (await Scrape.OfAsync(server)).Of("rbd_replication_ceph_call_duration_seconds_count")
                .Any(series => series.Labels["rbd_call"] == "rados_aio_notify" && series.Value > 0), "it was told");
    }

    [Fact]
    public async Task A_change_of_a_header_is_announced_to_whoever_has_the_image_open_and_to_nobody()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await using var reader = await volume.OpenAsync(sites.A);
        await HeaderUpdate.AnnounceAsync(reader, CancellationToken.None);
        await using (var writer = await volume.OpenAsync(sites.A, readOnly: false))
        {
            await writer.Snapshots.CreateAsync("one", CancellationToken.None);
            await HeaderUpdate.AnnounceAsync(reader, CancellationToken.None);
            Assert.Equal(["one"], (await writer.Snapshots.ListAsync(CancellationToken.None)).Select(snapshot => snapshot.Name));
            await writer.Snapshots.RemoveAsync("one", CancellationToken.None);
        }
        await RbdImage.RemoveAsync(sites.A.Pool, volume.ImageName, CancellationToken.None);
        var gone = await Assert.ThrowsAsync<CephException>(() => HeaderUpdate.AnnounceAsync(reader, CancellationToken.None));
        Assert.Equal(Errno.ENOENT, gone.Errno);
    }
}
