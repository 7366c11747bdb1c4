using RbdReplication.CephTests.Sandbox;
using RbdReplication.KubernetesTests.Clusters;

namespace RbdReplication.KubernetesTests.Sites;

/// <summary>A rehearsal by <c>dr drill</c>.</summary>
public sealed class DrillProcedureTests(TwoClusters clusters, TwoSites sites) : VolumeProcedure(clusters, sites)
{
    [Fact]
    public async Task A_drill_gives_the_point_to_an_application_of_its_own_and_leaves_nothing()
    {
        var volume = await ProtectAsync();
        await volume.WriteAsync(Sites.A, 4096, Guid.NewGuid().ToByteArray());
        var digest = await volume.DigestAsync(Sites.A);
        await PointRun.TakeAsync(Sites.A, volume, "rehearsal");
        await volume.WriteAsync(Sites.A, 4096, Guid.NewGuid().ToByteArray());
        var drill = new DrillCalls(Sites.B, Sites.B.Pool);
        var (name, space) = (drill.Name, "drill-" + drill.Name);
        var script = Path.GetTempFileName();
        try
        {
            // In the place of kubectl exec: there are no nodes.
            await File.WriteAllTextAsync(script, $"exec {ServerProcess.Binary} \"$@\" --cluster-config {Sites.B.ConfigPath} --cluster-mapping {Sites.B.MappingPath}\n", CancellationToken.None);
            string[] atB = ["--exec", "bash " + script, "--context", "site-b"];
            Assert.Contains($"clone at site-b, as drill {name}", (await App.RunAsync(["drill", name, "data", "--dry-run", .. atB])).Succeeds().Output, StringComparison.Ordinal);
            (await App.RunAsync(["drill", name, "data", "--point", "nowhere", "--exec", "bash /nonexistent", "--context", "site-b"])).StopsWith("site-b: ");
            for (var run = 0; run < 2; run++)
            {
                var made = (await App.RunAsync(["drill", name, "data", "--point", "rehearsal", .. atB])).Succeeds();
                Assert.Contains("data is as of ", made.Output, StringComparison.Ordinal);
            }
            var claim = await Clusters.B.GetAsync($"{ApiServer.Claims(space)}/data");
            Assert.Equal("Bound", (string?)claim["status"]!["phase"]);
            var clone = Assert.Single(DrillCalls.ImagesOf((await drill.ListedAsync())!.Value));
            Assert.Equal(digest, await drill.DigestAsync(clone));

            (await App.RunAsync(["drill", name, "--remove", .. atB])).Succeeds();
            Assert.Null(await drill.ListedAsync());
            Assert.Null(await Clusters.B.FindAsync($"{ApiServer.Volumes}/{claim["spec"]!["volumeName"]}"));
            Assert.Null(await Clusters.B.FindAsync($"api/v1/namespaces/{space}"));
            Assert.Contains("nothing to do", (await App.RunAsync(["drill", name, "--remove", .. atB])).Succeeds().Output, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(script);
        }
    }
}
