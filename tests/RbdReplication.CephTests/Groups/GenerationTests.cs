using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests.Groups;

/// <summary>Generations of groups under live writers, in a process of its own as <c>serve</c> takes them.</summary>
public sealed class GenerationTests(TwoSites sites, ITestOutputHelper output)
{
    private static string NewName() => $"rbd-replication.{Guid.NewGuid()}.1";

    [Theory]
    [InlineData(2, 4)]
    [InlineData(8, 3)]
    public async Task All_members_are_of_one_instant_at_the_primary_and_then_at_the_peer(int count, int generations)
    {
        var members = await MemberImages.CreateAsync(sites.A, count, sites.B);
        List<(string Name, ulong[] Numbers, ulong[] Others)> taken = [];
        await using (var writer = await GroupWriter.StartAsync(sites.A, members.Volumes))
        // This one fights for the lock of every other member.
        await using (var other = await GroupWriter.StartAsync(sites.A, members.Volumes.Where((_, i) => i % 2 == 1), offset: 4096))
        {
            for (var i = 0; i < generations; i++)
            {
                var name = NewName();
                var outcome = await members.TakeAsync(sites.A, name);
                output.WriteLine($"{outcome}, the slowest writes {writer.Slowest} and {other.Slowest}");
                Assert.Equal(GenerationResult.Taken, outcome.Result);
                var numbers = await members.NumbersAsync(sites.A, writer, name);
                MemberImages.AssertOneInstant(numbers);
                var mirrored = await members.MirroredNumbersAsync(sites.A, writer);
                MemberImages.AssertOneInstant(mirrored);
                Assert.True(mirrored[0] >= numbers[0]);
                var others = (await members.NumbersAsync(sites.A, other, name)).Where((_, member) => member % 2 == 1).ToArray();
                MemberImages.AssertOneInstant(others);
                taken.Add((name, numbers, others));
                await writer.GoesOnAsync();
                await other.GoesOnAsync();
            }
            Assert.All(await members.NamesAsync(sites.A), names => Assert.Equal(taken.Select(generation => generation.Name), names));
            var last = await members.OfEachAsync(sites.A, async image => (await image.Mirroring.ListSnapshotsAsync(CancellationToken.None))[^1].Id);
            await Eventually.TrueAsync(
                async () => (await members.OfEachAsync(sites.B, async image => (await image.Mirroring.ListSnapshotsAsync(CancellationToken.None))[^1]))
                    .Zip(last).All(pair => pair.First.IsComplete && pair.First.PrimarySnapshotId == pair.Second),
                "the peer has all");
            foreach (var (name, numbers, others) in taken)
            {
                Assert.Equal(numbers, await members.NumbersAsync(sites.B, writer, name));
                Assert.Equal(others, (await members.NumbersAsync(sites.B, other, name)).Where((_, member) => member % 2 == 1));
            }
        }
    }

    [Fact]
    public async Task Without_the_barrier_the_same_check_sees_that_they_are_not()
    {
        var members = await MemberImages.CreateUnmirroredAsync(sites.A, 8);
        await using var writer = await GroupWriter.StartAsync(sites.A, members.Volumes);
        var name = NewName();
        foreach (var volume in members.Volumes)
        {
            await using var image = await volume.OpenAsync(sites.A, readOnly: false);
            await image.Snapshots.CreateAsync(name, CancellationToken.None);
            await writer.GoesOnAsync();
        }
        Assert.False(MemberImages.AreOfOneInstant(await members.NumbersAsync(sites.A, writer, name)));
    }

    [Fact]
    public async Task A_name_that_any_member_has_is_not_taken_again()
    {
        var members = await MemberImages.CreateUnmirroredAsync(sites.A, 2);
        var name = NewName();
        await using (var image = await members.Volumes[1].OpenAsync(sites.A, readOnly: false))
            await image.Snapshots.CreateAsync(name, CancellationToken.None);
        var outcome = await members.TakeAsync(sites.A, name);
        Assert.Equal((GenerationResult.Failed, Errno.EEXIST), (outcome.Result, outcome.Failure!.Errno));
        Assert.Equal((await members.IdsAsync(sites.A))[1], outcome.ImageId);
        Assert.Empty((await members.NamesAsync(sites.A))[0]);
    }

    [Fact]
    public async Task A_member_without_the_feature_or_that_is_gone_or_a_secondary_is_named_with_the_error()
    {
        var members = await MemberImages.CreateAsync(sites.A, 2, sites.B);
        var ids = await members.IdsAsync(sites.A);
        var plain = await (await MemberImages.CreateUnmirroredAsync(sites.A, 1, ImageFeatures.Layering)).IdsAsync(sites.A);
        await AssertFailedAsync(sites.A, [.. ids, plain[0]], plain[0], Errno.EOPNOTSUPP);
        await AssertFailedAsync(sites.A, [ids[0], "0123456789ab", ids[1]], "0123456789ab", Errno.ENOENT);
        var copies = await members.IdsAsync(sites.B);
        await AssertFailedAsync(sites.B, copies, null, Errno.EROFS);
        Assert.All(await members.NamesAsync(sites.A), Assert.Empty);
    }

    private static async Task AssertFailedAsync(Site site, string[] ids, string? failed, Errno errno)
    {
        var outcome = await GenerationTaking.TakeAsync(site.Pool, ids, NewName(), MemberImages.AmpleHold, CancellationToken.None);
        Assert.Equal((GenerationResult.Failed, errno), (outcome.Result, outcome.Failure?.Errno ?? Errno.None));
        Assert.Equal(failed ?? outcome.ImageId, outcome.ImageId);
        Assert.NotNull(outcome.ImageId);
    }

    [Fact]
    public async Task An_attempt_that_would_hold_writers_for_longer_than_allowed_is_given_up_and_the_next_one_succeeds()
    {
        var members = await MemberImages.CreateAsync(sites.A, 3);
        await using var writer = await GroupWriter.StartAsync(sites.A, members.Volumes);
        var outcome = await members.TakeAsync(sites.A, NewName(), TimeSpan.FromTicks(1));
        Assert.Equal((GenerationResult.HeldTooLong, 1), (outcome.Result, outcome.Attempts));
        Assert.All(await members.NamesAsync(sites.A), Assert.Empty);
        await writer.GoesOnAsync();
        var name = NewName();
        Assert.Equal(GenerationResult.Taken, (await members.TakeAsync(sites.A, name)).Result);
        MemberImages.AssertOneInstant(await members.NumbersAsync(sites.A, writer, name));
        await writer.GoesOnAsync();
    }
}
