using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests;

/// <summary>When ResyncVolume says ready while both sites are secondary, which Ramen's relocation waits for at the site just demoted.</summary>
public sealed class ReadinessTests(TwoSites sites)
{
    [Theory]
    [InlineData("snapshot")]
    [InlineData("journal")]
    public async Task Both_sites_of_a_demoted_volume_become_ready_as_the_controller_polls_them(string mode)
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.EnableAsync(sites.A, mode);
        await volume.PromoteAsync(sites.A);
        await volume.AwaitReportAsync(sites.B, own => own.State == MirrorStatusState.Replaying, "that it follows");
        await volume.WriteAsync(sites.A, 0, [1, 2, 3]);

        await Task.WhenAll(AwaitReadyAsync(sites.A, volume, copies: false), AwaitReadyAsync(sites.B, volume, copies: true));
        // Ramen's order: ready at the old primary, then the other site is promoted, and nothing was deleted in between.
        await TestVolume.RetryAsync(() => volume.PromoteAsync(sites.B), "site-b is promoted");
        Assert.Equal([1, 2, 3], await volume.ReadAsync(sites.B, 0, 3));
        await Eventually.TrueAsync(async () => !await volume.ResyncAsync(sites.A), "site-a copies from site-b");
    }

    private static Task AwaitReadyAsync(Site site, TestVolume volume, bool copies) => Eventually.TrueAsync(async () =>
    {
        await volume.DemoteAsync(site);
        var ready = await volume.ResyncAsync(site);
        // "Not ready" is taken for "a copy is running": of a site that does not copy it must not be said.
        Assert.True(ready || copies, $"{site} is not ready, and no copy is running");
        return ready;
    }, $"{site} is ready");

    [Fact]
    public async Task A_demoted_site_whose_peer_does_not_hold_the_demotion_yet_is_waited_for()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        // Taken down with its peer gone: nobody has copied it.
        await using (var image = await volume.OpenAsync(sites.B, readOnly: false))
            await image.Mirroring.DisableAsync(force: true, CancellationToken.None);
        await volume.WriteAsync(sites.A, 0, [1]);
        await volume.DemoteByToolAsync(sites.A);
        for (var i = 0; i < 5; i++)
        {
            var refusal = await TestVolume.FailureOfAsync(() => volume.ResyncAsync(sites.A));
            Assert.Contains(refusal.StatusCode, new[] { StatusCode.Aborted, StatusCode.Unavailable });
        }
    }
}
