using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using RbdReplication.Ceph;
using RbdReplication.CephTests.PersistentVolumes;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.KubernetesTests.Clusters;
using RbdReplication.KubernetesTests.Dr;
using RbdReplication.KubernetesTests.Play;

namespace RbdReplication.KubernetesTests.Sites;

/// <summary>A claim by the commands of <c>dr</c>, over objects of two real API servers and on two real Ceph sites.</summary>
public sealed class VolumeProcedureTests(TwoClusters clusters, TwoSites sites) : IAsyncLifetime
{
    private const double Pace = 0.05;
    // Of a range that is kept for documentation: nobody has it.
    private const string Node = "192.0.2.201/32";

    private readonly ConcurrentQueue<string> _calls = new();
    private readonly List<PlayedController> _controllers = [];
    private GeneratorAccount _account = null!;
    private DrNamespace _app = null!;
    private GeneratorProcess _generator = null!;

    public async ValueTask InitializeAsync()
    {
        _account = await GeneratorAccount.StartAsync(clusters.B, sites.B, "default");
        await GeneratorAccount.InstallAsync(clusters.A, sites.A);
        _app = await DrNamespace.CreateAsync(clusters, _account.Driver);
        foreach (var (server, site) in ((ApiServer, Site)[])[(clusters.A, sites.A), (clusters.B, sites.B)])
            _controllers.Add(new PlayedController(server, site.Replication, Pace, _calls.Enqueue, _app.Name, site.Server.Channel).Start());
        _generator = _account.Start();
        await _generator.ReadyAsync();
    }

    public async ValueTask DisposeAsync()
    {
        _generator.Dispose();
        foreach (var controller in _controllers)
            await controller.DisposeAsync();
        await _account.DisposeAsync();
    }

