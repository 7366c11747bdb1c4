using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests;

public sealed class JournalModeTests(TwoSites sites)
{
    [Fact]
    public async Task A_journaled_volume_moves_with_every_write()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.EnableAsync(sites.A, "journal");
        await volume.PromoteAsync(sites.A);
        await volume.WriteAsync(sites.A, 0, [1, 2, 3]);
        await TestVolume.RetryAsync(() => volume.DemoteAsync(sites.A), "site-a is demoted");
        Assert.False((await volume.InfoAsync(sites.A)).IsPrimary);
        await TestVolume.RetryAsync(() => volume.PromoteAsync(sites.B), "site-b is promoted");
        Assert.Equal([1, 2, 3], await volume.ReadAsync(sites.B, 0, 3));
    }

    [Fact]
    public async Task A_journaled_secondary_is_not_promoted_while_its_peer_is_primary()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.EnableAsync(sites.A, "journal");
        await volume.PromoteAsync(sites.A);
        await Eventually.TrueAsync(async () => (await volume.InfoAsync(sites.B)).State == MirrorImageState.Enabled, "the image has arrived");
        var refusal = await TestVolume.FailureOfAsync(() => volume.PromoteAsync(sites.B));
        Assert.Equal(StatusCode.Aborted, refusal.StatusCode);
    }
}
