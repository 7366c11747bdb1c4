using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.KubernetesTests.Clusters;

namespace RbdReplication.KubernetesTests.Sites;

/// <summary>A claim's life under the played controller, over objects of two real API servers and on two real Ceph sites.</summary>
public sealed class ControllerTests(TwoClusters clusters, TwoSites sites) : IAsyncLifetime
{
    private ReplicatedSites _replicated = null!;

    public async ValueTask InitializeAsync() => _replicated = await ReplicatedSites.PrepareAsync(clusters, sites);

    public ValueTask DisposeAsync() => _replicated.DisposeAsync();

    [Fact]
    public async Task A_claim_is_protected_restored_at_the_peer_moved_there_and_let_go()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        var claim = Claim(volume);
        await claim.RestoreAsync(clusters.A);
        await claim.AskAsync(clusters.A, "primary");
        await claim.AwaitStateAsync(clusters.A, "Primary");
        var status = (await claim.StatusAsync(clusters.A))!;
        Assert.Equal(1, (long)status["observedGeneration"]!);
        Assert.Equal("volume is marked primary", (string?)status["message"]);
        // As the other site calls it, by the mapping.
        Assert.Equal(volume.Handle.ToString().Replace("site-a", "site-b", StringComparison.Ordinal), (string?)status["destinationVolumeID"]);
        Assert.Equal(("False", "False"), (await claim.ConditionAsync(clusters.A, "Degraded"), await claim.ConditionAsync(clusters.A, "Resyncing")));
        Assert.Contains("replication.storage.openshift.io/pvc-protection", (await claim.ClaimAsync(clusters.A))["metadata"]!["finalizers"]!.ToJsonString(), StringComparison.Ordinal);

        // At the peer the image comes, then the objects, and from them the generator makes the mapping.
        await volume.AwaitCopyAsync(sites.B);
        await claim.RestoreAsync(clusters.B);
        await _replicated.GenerateAsync();
        await claim.AwaitConditionAsync(clusters.A, "Replicating", "True");

        await claim.AskAsync(clusters.A, "secondary");
        await claim.AwaitStateAsync(clusters.A, "Secondary");
        await claim.AskAsync(clusters.B, "primary");
        await claim.AwaitStateAsync(clusters.B, "Primary");
        Assert.DoesNotContain(_replicated.Calls, call => call.Contains("Promote(force)", StringComparison.Ordinal));
        // It follows, and beside a primary that goes on that is never "ready".
        await claim.AwaitConditionAsync(clusters.A, "Resyncing", "True");
        Assert.True((await volume.InfoAsync(sites.B)).IsPrimary);

        await claim.UnprotectAsync(clusters.B);
        Assert.Equal(MirrorImageState.Disabled, (await volume.InfoAsync(sites.B)).State);
        Assert.DoesNotContain("replication", (await claim.ClaimAsync(clusters.B))["metadata"]!["finalizers"]!.ToJsonString(), StringComparison.Ordinal);
        await claim.UnprotectAsync(clusters.A);
    }

    [Fact]
    public async Task What_stands_in_the_way_is_in_the_status_and_the_controller_goes_on_when_it_is_gone()
    {
        var volume = TestVolume.At(sites.A, Guid.NewGuid().ToString());
        var claim = Claim(volume);
        await claim.RestoreAsync(clusters.A);
        await claim.AskAsync(clusters.A, "primary");
        await claim.AwaitConditionAsync(clusters.A, "Completed", "False");
        await RbdImage.CreateAsync(sites.A.Pool, volume.ImageName, TestVolume.SizeBytes, ImageFeatures.Layering, TestContext.Current.CancellationToken);
        await TestVolume.AdoptAsync(sites.A, volume.Handle.Uuid);
        await claim.AwaitStateAsync(clusters.A, "Primary");
        await claim.UnprotectAsync(clusters.A);
    }

    /// <summary>A claim of a volume, which the controllers of both sites keep.</summary>
    private ProtectedClaim Claim(TestVolume volume)
    {
        var claim = new ProtectedClaim(volume.Handle, _replicated.Account.Driver, GeneratorAccount.Namespace);
        _replicated.Keep(claim.Namespace);
        return claim;
    }
}
