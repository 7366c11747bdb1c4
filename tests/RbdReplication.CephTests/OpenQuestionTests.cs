using Grpc.Core;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests;

/// <summary>A caller that changes its mind: what was seen since its first question is no answer to its next one.</summary>
public sealed class OpenQuestionTests(TwoSites sites)
{
    [Fact]
    public async Task A_promotion_that_was_given_up_makes_no_report_new_for_one_that_is_asked_for_later()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        await AssertIsToWaitAsync(volume);
        var asked = DateTimeOffset.UtcNow;
        // Given up: the controller wants a secondary again, and asks for that as it always does.
        await Eventually.TrueAsync(async () =>
        {
            await volume.DemoteAsync(sites.B);
            Assert.False(await volume.ResyncAsync(sites.B));
            await using var image = await volume.OpenAsync(sites.B);
            var peer = (await image.Mirroring.GetGlobalStatusAsync(CancellationToken.None)).Peers.Single();
            // The controller asks at its own pace.
            await Task.Delay(TimeSpan.FromSeconds(1));
            return peer.LastUpdate > asked.AddSeconds(60);
        }, "site-a's report is newer than the first question by more than its delay");
        // By the first question site-a would be a primary that lives, which the controller is told to force.
        await AssertIsToWaitAsync(volume);
        Assert.True((await volume.InfoAsync(sites.A)).IsPrimary);
    }

    private async Task AssertIsToWaitAsync(TestVolume volume)
    {
        var refusal = await TestVolume.FailureOfAsync(() => volume.PromoteAsync(sites.B));
        Assert.Equal(StatusCode.Aborted, refusal.StatusCode);
    }
}
