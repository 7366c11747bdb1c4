using Grpc.Core;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests;

public sealed class ResyncTests(TwoSites sites)
{
    [Fact]
    public async Task A_split_brain_is_healed_with_force_only_and_once_and_journal_and_schedule_follow_the_new_copy()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.EnableAsync(sites.A);
        await volume.PromoteAsync(sites.A, interval: "1d");
        await volume.AwaitCopyAsync(sites.B);
        await volume.PromoteAsync(sites.B, force: true);
        await volume.WriteAsync(sites.A, 0, [1]);
        await volume.WriteAsync(sites.B, 0, [2]);
        await volume.TakeSnapshotAsync(sites.B);
        await Eventually.TrueAsync(
            async () => (await volume.GetInfoAsync(sites.A)).Status == Csi.Protocol.GetVolumeReplicationInfoResponse.Types.Status.Error, "two primaries are reported");
        // Demoted by another tool: there is no creation mark.
        await using (var image = await volume.OpenAsync(sites.A, readOnly: false))
            await image.Mirroring.DemoteAsync(CancellationToken.None);
        var before = await IdAsync(volume);

        await TestVolume.AwaitRefusalAsync(() => volume.ResyncAsync(sites.A), StatusCode.FailedPrecondition, "only with force");
        Assert.Equal(before, await IdAsync(volume));
        await TestVolume.AwaitRefusalAsync(() => volume.ResyncAsync(sites.A, force: true), StatusCode.Unavailable, "a resync was started");
        // Read-only: the mirror daemon cannot delete an image that somebody has open for writing.
        await Eventually.TrueAsync(
            async () => await IdAsync(volume) != before && (await volume.ReadAsync(sites.A, 0, 1))[0] == 2, "site-a holds site-b's data");
        var copied = await IdAsync(volume);

        // Repeating it does not start over, whatever is still reported of the image before.
        for (var i = 0; i < 5; i++)
            await Rpc.CodeAsync(() => volume.ResyncAsync(sites.A, force: true));
        Assert.Equal(copied, await IdAsync(volume));

        // Deleting the volume finds its image in the trash by this id.
        await TestVolume.RetryAsync(() => volume.ResyncAsync(sites.A), "site-a follows");
        var journal = await sites.A.Pool.ReadOmapAsync("csi.volume." + volume.Handle.Uuid, ["csi.imageid"], CancellationToken.None);
        Assert.Equal(copied, journal!["csi.imageid"]);

        await TestVolume.RetryAsync(() => volume.DemoteAsync(sites.B), "site-b is demoted");
        await TestVolume.RetryAsync(() => volume.PromoteAsync(sites.A, interval: "1h"), "site-a is promoted");
        Assert.Equal(copied, await IdAsync(volume));
        Assert.Equal("1h from midnight", await VolumeState.ScheduleAsync(sites.A, volume));
    }

    [Fact]
    public async Task A_secondary_is_ready_when_the_peers_demotion_has_arrived()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        Assert.Equal(StatusCode.FailedPrecondition, await Rpc.CodeAsync(() => volume.ResyncAsync(sites.A)));
        await TestVolume.RetryAsync(() => volume.DemoteAsync(sites.A), "site-a is demoted");
        Assert.True(await volume.ResyncAsync(sites.B, force: true));
    }

    private async Task<string> IdAsync(TestVolume volume)
    {
        await using var image = await volume.OpenAsync(sites.A);
        return image.GetId();
    }
}
