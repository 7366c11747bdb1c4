using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests.Relocation;

/// <summary>
/// How planned moves lose acknowledged writes when a site asks librbd alone, and that ours do not. The first two tests play
/// the calls that the controller makes straight through the binding.
/// </summary>
[Collection("Faults")]
public sealed class RelocationTests(TwoSites sites)
{
    private static readonly byte[] Last = [7, 7, 7, 7];

    private static readonly StatusCode[] Patient = [StatusCode.Aborted, StatusCode.Unavailable];

    [Fact]
    public async Task Naively_a_move_loses_the_last_writes_when_the_secondarys_mirror_daemon_is_down_for_a_moment()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        await sites.StopAsync(sites.B, "mirror", "term");
        try
        {
            await volume.WriteAsync(sites.A, 0, Last);
            await NaiveDemoteAsync(volume, sites.A);
            // EBUSY is what ceph-csi answers with FAILED_PRECONDITION, and the controller then forces.
            Assert.Equal(Errno.EBUSY, (await Assert.ThrowsAsync<CephException>(() => NaivePromoteAsync(volume, sites.B, force: false))).Errno);
            await NaivePromoteAsync(volume, sites.B, force: true);
            Assert.NotEqual(Last, await volume.ReadAsync(sites.B, 0, Last.Length));
        }
        finally
        {
            await sites.StartAsync(sites.B, "mirror");
        }
    }

    [Fact]
    public async Task Naively_a_move_back_loses_the_writes_between_when_the_first_site_has_not_followed_yet()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        await NaiveDemoteAsync(volume, sites.A);
        await AwaitDemotionAsync(volume, sites.B);
        await sites.StopAsync(sites.A, "mirror", "term");
        try
        {
            await TestVolume.RetryAsync(() => NaivePromoteAsync(volume, sites.B, force: false), "site-b is promoted");
            await volume.WriteAsync(sites.B, 0, Last);
            await NaiveDemoteAsync(volume, sites.B);
            await NaivePromoteAsync(volume, sites.A, force: false);
            Assert.NotEqual(Last, await volume.ReadAsync(sites.A, 0, Last.Length));
        }
        finally
        {
            await sites.StartAsync(sites.A, "mirror");
        }
    }

    [Fact]
    public async Task A_site_is_not_demoted_while_nobody_can_take_its_last_writes()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        await volume.WriteAsync(sites.A, 0, Last);
        await sites.StopAsync(sites.B, "mirror", "term");
        try
        {
            Assert.Contains((await TestVolume.FailureOfAsync(() => volume.DemoteAsync(sites.A))).StatusCode, Patient);
            Assert.True((await volume.InfoAsync(sites.A)).IsPrimary);
        }
        finally
        {
            await sites.StartAsync(sites.B, "mirror");
        }
        await TestVolume.RetryAsync(() => volume.DemoteAsync(sites.A), "site-a is demoted");
        await volume.PromoteAsync(sites.B);
        Assert.Equal(Last, await volume.ReadAsync(sites.B, 0, Last.Length));
    }

    [Fact]
    public async Task A_demotion_by_another_tool_that_was_not_copied_never_makes_the_controller_force()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        await volume.WriteAsync(sites.A, 0, Last);
        await sites.StopAsync(sites.B, "mirror", "term");
        try
        {
            await NaiveDemoteAsync(volume, sites.A);
            var stale = (await ReportAsync(volume, sites.B, sites.A)).LastUpdate;
            // site-a's first report after its demotion is the one that might be taken for a living primary.
            await Eventually.TrueAsync(async () =>
            {
                var refusal = await TestVolume.FailureOfAsync(() => volume.PromoteAsync(sites.B));
                Assert.Equal(StatusCode.Aborted, refusal.StatusCode);
                Assert.Contains((await TestVolume.FailureOfAsync(() => volume.DemoteAsync(sites.A))).StatusCode, Patient);
                return (await ReportAsync(volume, sites.B, sites.A)).LastUpdate > stale + TimeSpan.FromSeconds(31);
            }, "site-a has reported twice");
        }
        finally
        {
            await sites.StartAsync(sites.B, "mirror");
        }
        await TestVolume.RetryAsync(() => volume.PromoteAsync(sites.B), "site-b is promoted");
        Assert.Equal(Last, await volume.ReadAsync(sites.B, 0, Last.Length));
        // However long it was asked for, the mirror daemon was waited for: so the link is there.
        await volume.AwaitCopyAsync(sites.A);
    }

    [Fact]
    public async Task A_site_is_not_moved_back_before_the_first_one_has_followed()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        await TestVolume.RetryAsync(() => volume.DemoteAsync(sites.A), "site-a is demoted");
        await sites.StopAsync(sites.A, "mirror", "term");
        try
        {
            await volume.PromoteAsync(sites.B);
            await volume.WriteAsync(sites.B, 0, Last);
            Assert.Contains((await TestVolume.FailureOfAsync(() => volume.DemoteAsync(sites.B))).StatusCode, Patient);
            Assert.True((await volume.InfoAsync(sites.B)).IsPrimary);
            var refusal = await TestVolume.FailureOfAsync(() => volume.PromoteAsync(sites.A));
            Assert.Equal(StatusCode.Aborted, refusal.StatusCode);
        }
        finally
        {
            await sites.StartAsync(sites.A, "mirror");
        }
        await TestVolume.RetryAsync(() => volume.DemoteAsync(sites.B), "site-b is demoted");
        await volume.PromoteAsync(sites.A);
        Assert.Equal(Last, await volume.ReadAsync(sites.A, 0, Last.Length));
    }

    // Where nothing is done about it the copy stays there, demoted, as "error bootstrapping replay" (16.2).
    [Fact]
    public async Task A_volume_that_is_let_go_right_after_a_move_is_taken_from_the_site_that_it_left()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        await TestVolume.RetryAsync(() => volume.DemoteAsync(sites.A), "site-a is demoted");
        await sites.StopAsync(sites.A, "mirror", "freeze");
        try
        {
            await TestVolume.RetryAsync(() => volume.PromoteAsync(sites.B), "site-b is promoted");
            Assert.Equal(StatusCode.Aborted, (await TestVolume.FailureOfAsync(() => volume.DisableAsync(sites.B))).StatusCode);
        }
        finally
        {
            await sites.StartAsync(sites.A, "mirror");
        }
        await TestVolume.RetryAsync(() => volume.DisableAsync(sites.B), "site-b lets it go");
        await volume.AwaitRemovalAsync(sites.A);
    }

    [Fact]
    public async Task A_lagging_peers_snapshots_that_librbd_unlinks_itself_prove_nothing()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        await sites.StopAsync(sites.B, "mirror", "freeze");
        try
        {
            for (byte i = 1; i <= 8; i++)
            {
                await volume.WriteAsync(sites.A, i * 4096ul, [i]);
                await volume.TakeSnapshotAsync(sites.A);
            }
            // librbd keeps five or fewer and takes the peer off those between; the oldest stays.
            Assert.True((await volume.ChainAsync(sites.A)).Snapshots.Count < 8);
            Assert.True(await volume.IsAwaitedAsync(sites.A));
            Assert.Contains((await TestVolume.FailureOfAsync(() => volume.DemoteAsync(sites.A))).StatusCode, Patient);
        }
        finally
        {
            await sites.StartAsync(sites.B, "mirror");
        }
        await TestVolume.RetryAsync(() => volume.DemoteAsync(sites.A), "site-a is demoted");
        await volume.PromoteAsync(sites.B);
        Assert.Equal([8], await volume.ReadAsync(sites.B, 8 * 4096, 1));
    }

    [Fact]
    public async Task A_peer_that_lags_gets_one_snapshot_to_copy_however_often_a_demotion_is_asked_for()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        await sites.StopAsync(sites.B, "mirror", "freeze");
        try
        {
            var before = (await volume.ChainAsync(sites.A)).Snapshots.Count;
            for (var i = 0; i < 3; i++)
                Assert.Contains((await TestVolume.FailureOfAsync(() => volume.DemoteAsync(sites.A))).StatusCode, new[] { StatusCode.Aborted, StatusCode.Unavailable });
            // One to prove that the peer follows, and one more in case that it was never told of that.
            Assert.InRange((await volume.ChainAsync(sites.A)).Snapshots.Count, before + 1, before + 2);
        }
        finally
        {
            await sites.StartAsync(sites.B, "mirror");
        }
        await TestVolume.RetryAsync(() => volume.DemoteAsync(sites.A), "site-a is demoted");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_volume_is_promoted_when_the_mirror_daemon_that_copied_it_has_let_go_of_it(bool inTenant)
    {
        var volume = await TestVolume.CreateAsync(sites.A, inTenant);
        await volume.ProtectAsync(sites.A, sites.B);
        await Eventually.TrueAsync(() => IsHeldAsync(volume, sites.B), "site-b's mirror daemon follows");
        // site-b's daemon has this one open too, but is not the one of this site.
        Assert.False(await IsHeldAsync(volume, sites.A));
        await volume.WriteAsync(sites.A, 0, Last);
        await TestVolume.RetryAsync(() => volume.DemoteAsync(sites.A), "site-a is demoted");
        await volume.PromoteAsync(sites.B);
        Assert.False(await IsHeldAsync(volume, sites.B));
        await volume.AwaitCopyAsync(sites.A);
        Assert.True(await IsHeldAsync(volume, sites.A));
    }

    private static async Task<bool> IsHeldAsync(TestVolume volume, Site site)
    {
        await using var image = await volume.OpenAsync(site);
        return await image.Mirroring.IsHeldByDaemonAsync(CancellationToken.None);
    }

    private static async Task NaiveDemoteAsync(TestVolume volume, Site site)
    {
        await using var image = await volume.OpenAsync(site, readOnly: false);
        await image.Mirroring.DemoteAsync(CancellationToken.None);
    }

    private static async Task NaivePromoteAsync(TestVolume volume, Site site, bool force)
    {
        await using var image = await volume.OpenAsync(site, readOnly: false);
        await image.Mirroring.PromoteAsync(force, CancellationToken.None);
    }

    private static Task AwaitDemotionAsync(TestVolume volume, Site site) =>
        Eventually.TrueAsync(async () => (await volume.ChainAsync(site)).End == RbdReplication.Core.HistoryEnd.PeersDemotion, $"the demotion is copied to {site}");

    private static Task<MirrorSiteStatus> ReportAsync(TestVolume volume, Site at, Site of) => Eventually.GetAsync(
        async () =>
        {
            await using var image = await volume.OpenAsync(at);
            return (await image.Mirroring.GetGlobalStatusAsync(CancellationToken.None)).Peers.FirstOrDefault();
        }, $"{of} has reported to {at}");
}
