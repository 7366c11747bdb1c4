using System.Text;
using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests;

/// <summary>Pools that have no peer, and pools that have one too many.</summary>
public sealed class PeerlessPoolTests(TwoSites sites)
{
    [Theory]
    [InlineData("snapshot")]
    [InlineData("journal")]
    public async Task Without_a_peer_a_volume_is_demoted_ready_promoted_and_disabled(string mode)
    {
        await using var pool = await CreatePoolAsync("alone-" + mode);
        var volume = await TestVolume.CreateAsync(sites.A, pool);
        await volume.EnableAsync(sites.A, mode);
        await volume.PromoteAsync(sites.A);
        await volume.WriteAsync(sites.A, 0, [1]);
        for (var i = 0; i < 2; i++)
        {
            await volume.DemoteAsync(sites.A);
            Assert.False((await volume.InfoAsync(sites.A)).IsPrimary);
            // No mirror daemon looks at such a pool, and none is needed.
            Assert.True(await volume.ResyncAsync(sites.A));
            await volume.PromoteAsync(sites.A);
            Assert.True((await volume.InfoAsync(sites.A)).IsPrimary);
        }
        await volume.DemoteAsync(sites.A);
        await volume.DisableAsync(sites.A);
        Assert.Equal(MirrorImageState.Disabled, (await volume.InfoAsync(sites.A)).State);
        Assert.Equal([1], await volume.ReadAsync(sites.A, 0, 1));
    }

    [Fact]
    public async Task A_snapshot_that_no_peer_ever_needed_does_not_prove_that_one_which_came_later_follows()
    {
        await using var pool = await CreatePoolAsync("late");
        var volume = await TestVolume.CreateAsync(sites.A, pool);
        await volume.EnableAsync(sites.A);
        await volume.PromoteAsync(sites.A);
        await RegisterPeerAsync(pool, "site-late");
        // The only one that names the peer is the newest.
        await volume.TakeSnapshotAsync(sites.A);
        var refusal = await TestVolume.FailureOfAsync(() => volume.DemoteAsync(sites.A));
        Assert.Equal(StatusCode.Unavailable, refusal.StatusCode);
        Assert.True((await volume.InfoAsync(sites.A)).IsPrimary);
    }

    [Fact]
    public async Task A_second_peer_whose_site_is_gone_holds_up_no_demotion()
    {
        await using var pool = await sites.A.Cluster.OpenPoolAsync("otherpool", "", CancellationToken.None);
        await using var copies = await sites.B.Cluster.OpenPoolAsync("otherpool", "", CancellationToken.None);
        var gone = await RegisterPeerAsync(pool, "site-gone");
        try
        {
            await DemoteAsync(pool, copies, gone);
        }
        finally
        {
            await sites.A.RbdAsync("mirror", "pool", "peer", "remove", "otherpool", gone.Uuid);
        }
    }

    // What the mirror daemon of a site does that copies from here.
    private static async Task<MirrorPeerSite> RegisterPeerAsync(RadosPool pool, string site)
    {
        await pool.WriteAsync(
            "rbd_mirroring", new ObjectWrite().Execute("rbd", "mirror_peer_ping", [.. Text(site), .. Text(Guid.NewGuid().ToString()), 1]), CancellationToken.None);
        return (await new PoolMirroring(pool).ListPeersAsync(CancellationToken.None)).Single(peer => peer.SiteName == site);
    }

    private async Task DemoteAsync(RadosPool pool, RadosPool copies, MirrorPeerSite gone)
    {
        var volume = await TestVolume.CreateAsync(sites.A, pool);
        await volume.EnableAsync(sites.A);
        await volume.PromoteAsync(sites.A);
        await Eventually.TrueAsync(async () =>
        {
            await using var copy = await RbdImage.OpenAsync(copies, volume.ImageName, readOnly: true, CancellationToken.None);
            return (await copy.Mirroring.ListSnapshotsAsync(CancellationToken.None)) is [.., { State: MirrorSnapshotState.NonPrimary, IsComplete: true }];
        }, "site-b has a copy");
        await Eventually.TrueAsync(
            async () => (await volume.GetInfoAsync(sites.A)).StatusMessage.Contains($"rbd mirror pool peer remove POOL {gone.Uuid}", StringComparison.Ordinal),
            "the peer that is gone is named");
        await volume.WriteAsync(sites.A, 0, [7]);
        await TestVolume.RetryAsync(() => volume.DemoteAsync(sites.A), "site-a is demoted");
        await using var image = await RbdImage.OpenAsync(copies, volume.ImageName, readOnly: true, CancellationToken.None);
        Assert.True((await image.Mirroring.ListSnapshotsAsync(CancellationToken.None)) is [.., { State: MirrorSnapshotState.NonPrimaryDemoted, IsComplete: true }]);
        var data = new byte[1];
        await image.ReadAsync(0, data, CancellationToken.None);
        Assert.Equal([7], data);
    }

    private async Task<RadosPool> CreatePoolAsync(string name)
    {
        await sites.A.CephAsync("osd", "pool", "create", name, "8");
        await sites.A.RbdAsync("pool", "init", name);
        await sites.A.RbdAsync("mirror", "pool", "enable", name, "image");
        return await Eventually.GetAsync(() => Opened(name), "the pool is there");
    }

    private async Task<RadosPool?> Opened(string name) => await sites.A.Cluster.OpenPoolAsync(name, "", CancellationToken.None);

    // As Ceph encodes it.
    private static byte[] Text(string text) => [.. BitConverter.GetBytes(text.Length), .. Encoding.ASCII.GetBytes(text)];
}
