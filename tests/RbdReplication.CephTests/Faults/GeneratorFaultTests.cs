using System.Diagnostics;
using RbdReplication.CephTests.PersistentVolumes;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;

namespace RbdReplication.CephTests.Faults;

/// <summary>The omap generator while a cluster does not answer.</summary>
[Collection("Faults")]
public sealed class GeneratorFaultTests(TwoSites sites)
{
    // More than four workers take at once, in batches of 128 at most.
    private const int Stuck = 600;

    [Fact]
    public async Task A_cluster_whose_osd_is_frozen_holds_up_no_volume_of_another_one()
    {
        await using var rig = await GeneratorRig.StartAsync(sites.B);
        await rig.AddClusterAsync(sites.A.Name, sites.A.Monitors);
        rig.Api.PutSecret("ceph", "peer", (CephCredentials.UserField, "csi"), (CephCredentials.KeyField, sites.A.Secrets[CephCredentials.KeyField]));
        for (var i = 0; i < Stuck; i++)
        {
            var pv = rig.Pv(rig.NewImage(sites.A.Pool), sites.A.Name);
            pv["spec"]!["csi"]!["controllerExpandSecretRef"]!["name"] = "peer";
            rig.Api.Volumes.Put(pv);
        }
        await sites.StopAsync(sites.A, "osd", "freeze");
        try
        {
            var started = Stopwatch.GetTimestamp();
            rig.Start();
            await Eventually.TrueAsync(() => Task.FromResult(rig.Api.Count("GET", "watch=1") > 0), "all volumes are listed and changes are followed");
            var good = rig.NewImage();
            await good.CreateImageAsync();
            rig.Api.Volumes.Put(rig.Pv(good));
            await GeneratorRig.MappedAsync(good);
            // librados gives the others up after 30 s.
            Assert.InRange(Stopwatch.GetElapsedTime(started), TimeSpan.Zero, TimeSpan.FromSeconds(29));
        }
        finally
        {
            await sites.StartAsync(sites.A, "osd");
        }
    }
}
