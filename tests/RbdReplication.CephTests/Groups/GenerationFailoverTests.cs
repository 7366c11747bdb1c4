using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;

namespace RbdReplication.CephTests.Groups;

/// <summary>What a forced promotion of a group returns to.</summary>
public sealed class GenerationFailoverTests(TwoSites sites)
{
    private readonly string _group = Guid.NewGuid().ToString();

    private static CancellationToken None => CancellationToken.None;

    private string Name(long number) => new GenerationName(_group, number).ToString();

    private Task<MemberSnapshots[]> SeenAsync(MemberImages members, Site site) => members.OfEachAsync(site, image => MemberSnapshots.ReadAsync(image, None));

    private Task AwaitWholeAsync(MemberImages members, long number) => Eventually.TrueAsync(
        async () => GenerationRules.NewestWhole(_group, await SeenAsync(members, sites.B)) == number, $"the peer has generation {number}");

    [Fact]
    public async Task All_members_return_to_the_newest_instant_that_all_have_and_what_is_newer_goes()
    {
        var members = await MemberImages.CreateAsync(sites.A, 4, sites.B);
        var peer = Assert.Single(await new PoolMirroring(sites.A.Pool).ListPeersAsync(None)).Uuid;
        ulong[] numbers;
        await using (var writer = await GroupWriter.StartAsync(sites.A, members.Volumes))
        {
            for (var number = 1; number <= 2; number++)
            {
                Assert.Equal(GenerationResult.Taken, (await members.TakeAsync(sites.A, Name(number))).Result);
                await AwaitWholeAsync(members, number);
            }
            await Eventually.TrueAsync(
                async () => GenerationRules.NewestAtPeers(_group, await SeenAsync(members, sites.A), [peer]) == 2, "the primary knows that the peer has it");
            Assert.Equal(
                members.Volumes.Select((_, i) => Name(1)), GenerationRules.Unneeded(_group, await SeenAsync(members, sites.A), [peer], 3).Select(one => one.SnapshotName));
            numbers = await members.NumbersAsync(sites.A, writer, Name(2));
            // The members go on by themselves: the first even to a third generation that is cut off there.
            foreach (var volume in members.Volumes)
            {
                await using (var image = await volume.OpenAsync(sites.A, readOnly: false))
                {
                    await image.Snapshots.CreateAsync(volume == members.Volumes[0] ? Name(3) : Name(3) + GenerationTaking.UnfinishedMark + "1", None);
                    await writer.GoesOnAsync();
                    await image.Mirroring.CreateSnapshotAsync(None);
                }
                await writer.GoesOnAsync();
            }
            await Eventually.TrueAsync(async () => (await SeenAsync(members, sites.B)).All(seen => seen.Users.Count == 3 && seen.Mirrors[^1].IsComplete), "all is copied");
            var seen = await SeenAsync(members, sites.B);
            Assert.True(GenerationRules.NeedsReturn(seen));
            Assert.Equal(2, GenerationRules.NewestWhole(_group, seen));
            await Task.WhenAll(members.Volumes.Select(PromoteAsync));
            Assert.False(MemberImages.AreOfOneInstant(await members.NumbersAsync(sites.B, writer)));
            Assert.Equal(2, GenerationRules.ReturnPoint(_group, await SeenAsync(members, sites.B), 2));
            // Cut off, and done again.
            var ids = await members.IdsAsync(sites.B);
            await GenerationFailover.RunAsync(sites.B.Pool, ids[..2], new GenerationName(_group, 2), None);
            Assert.Equal(2, (await GenerationFailover.RunAsync(sites.B.Pool, ids, new GenerationName(_group, 2), None)).Number);
            var returned = await members.NumbersAsync(sites.B, writer);
            MemberImages.AssertOneInstant(returned);
            Assert.Equal(numbers, returned);
        }
        Assert.All(await members.NamesAsync(sites.B), names => Assert.Equal([Name(1), Name(2)], names));
        // What the primary had removed in between is no more to be returned to, but the next one is.
        await using (var image = await members.Volumes[1].OpenAsync(sites.B, readOnly: false))
            await image.Snapshots.RemoveAsync(Name(1), None);
        Assert.Equal(2, (await GenerationFailover.RunAsync(sites.B.Pool, await members.IdsAsync(sites.B), new GenerationName(_group, 1), None)).Number);
        var gone = await Assert.ThrowsAsync<ReplicationException>(
            async () => await GenerationFailover.RunAsync(sites.B.Pool, await members.IdsAsync(sites.B), new GenerationName(_group, 3), None));
        Assert.Equal(ReplicationError.Damaged, gone.Error);
        var missing = await Assert.ThrowsAsync<ReplicationException>(
            () => GenerationFailover.RunAsync(sites.B.Pool, ["0123456789ab"], new GenerationName(_group, 2), None));
        Assert.Contains("cannot return image replicapool/0123456789ab to generation 2 of its group", missing.Message, StringComparison.Ordinal);
    }

    private async Task PromoteAsync(TestVolume volume)
    {
        await using var image = await volume.OpenAsync(sites.B, readOnly: false);
        await image.Mirroring.PromoteAsync(force: true, None);
    }
}
