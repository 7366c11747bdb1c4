using System.Text.Json;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Groups;
using RbdReplication.CephTests.Relocation;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;

namespace RbdReplication.CephTests;

/// <summary>Drills of a volume group: of one instant, whatever goes on with the group.</summary>
public sealed class GroupDrillTests(TwoSites sites)
{
    private static CancellationToken None => CancellationToken.None;

    [Fact]
    public async Task It_is_of_one_instant_while_the_group_is_written_to_and_copied_and_moves_and_is_promoted_by_force()
    {
        var group = await ReplicatedGroup.CreateAsync(sites, 8);
        foreach (var rpc in (string[])[Rpc.Enable, Rpc.Promote])
            await group.CallAsync(sites.A, rpc, parameters: GenerationRequests.EachMinute);
        await group.AwaitCopiesAsync();
        var random = new Random(20261128);
        var writers = await GroupWriters.StartAsync(sites.A, group.Volumes, random);
        DrillCalls there = new(sites.B, sites.B.Pool), beside = new(sites.B, sites.B.Pool), here = new(sites.A, sites.A.Pool);
        try
        {
            await TakeAsync(sites.A, group, random, 2);
            var made = await AwaitMadeAsync(there, group.HandleAt(sites.B));
            Assert.True(made.GetProperty("oneInstant").GetBoolean());
            var number = made.GetProperty("volumes")[0].GetProperty("point").GetString()!.Split(' ')[^1];
            // At the primary, of the snapshots themselves.
            var original = await here.CreateAsync("--group", group.HandleAt(sites.A), "--generation", number);
            // Generations come and go, and one is made in the middle of that.
            var passing = TakeAsync(sites.A, group, random, 10);
            await AwaitMadeAsync(beside, group.HandleAt(sites.B));
            await beside.RemoveAsync();
            await passing;
            Assert.Null(await writers.FindTearAsync(sites.B, DateTimeOffset.MinValue, CopiesOf(made)));
            var digests = await DigestsAsync(there, made);
            Assert.Equal(await DigestsAsync(here, original), digests);
            await Eventually.TrueAsync(
                async () => (await there.ListedAsync())!.Value.GetProperty("volumes").EnumerateArray()
                    .All(volume => volume.GetProperty("keeps").GetString() is { } kept && kept.Contains("trash namespace", StringComparison.Ordinal)), "the generation is kept for the drill alone");

            await writers.StopAsync();
            await group.RetryAsync(sites.A, Rpc.Demote);
            await TestVolume.RetryAsync(() => group.CallAsync(sites.B, Rpc.Promote, parameters: GenerationRequests.EachMinute), "site-b is promoted");
            Assert.Null(await writers.FindLossAsync(sites.B));
            await TakeAsync(sites.B, group, random, 2);
            await AwaitWholeAsync(group, sites.A);
            await TestVolume.RetryAsync(() => group.CallAsync(sites.A, Rpc.Promote, force: true), "site-a is promoted");
            await group.AssertRoleAsync(sites.A, arePrimary: true);
            Assert.Equal(digests, await DigestsAsync(there, made));
            Assert.Equal(digests, await DigestsAsync(here, original));
            foreach (var (drill, of) in new[] { (there, made), (here, original) })
            {
                var traces = await drill.TracesAsync(of);
                await drill.RemoveAsync();
                await drill.AssertGoneAsync(traces);
            }
        }
        finally
        {
            await writers.AbandonAsync();
        }
        foreach (var site in sites.Both)
        {
            foreach (var volume in group.Volumes)
                Assert.DoesNotContain("trash (", await site.RbdAsync("snap", "ls", "--all", volume.PoolAt(site).SpecOf(volume.ImageName)), StringComparison.Ordinal);
            await TestVolume.RetryAsync(() => group.CallAsync(site, Rpc.Disable, parameters: ("force", "true")), $"it is disabled at {site}");
        }
    }

    [Fact]
    public async Task Without_a_generation_it_says_so_and_a_member_alone_is_shown_the_way_to_its_group()
    {
        var group = await ReplicatedGroup.ProtectAsync(sites, 2);
        var drill = new DrillCalls(sites.B, sites.B.Pool);
        Assert.Contains("no generation that this site has whole of all 2 volumes", await drill.RefusedAsync("create", "--group", group.HandleAt(sites.B)), StringComparison.Ordinal);
        Assert.Contains(
            "generation 7 of volume group", await drill.RefusedAsync("create", "--group", group.HandleAt(sites.B), "--generation", "7", "--timeout", "1s"), StringComparison.Ordinal);
        Assert.Contains(
            "name that with --group", await drill.RefusedAsync("create", "--volume", group.Volumes[0].Handle.ToString()), StringComparison.Ordinal);
        Assert.Null(await drill.ListedAsync());
    }

