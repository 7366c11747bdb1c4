using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;

namespace RbdReplication.CephTests;

/// <summary>
/// A resync that the mirror daemon could not carry out stays with the image, and is carried out whenever the image is demoted and its
/// peer primary, whoever wants that then. Ours never leaves one, and takes back those of other tools.
/// </summary>
public sealed class ResyncRequestTests(TwoSites sites)
{
    [Theory]
    [InlineData("snapshot")]
    [InlineData("journal")]
    public async Task A_promotion_and_a_refusal_take_back_a_resync_that_was_left_with_the_image(string mode)
    {
        var volume = await PartAsync(mode);
        await volume.DemoteByToolAsync(sites.B);
        foreach (var take in (Func<Task>[])[
            async () => Assert.Contains(
                await Rpc.CodeAsync(() => volume.ResyncAsync(sites.A, force: true)), new[] { StatusCode.Aborted, StatusCode.FailedPrecondition }),
            () => volume.PromoteAsync(sites.A, force: true)])
        {
            await ArmAsync(volume);
            Assert.NotNull(await FindAsync(volume, mode));
            Assert.Contains("a resync that was asked for was left with this image", await MessageAsync(volume), StringComparison.Ordinal);
            await take();
            Assert.Null(await FindAsync(volume, mode));
        }

        // The scenario in which the image was thrown away: fail over to the other site and demote this one.
        var image = await volume.ImageIdAsync(sites.A);
        await volume.WriteAsync(sites.A, 0, [7]);
        await volume.PromoteAsync(sites.B, force: true);
        await volume.DemoteByToolAsync(sites.A);
        await volume.AwaitReportAsync(sites.A, own => own.State == MirrorStatusState.Error, "a split-brain");
        Assert.Equal(image, await volume.ImageIdAsync(sites.A));
        Assert.Equal([7], await volume.ReadAsync(sites.A, 0, 1));
    }

    [Fact]
    public async Task A_demotion_takes_back_a_resync_that_another_tool_has_left_with_a_primary()
    {
        var volume = await PartAsync("snapshot");
        await volume.DemoteByToolAsync(sites.B);
        await ArmAsync(volume);
        await volume.PromoteByToolAsync(sites.A, force: true);
        Assert.NotNull(await FindAsync(volume, "snapshot"));
        await volume.DemoteAsync(sites.A, force: true);
        Assert.Null(await FindAsync(volume, "snapshot"));
    }

    [Theory]
    [InlineData("snapshot")]
    [InlineData("journal")]
    public async Task A_resync_is_started_only_by_a_report_of_the_peer_that_is_newer_than_the_question(string mode)
    {
        var volume = await PartAsync(mode);
        var image = await volume.ImageIdAsync(sites.A);
        // The peer is demoted, and goes on reporting that it is primary.
        await volume.DemoteByToolAsync(sites.B);
        await Eventually.TrueAsync(async () =>
        {
            var refusal = await TestVolume.FailureOfAsync(() => volume.ResyncAsync(sites.A, force: true));
            Assert.DoesNotContain("a resync was started", refusal.Detail, StringComparison.Ordinal);
            Assert.Null(await FindAsync(volume, mode));
            return refusal.Detail.Contains("is not primary", StringComparison.Ordinal);
        }, "site-b's demotion is known");
        Assert.Equal(image, await volume.ImageIdAsync(sites.A));
    }

    /// <summary>A volume whose history at site-a, which is demoted, has parted from that of site-b, which is primary.</summary>
    private async Task<TestVolume> PartAsync(string mode)
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.EnableAsync(sites.A, mode);
        await volume.PromoteAsync(sites.A);
        await volume.AwaitReportAsync(sites.B, own => own.State == MirrorStatusState.Replaying, "that it follows");
        await TestVolume.RetryAsync(() => volume.PromoteAsync(sites.B, force: true), "its first copy is complete");
        await volume.WriteAsync(sites.B, 0, [1]);
        await volume.DemoteByToolAsync(sites.A);
        await volume.AwaitReportAsync(sites.A, own => own.State == MirrorStatusState.Error, "a split-brain");
        return volume;
    }

    private async Task ArmAsync(TestVolume volume)
    {
        await using var image = await volume.OpenAsync(sites.A, readOnly: false);
        await image.Mirroring.ResyncAsync(CancellationToken.None);
    }

    /// <summary>What <c>status</c> says of the volume at site-a.</summary>
    private async Task<string> MessageAsync(TestVolume volume)
    {
        await using var connections = new ClusterConnections(TimeProvider.System);
        var cluster = ClusterConfig.Parse(await File.ReadAllBytesAsync(sites.A.ConfigPath)).Find(sites.A.Name)!;
        var listed = await new PoolLister(connections, TimeProvider.System).ListAsync(cluster, sites.A.Credentials, TwoSites.Pool, opensMembers: false, CancellationToken.None);
        return listed.SelectMany(listing => listing.Volumes).Single(entry => entry.Status.ImageName == volume.ImageName).Status.Message;
    }

    private async Task<ResyncRequest?> FindAsync(TestVolume volume, string mode)
    {
        await using var image = await volume.OpenAsync(sites.A);
        return await ResyncRequest.FindAsync(image, mode == "journal" ? MirrorImageMode.Journal : MirrorImageMode.Snapshot, CancellationToken.None);
    }
}
