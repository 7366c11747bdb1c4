using System.Text.Json;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;

namespace RbdReplication.CephTests;

/// <summary>Drills while the site of the primary is lost.</summary>
[Collection("Faults")]
public sealed class DisasterDrillTests(TwoSites sites)
{
    [Fact]
    public async Task It_is_made_shown_and_removed_while_the_primary_s_cluster_is_dead_and_says_how_old_its_data_is()
    {
        var group = await ReplicatedGroup.ProtectAsync(sites, 2);
        var single = await TestVolume.CreateAsync(sites.A);
        await single.ProtectAsync(sites.A, sites.B);
        TestVolume[] volumes = [single, .. group.Volumes];
        foreach (var volume in volumes)
            await volume.WriteAsync(sites.A, 4096, Guid.NewGuid().ToByteArray());
        Dictionary<string, string> digests = [];
        foreach (var volume in volumes)
            digests[volume.Handle.Uuid] = await volume.DigestAsync(sites.A);
        async Task AssertSameAsync(DrillCalls drill, JsonElement of)
        {
            foreach (var volume in of.GetProperty("volumes").EnumerateArray())
                Assert.Equal(digests[volume.GetProperty("source").GetString()![^36..]], await drill.DigestAsync(volume.GetProperty("image").GetString()!));
        }

        await single.TakePointAsync(sites.A, sites.B, new PointName("last").ToString());
        var generation = new GenerationName(group.At(sites.A).NewUuid, 1).ToString();
        foreach (var volume in group.Volumes)
            await volume.TakePointAsync(sites.A, sites.B, generation);
        var copied = DateTimeOffset.UtcNow;
        await sites.StopAsync(sites.A, "all", "kill");
        try
        {
            DrillCalls ofVolume = new(sites.B, sites.B.Pool), ofGroup = new(sites.B, sites.B.Pool);
            var (code, manifests, told) = await ofVolume.RunAsync("create", ofVolume.Name, "--volume", single.Handle.ToString());
            Assert.True(code == 0, told);
            Assert.Matches($@"drill {ofVolume.Name}: 1 volume as of \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC or shortly before, \d+\w old", told);
            Assert.Contains("kind: PersistentVolumeClaim", manifests, StringComparison.Ordinal);
            var made = await ofGroup.CreateAsync("--group", group.HandleAt(sites.B));
            Assert.True(made.GetProperty("oneInstant").GetBoolean());
            Assert.True(made.GetProperty("takenAt").GetDateTimeOffset() <= copied);
            Assert.InRange(made.GetProperty("ageSeconds").GetDouble(), (DateTimeOffset.UtcNow - copied).TotalSeconds - 2, (DateTimeOffset.UtcNow - copied).TotalSeconds + 3600);
            var listed = (await ofVolume.ListedAsync())!.Value;
            Assert.Equal((1, 2), (DrillCalls.ImagesOf(listed).Length, DrillCalls.ImagesOf(made).Length));
            await AssertSameAsync(ofVolume, listed);
            await AssertSameAsync(ofGroup, made);
            // The disaster is a real one, and is not waited for by what the drill keeps.
            await TestVolume.RetryAsync(() => single.PromoteAsync(sites.B, force: true), "site-b is promoted");
            await single.WriteAsync(sites.B, 0, new byte[] { 1 });
            await AssertSameAsync(ofVolume, listed);
            foreach (var (drill, of) in new[] { (ofVolume, listed), (ofGroup, made) })
            {
                var traces = await drill.TracesAsync(of);
                await drill.RemoveAsync();
                await drill.AssertGoneAsync(traces);
            }
        }
        finally
        {
            await sites.StartAsync(sites.A, "all");
            await sites.RestartMirrorDaemonAsync(sites.B);
        }
    }
}