    [Fact]
    public async Task A_failover_returns_past_a_snapshot_that_has_a_clone()
    {
        var members = await MemberImages.CreateAsync(sites.A, 2, sites.B);
        var uuid = Guid.NewGuid().ToString();
        string Name(long number) => new GenerationName(uuid, number).ToString();
        foreach (var number in (long[])[1, 2])
            await Task.WhenAll(members.Volumes.Select(volume => volume.TakePointAsync(sites.A, sites.B, Name(number))));
        // Of both, the one that is returned to and the one that is left behind.
        foreach (var number in (long[])[1, 2])
        {
            await Task.WhenAll(members.Volumes.Select(async volume =>
            {
                await using var image = await volume.OpenAsync(sites.B);
                await SnapshotClone.CreateAsync(sites.B.Pool, volume.ImageName, Name(number), $"{volume.ImageName}-{number}", await CloneShape.OfAsync(image, None), None);
            }));
        }
        await Task.WhenAll(members.Volumes.Select(volume => volume.PromoteByToolAsync(sites.B, force: true)));
        Assert.Equal(1, (await GenerationFailover.RunAsync(sites.B.Pool, await members.IdsAsync(sites.B), new GenerationName(uuid, 1), None)).Number);
        Assert.All(await members.NamesAsync(sites.B), names => Assert.Equal([Name(1)], names));
        foreach (var volume in members.Volumes)
        {
            await using (var clone = await RbdImage.OpenAsync(sites.B.Pool, $"{volume.ImageName}-2", readOnly: true, None))
                Assert.True((await clone.GetParentAsync(None))!.IsSnapshotInTrash);
            foreach (var number in (long[])[1, 2])
                await RbdImage.RemoveAsync(sites.B.Pool, $"{volume.ImageName}-{number}", None);
            Assert.DoesNotContain("trash (", await sites.B.RbdAsync("snap", "ls", "--all", volume.PoolAt(sites.B).SpecOf(volume.ImageName)), StringComparison.Ordinal);
        }
    }

    // The peer has none at first.
    private static async Task<JsonElement> AwaitMadeAsync(DrillCalls drill, string group)
    {
        JsonElement made = default;
        await Eventually.TrueAsync(
            async () =>
            {
                var (code, output, error) = await drill.RunAsync("create", drill.Name, "-o", "json", "--group", group);
                made = code == 0 ? JsonDocument.Parse(output).RootElement : throw new InvalidOperationException(error);
                return true;
            }, "the drill is made");
        return made;
    }

    /// <summary>Has the server take some generations more, one soon after the other.</summary>
    private static async Task TakeAsync(Site site, ReplicatedGroup group, Random random, int count)
    {
        using var end = new CancellationTokenSource();
        async Task<long> TakenAsync() => (await group.At(site).StateAsync(group.At(site).NewUuid))!.Taken;
        var before = await TakenAsync();
        var asking = new GenerationRequests(site, group, static _ => { }).AskAsync(random, end.Token);
        await Eventually.TrueAsync(async () => await TakenAsync() >= before + count || asking.IsFaulted, $"{count} generations are taken");
        await end.CancelAsync();
        await asking;
    }

    private static Task AwaitWholeAsync(ReplicatedGroup group, Site site) => Eventually.TrueAsync(
        async () => FailoverRules.NewestWhole(await Task.WhenAll(group.Volumes.Select(async volume =>
        {
            await using var image = await volume.OpenAsync(site);
            return await MemberSnapshots.ReadAsync(image, None);
        }))) is not null, $"{site} has a generation");

    private static async Task<string[]> DigestsAsync(DrillCalls drill, JsonElement made) => await Task.WhenAll(DrillCalls.ImagesOf(made).Select(drill.DigestAsync));

    private Func<TestVolume, TestVolume> CopiesOf(JsonElement made)
    {
        var copies = made.GetProperty("volumes").EnumerateArray()
            .ToDictionary(volume => volume.GetProperty("source").GetString()![^36..], volume => volume.GetProperty("image").GetString()![^36..]);
        return volume => TestVolume.At(sites.B, copies[volume.Handle.Uuid]);
    }
}