    [Theory]
    [InlineData("snapshot", ImageFeatures.Layering | ImageFeatures.ExclusiveLock)]
    [InlineData("journal", ImageFeatures.Layering | ImageFeatures.ExclusiveLock | ImageFeatures.Journaling)]
    public async Task A_claim_moves_there_and_back_and_every_write_goes_with_it(string mode, ImageFeatures features)
    {
        var volume = await ProtectAsync(mode, features);
        foreach (var (from, source, to, target) in ((ApiServer, Site, ApiServer, Site)[])[(clusters.A, sites.A, clusters.B, sites.B), (clusters.B, sites.B, clusters.A, sites.A)])
        {
            await volume.WriteAsync(source, 4096, Guid.NewGuid().ToByteArray());
            var digest = await volume.DigestAsync(source);
            (await _app.RunAsync("relocate", "data", "--context", from.Name, "--peer-context", to.Name)).Succeeds();
            Assert.Equal(digest, await volume.DigestAsync(target));
        }
        Assert.DoesNotContain(_calls, call => call.Contains("Promote(force)", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_site_that_is_given_up_is_fenced_before_the_other_goes_on_and_comes_back_without_what_it_wrote_since()
    {
        var volume = await ProtectAsync("snapshot", ImageFeatures.Layering | ImageFeatures.ExclusiveLock);
        string[] atB = ["--context", "site-b", "--peer-context", "site-a"];
        var copied = await volume.DigestAsync(sites.B);
        await volume.WriteAsync(sites.A, 4096, Guid.NewGuid().ToByteArray());
        var written = await volume.DigestAsync(sites.A);
        (await _app.RunAsync(["failover", "data", "--peer-is-lost", "--fence", Node, .. atB])).Succeeds();
        Assert.Contains("192.0.2.201", await sites.A.CephAsync("osd", "blocklist", "ls"), StringComparison.Ordinal);
        // The schedule may have brought the last write, too.
        Assert.Contains(await volume.DigestAsync(sites.B), (string[])[copied, written]);
        Assert.True((await volume.InfoAsync(sites.B)).IsPrimary);
        await volume.WriteAsync(sites.B, 8192, Guid.NewGuid().ToByteArray());
        var digest = await volume.DigestAsync(sites.B);

        (await _app.RunAsync(["failback", "data", "--follow-only", .. atB])).StopsWith("--discard-peer-data");
        var failback = (await _app.RunAsync(["failback", "data", "--discard-peer-data", .. atB])).Succeeds();
        Assert.Contains($"site-a still refuses {Node}", failback.Output, StringComparison.Ordinal);
        Assert.Equal(digest, await volume.DigestAsync(sites.A));
        Assert.True((await volume.InfoAsync(sites.A)).IsPrimary);
        await sites.A.CephAsync("osd", "blocklist", "range", "rm", Node);
    }

    [Fact]
    public async Task A_drill_gives_the_point_to_an_application_of_its_own_and_leaves_nothing()
    {
        var volume = await ProtectAsync("snapshot", ImageFeatures.Layering | ImageFeatures.ExclusiveLock);
        await volume.WriteAsync(sites.A, 4096, Guid.NewGuid().ToByteArray());
        var digest = await volume.DigestAsync(sites.A);
        await PointRun.TakeAsync(sites.A, volume, "rehearsal");
        await volume.WriteAsync(sites.A, 4096, Guid.NewGuid().ToByteArray());
        var drill = new DrillCalls(sites.B, sites.B.Pool);
        var (name, space) = (drill.Name, "drill-" + drill.Name);
        var script = Path.GetTempFileName();
        try
        {
            // In the place of kubectl exec: there are no nodes.
            await File.WriteAllTextAsync(script, $"exec {ServerProcess.Binary} \"$@\" --cluster-config {sites.B.ConfigPath} --cluster-mapping {sites.B.MappingPath}\n", CancellationToken.None);
            string[] atB = ["--exec", "bash " + script, "--context", "site-b"];
            Assert.Contains($"clone at site-b, as drill {name}", (await _app.RunAsync(["drill", name, "data", "--dry-run", .. atB])).Succeeds().Output, StringComparison.Ordinal);
            (await _app.RunAsync(["drill", name, "data", "--point", "nowhere", "--exec", "bash /nonexistent", "--context", "site-b"])).StopsWith("site-b: ");
            for (var run = 0; run < 2; run++)
            {
                var made = (await _app.RunAsync(["drill", name, "data", "--point", "rehearsal", .. atB])).Succeeds();
                Assert.Contains("data is as of ", made.Output, StringComparison.Ordinal);
            }
            var claim = await clusters.B.GetAsync($"{ApiServer.Claims(space)}/data");
            Assert.Equal("Bound", (string?)claim["status"]!["phase"]);
            var clone = Assert.Single(DrillCalls.ImagesOf((await drill.ListedAsync())!.Value));
            Assert.Equal(digest, await drill.DigestAsync(clone));

            (await _app.RunAsync(["drill", name, "--remove", .. atB])).Succeeds();
            Assert.Null(await drill.ListedAsync());
            Assert.Null(await clusters.B.FindAsync($"{ApiServer.Volumes}/{claim["spec"]!["volumeName"]}"));
            Assert.Null(await clusters.B.FindAsync($"api/v1/namespaces/{space}"));
            Assert.Contains("nothing to do", (await _app.RunAsync(["drill", name, "--remove", .. atB])).Succeeds().Output, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(script);
        }
    }

    private async Task<TestVolume> ProtectAsync(string mode, ImageFeatures features)
    {
        await _app.PutModeAsync(clusters, mode);
        var volume = await TestVolume.CreateAsync(sites.A, features: features);
        await _app.PutClaimAsync(clusters.A, "data", pv =>
        {
            GeneratorAccount.Complete(pv, volume.Handle.ToString());
            pv["spec"]!["csi"]!["volumeAttributes"]!["clusterID"] = sites.A.Name;
        });
        (await _app.RunAsync("protect", "data", "--class", _app.Class)).Succeeds();
        await DrNamespace.SyncedAsync(clusters.A, ApiServer.Replications(_app.Name) + "/data");
        (await _app.RunAsync("status")).Succeeds();
        return volume;
    }
}
