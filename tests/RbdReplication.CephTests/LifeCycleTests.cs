using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests;

public sealed class LifeCycleTests(TwoSites sites)
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_enabled_volume_is_copied_to_the_peer_and_moves_there_and_back_with_every_write(bool inTenant)
    {
        var volume = await TestVolume.CreateAsync(sites.A, inTenant);
        await volume.ProtectAsync(sites.A, sites.B);

        await volume.WriteAsync(sites.A, 0, [1, 2, 3]);
        await TestVolume.RetryAsync(() => volume.DemoteAsync(sites.A), "site-a is demoted");
        await TestVolume.RetryAsync(() => volume.PromoteAsync(sites.B), "site-b is promoted");
        Assert.Equal([1, 2, 3], await volume.ReadAsync(sites.B, 0, 3));

        await volume.WriteAsync(sites.B, 4096, [4, 5]);
        await TestVolume.RetryAsync(() => volume.DemoteAsync(sites.B), "site-b is demoted");
        await TestVolume.RetryAsync(() => volume.PromoteAsync(sites.A), "site-a is promoted");
        Assert.Equal([1, 2, 3], await volume.ReadAsync(sites.A, 0, 3));
        Assert.Equal([4, 5], await volume.ReadAsync(sites.A, 4096, 2));
    }

    [Fact]
    public async Task Every_call_can_be_repeated()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        await volume.EnableAsync(sites.A);
        await volume.PromoteAsync(sites.A, interval: "1h");
        await volume.PromoteAsync(sites.A, interval: "1h");
        await TestVolume.RetryAsync(() => volume.DemoteAsync(sites.A), "site-a is demoted");
        await volume.DemoteAsync(sites.A);
        Assert.False((await volume.InfoAsync(sites.A)).IsPrimary);
    }

    [Fact]
    public async Task Replication_info_tells_when_and_how_much_was_synced()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        var info = await Eventually.GetAsync(async () =>
        {
            // Ceph reports figures only after a further snapshot has been copied.
            await volume.WriteAsync(sites.A, 0, new byte[8192]);
            await volume.TakeSnapshotAsync(sites.A);
            var info = await volume.GetInfoAsync(sites.A);
            return info.LastSyncTime is null ? null : info;
        }, "a sync is reported");
        Assert.Equal(Csi.Protocol.GetVolumeReplicationInfoResponse.Types.Status.Healthy, info.Status);
        Assert.Contains("site-b", info.StatusMessage, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_schedule_is_added_replaced_and_removed_with_mirroring()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.EnableAsync(sites.A);
        await volume.PromoteAsync(sites.A, interval: "60m");
        Assert.Contains("every 1h", await ScheduleAsync(volume), StringComparison.Ordinal);

        await volume.PromoteAsync(sites.A, interval: "2d");
        var schedule = await ScheduleAsync(volume);
        Assert.Contains("every 2d", schedule, StringComparison.Ordinal);
        Assert.DoesNotContain("every 1h", schedule, StringComparison.Ordinal);

        await volume.DisableAsync(sites.A);
        Assert.Equal(MirrorImageState.Disabled, (await volume.InfoAsync(sites.A)).State);
        Assert.DoesNotContain(volume.ImageName, await sites.A.RbdAsync("mirror", "snapshot", "schedule", "ls", "--pool", TwoSites.Pool, "-R"), StringComparison.Ordinal);
    }

    private Task<string> ScheduleAsync(TestVolume volume) =>
        sites.A.RbdAsync("mirror", "snapshot", "schedule", "ls", "--pool", TwoSites.Pool, "--image", volume.ImageName);

    [Fact]
    public async Task A_volume_is_found_by_the_handle_of_the_other_site()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        var failure = await TestVolume.FailureOfAsync(() => volume.GetInfoAsync(sites.B));
        Assert.Equal(StatusCode.FailedPrecondition, failure.StatusCode);
        Assert.Contains("secondary at this site", failure.Detail, StringComparison.Ordinal);
    }
}
