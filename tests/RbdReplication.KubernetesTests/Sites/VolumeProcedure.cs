using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.KubernetesTests.Clusters;
using RbdReplication.KubernetesTests.Dr;

namespace RbdReplication.KubernetesTests.Sites;

/// <summary>
/// A claim by the commands of <c>dr</c>, over objects of two real API servers and on two real Ceph sites. A class has one procedure: they wait for
/// schedules and reports, and classes wait side by side.
/// </summary>
public abstract class VolumeProcedure(TwoClusters clusters, TwoSites sites) : IAsyncLifetime
{
    private protected const ImageFeatures Features = ImageFeatures.Layering | ImageFeatures.ExclusiveLock;

    private ReplicatedSites _replicated = null!;

    private protected DrNamespace App { get; private set; } = null!;

    private protected TwoClusters Clusters { get; } = clusters;

    private protected TwoSites Sites { get; } = sites;

    public async ValueTask InitializeAsync()
    {
        _replicated = await ReplicatedSites.PrepareAsync(Clusters, Sites);
        App = await DrNamespace.CreateAsync(Clusters, _replicated.Account.Driver);
        _replicated.Keep(App.Name);
        await _replicated.GenerateAsync();
    }

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await _replicated.DisposeAsync();
    }

    /// <summary>Protects the claim <c>data</c>, of a new volume, and waits for its first sync.</summary>
    private protected async Task<TestVolume> ProtectAsync(string mode = "snapshot", ImageFeatures features = Features)
    {
        await App.PutModeAsync(Clusters, mode);
        var volume = await TestVolume.CreateAsync(Sites.A, features: features);
        await App.PutClaimAsync(Clusters.A, "data", pv =>
        {
            GeneratorAccount.Complete(pv, volume.Handle.ToString());
            pv["spec"]!["csi"]!["volumeAttributes"]!["clusterID"] = Sites.A.Name;
        });
        (await App.RunAsync("protect", "data", "--class", App.Class)).Succeeds();
        await DrNamespace.SyncedAsync(Clusters.A, ApiServer.Replications(App.Name) + "/data");
        (await App.RunAsync("status")).Succeeds();
        return volume;
    }

    /// <summary>Moves a claim there and back with a write each time.</summary>
    private protected async Task<TestVolume> MoveAsync(string mode, ImageFeatures features)
    {
        var volume = await ProtectAsync(mode, features);
        foreach (var (from, source, to, target) in ((ApiServer, Site, ApiServer, Site)[])[(Clusters.A, Sites.A, Clusters.B, Sites.B), (Clusters.B, Sites.B, Clusters.A, Sites.A)])
        {
            await volume.WriteAsync(source, 4096, Guid.NewGuid().ToByteArray());
            var digest = await volume.DigestAsync(source);
            (await App.RunAsync("relocate", "data", "--context", from.Name, "--peer-context", to.Name)).Succeeds();
            Assert.Equal(digest, await volume.DigestAsync(target));
        }
        Assert.DoesNotContain(_replicated.Calls, call => call.Contains("Promote(force)", StringComparison.Ordinal));
        return volume;
    }

    /// <summary>Ends the protection of a claim that has just moved to site-a.</summary>
    private protected async Task LetGoAsync(TestVolume volume)
    {
        (await App.RunAsync("unprotect", "data")).Succeeds();
        Assert.Equal(MirrorImageState.Disabled, (await volume.InfoAsync(Sites.A)).State);
        await volume.AwaitRemovalAsync(Sites.B);
        Assert.Null(await App.PhaseAsync(Clusters.B, "data"));
    }
}
