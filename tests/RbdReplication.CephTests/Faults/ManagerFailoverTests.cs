using Grpc.Core;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests.Faults;

/// <summary>The manager, which carries out snapshot schedules, is gone for a while.</summary>
[Collection("Faults")]
public sealed class ManagerFailoverTests(TwoSites sites)
{
    [Fact]
    public async Task A_schedule_that_no_manager_takes_is_told_with_its_cause_and_that_the_volume_is_promoted()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.EnableAsync(sites.A);
        await sites.StopAsync(sites.A, "mgr", "kill");
        try
        {
            var failure = await TestVolume.FailureOfAsync(() => volume.PromoteAsync(sites.A, interval: "1h"));
            Assert.Equal(StatusCode.Unavailable, failure.StatusCode);
            Assert.Contains($"cannot set the snapshot schedule of image {TwoSites.Pool}/{volume.ImageName}", failure.Detail, StringComparison.Ordinal);
            Assert.Contains("which is promoted", failure.Detail, StringComparison.Ordinal);
            Assert.Contains("rados_mgr_command", failure.Detail, StringComparison.Ordinal);
        }
        finally
        {
            await sites.StartAsync(sites.A, "mgr");
        }
        await TestVolume.RetryAsync(() => volume.PromoteAsync(sites.A, interval: "1h"), "the schedule is set");
        Assert.Equal("1h from midnight", await VolumeState.ScheduleAsync(sites.A, volume));
    }

    [Fact]
    public async Task A_schedule_waits_for_a_manager_that_comes_back_within_the_calls_time()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.EnableAsync(sites.A);
        await sites.StopAsync(sites.A, "mgr", "kill");
        try
        {
            var promote = volume.PromoteAsync(sites.A, interval: "1h");
            await Eventually.TrueAsync(
                async () => (await Scrape.GetAsync(sites.A.Server, "/operations")).Contains(volume.Handle.Uuid, StringComparison.Ordinal), "the promotion is under way");
            Assert.Equal(StatusCode.Aborted, (await TestVolume.FailureOfAsync(() => volume.DisableAsync(sites.A))).StatusCode);
            await sites.StartAsync(sites.A, "mgr");
            // The manager of a busy machine may need longer than one call waits for it.
            var code = await Rpc.CodeAsync(() => promote);
            Assert.Contains(code, (StatusCode[])[StatusCode.OK, StatusCode.Unavailable]);
            if (code != StatusCode.OK)
                await TestVolume.RetryAsync(() => volume.PromoteAsync(sites.A, interval: "1h"), "the manager is back");
        }
        finally
        {
            await sites.StartAsync(sites.A, "mgr");
        }
        await using var image = await volume.OpenAsync(sites.A);
        var key = $"{sites.A.Pool.Id}//{image.GetId()}";
        Assert.Equal(
            "1h from midnight",
            VolumeState.Schedules((await sites.A.Pool.ReadOmapAsync("rbd_mirror_snapshot_schedule", [key], CancellationToken.None))![key]));
    }
}
