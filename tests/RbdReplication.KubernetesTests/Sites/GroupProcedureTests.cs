using System.Text.Json.Nodes;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.KubernetesTests.Clusters;
using RbdReplication.KubernetesTests.Dr;
using RbdReplication.KubernetesTests.Play;

namespace RbdReplication.KubernetesTests.Sites;

/// <summary>A group of claims by the commands of <c>dr</c>, over objects of two real API servers and on two real Ceph sites.</summary>
public sealed class GroupProcedureTests(TwoClusters clusters, TwoSites sites) : IAsyncLifetime
{
    private static readonly string[] Claims = ["data", "log"];

    private readonly Dictionary<string, TestVolume> _volumes = [];
    private ReplicatedSites _replicated = null!;
    private DrNamespace _app = null!;

    public async ValueTask InitializeAsync()
    {
        _replicated = await ReplicatedSites.PrepareAsync(clusters, sites);
        _app = await DrNamespace.CreateAsync(clusters, _replicated.Account.Driver);
        foreach (var server in (ApiServer[])[clusters.A, clusters.B])
            await _app.PutGroupClassAsync(server);
        _replicated.Keep(_app.Name);
        foreach (var claim in Claims)
        {
            var volume = _volumes[claim] = await TestVolume.CreateAsync(sites.A, features: ImageFeatures.Layering | ImageFeatures.ExclusiveLock);
            await _app.PutClaimAsync(clusters.A, claim, pv =>
            {
                GeneratorAccount.Complete(pv, volume.Handle.ToString());
                pv["spec"]!["csi"]!["volumeAttributes"]!["imageFeatures"] = "layering,exclusive-lock";
            });
        }
    }

    public ValueTask DisposeAsync() => _replicated.DisposeAsync();

    [Fact]
    public async Task A_group_is_protected_moved_back_and_forth_and_let_go()
    {
        await _replicated.GenerateAsync();
        (await _app.RunAsync("protect", "--group", "shop", "--group-class", _app.Class, "-l", "app=shop", "--class", _app.Class)).Succeeds();
        Assert.Equal(("primary", "secondary"), (await WantedAsync(clusters.A), await WantedAsync(clusters.B)));
        // Run again it finds nothing to make.
        (await _app.RunAsync("protect", "-l", "app=shop")).Succeeds();
        await DrNamespace.SyncedAsync(clusters.A, GroupReconcile.Groups(_app.Name) + "/shop");
        var status = (await _app.RunAsync("status")).Succeeds();
        Assert.Equal(2, status.Output.Split('\n').Count(line => line.Contains(" shop ", StringComparison.Ordinal)));
        (await _app.RunAsync("relocate", "data")).StopsWith("its claims log move with it");

        await MoveAsync(clusters.A, sites.A, clusters.B, sites.B);
        await MoveAsync(clusters.B, sites.B, clusters.A, sites.A);
        Assert.DoesNotContain(_replicated.Calls, call => call.Contains("Promote(force)", StringComparison.Ordinal));

        (await _app.RunAsync("unprotect", "-l", "app=shop")).Succeeds();
        foreach (var server in (ApiServer[])[clusters.A, clusters.B])
            Assert.Null(await server.FindAsync(GroupReconcile.Groups(_app.Name) + "/shop"));
        foreach (var volume in _volumes.Values)
            Assert.Equal(MirrorImageState.Disabled, (await volume.InfoAsync(sites.A)).State);
        Assert.Equal(("Bound", null), (await _app.PhaseAsync(clusters.A, "log"), await _app.PhaseAsync(clusters.B, "log")));
    }

    [Fact]
    public async Task A_drill_of_a_group_is_of_all_its_claims_at_one_generation()
    {
        await _replicated.GenerateAsync();
        (await _app.RunAsync("protect", "--group", "shop", "--group-class", _app.Class, "-l", "app=shop", "--class", _app.Class)).Succeeds();
        await DrNamespace.SyncedAsync(clusters.A, GroupReconcile.Groups(_app.Name) + "/shop");
        var drill = new DrillCalls(sites.B, sites.B.Pool);
        var script = Path.GetTempFileName();
        try
        {
            // In the place of kubectl exec: there are no nodes.
            await File.WriteAllTextAsync(script, $"exec {ServerProcess.Binary} \"$@\" --cluster-config {sites.B.ConfigPath} --cluster-mapping {sites.B.MappingPath}\n", CancellationToken.None);
            string[] atB = ["--exec", "bash " + script, "--context", "site-b"];
            (await _app.RunAsync(["drill", drill.Name, "data", .. atB])).StopsWith("its claims log are of the same instant");
            // The peer has none before the schedule has come round.
            await Eventually.TrueAsync(async () => (await _app.RunAsync(["drill", drill.Name, "-l", "app=shop", .. atB])).ExitCode == 0, "there is a generation, and the drill is made of it");
            var listed = (await drill.ListedAsync())!.Value;
            Assert.True(listed.GetProperty("oneInstant").GetBoolean());
            Assert.Equal(_volumes.Count, DrillCalls.ImagesOf(listed).Length);
            foreach (var claim in Claims)
                Assert.Equal("Bound", (string?)(await clusters.B.GetAsync($"{ApiServer.Claims("drill-" + drill.Name)}/{claim}"))["status"]!["phase"]);
            (await _app.RunAsync(["drill", drill.Name, "--remove", .. atB])).Succeeds();
            Assert.Null(await drill.ListedAsync());
        }
        finally
        {
            File.Delete(script);
        }
        (await _app.RunAsync("unprotect", "-l", "app=shop")).Succeeds();
    }

    private async Task MoveAsync(ApiServer from, Site source, ApiServer to, Site target)
    {
        var digests = new List<string>();
        foreach (var volume in _volumes.Values)
        {
            await volume.WriteAsync(source, 4096, Guid.NewGuid().ToByteArray());
            digests.Add(await volume.DigestAsync(source));
        }
        (await _app.RunAsync("relocate", "-l", "app=shop", "--context", from.Name, "--peer-context", to.Name)).Succeeds();
        Assert.Equal(("secondary", "primary"), (await WantedAsync(from), await WantedAsync(to)));
        Assert.Equal(digests, await Task.WhenAll(_volumes.Values.Select(volume => volume.DigestAsync(target))));
    }

    private async Task<string?> WantedAsync(ApiServer server) => (string?)(await server.FindAsync(GroupReconcile.Groups(_app.Name) + "/shop"))?["spec"]!["replicationState"];
}
