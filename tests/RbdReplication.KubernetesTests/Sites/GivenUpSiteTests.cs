using RbdReplication.CephTests.Sandbox;
using RbdReplication.KubernetesTests.Clusters;

namespace RbdReplication.KubernetesTests.Sites;

/// <summary>A failover while the other site lives.</summary>
public sealed class GivenUpSiteTests(TwoClusters clusters, TwoSites sites) : VolumeProcedure(clusters, sites)
{
    // Of a range that is kept for documentation: nobody has it.
    private const string Node = "192.0.2.201/32";

    [Fact]
    public async Task A_site_that_is_given_up_is_fenced_before_the_other_goes_on_and_comes_back_without_what_it_wrote_since()
    {
        var volume = await ProtectAsync();
        string[] atB = ["--context", "site-b", "--peer-context", "site-a"];
        var copied = await volume.DigestAsync(Sites.B);
        await volume.WriteAsync(Sites.A, 4096, Guid.NewGuid().ToByteArray());
        var written = await volume.DigestAsync(Sites.A);
        (await App.RunAsync(["failover", "data", "--peer-is-lost", "--fence", Node, .. atB])).Succeeds();
        Assert.Contains("192.0.2.201", await Sites.A.CephAsync("osd", "blocklist", "ls"), StringComparison.Ordinal);
        // The schedule may have brought the last write, too.
        Assert.Contains(await volume.DigestAsync(Sites.B), (string[])[copied, written]);
        Assert.True((await volume.InfoAsync(Sites.B)).IsPrimary);
        await volume.WriteAsync(Sites.B, 8192, Guid.NewGuid().ToByteArray());
        var digest = await volume.DigestAsync(Sites.B);

        (await App.RunAsync(["failback", "data", "--follow-only", .. atB])).StopsWith("--discard-peer-data");
        var failback = (await App.RunAsync(["failback", "data", "--discard-peer-data", .. atB])).Succeeds();
        Assert.Contains($"site-a still refuses {Node}", failback.Output, StringComparison.Ordinal);
        Assert.Equal(digest, await volume.DigestAsync(Sites.A));
        Assert.True((await volume.InfoAsync(Sites.A)).IsPrimary);
        await Sites.A.CephAsync("osd", "blocklist", "range", "rm", Node);
    }
}
