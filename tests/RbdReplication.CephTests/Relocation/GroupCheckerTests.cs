using System.Diagnostics;
using System.Globalization;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Groups;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;

namespace RbdReplication.CephTests.Relocation;

/// <summary>The short form belongs to <c>make test-groups</c>, the long one is <c>make check-groups</c>.</summary>
[Collection("Faults")]
public sealed class GroupCheckerTests(TwoSites sites)
{
    private static readonly int Seed = Setting("GROUP_SEED") ?? Random.Shared.Next(1, 1_000_000);

    [Theory]
    [InlineData(2, 4, true)]
    [InlineData(8, 7, false)]
    public Task A_group_moves_with_every_write_or_comes_up_as_of_one_instant_that_was_told(int members, int seed, bool isLost) =>
        RunAsync(seed, members, isLost, TimeSpan.FromSeconds(10), withDeadClients: false);

    [Fact]
    public async Task Without_the_barrier_the_checker_sees_that_a_group_is_not_of_one_instant()
    {
        var group = await ReplicatedGroup.ProtectAsync(sites, 8);
        var writers = await GroupWriters.StartAsync(sites.A, group.Volumes, new Random(Seed));
        var name = new GenerationName(group.At(sites.A).NewUuid, 1).ToString();
        foreach (var volume in group.Volumes)
        {
            await using var image = await volume.OpenAsync(sites.A, readOnly: false);
            await image.Snapshots.CreateAsync(name, CancellationToken.None);
            await writers.GoOnAsync();
        }
        await Task.WhenAll(group.Volumes.Select(volume => volume.TakeSnapshotAsync(sites.A)));
        await PromoteAsync(group);
        Assert.Contains("not of one instant", await writers.FindTearAsync(sites.B, DateTimeOffset.MinValue), StringComparison.Ordinal);
        await EndAsync(group, writers);
    }

    [Fact]
    public async Task The_checker_sees_that_a_group_is_of_an_instant_that_is_too_old_and_which_writes_it_has_not()
    {
        var group = await ReplicatedGroup.ProtectAsync(sites, 8);
        var writers = await GroupWriters.StartAsync(sites.A, group.Volumes, new Random(Seed));
        var taken = await new MemberImages(group.Volumes).TakeAsync(sites.A, new GenerationName(group.At(sites.A).NewUuid, 1).ToString());
        Assert.Equal(GenerationResult.Taken, taken.Result);
        await writers.GoOnAsync();
        await PromoteAsync(group);
        await writers.StopAsync();
        Assert.Null(await writers.FindTearAsync(sites.B, DateTimeOffset.MinValue));
        Assert.Contains("older than what was told", await writers.FindTearAsync(sites.B, DateTimeOffset.UtcNow), StringComparison.Ordinal);
        Assert.Contains("not all have", await writers.FindLossAsync(sites.B), StringComparison.Ordinal);
        Assert.Null(await writers.FindLossAsync(sites.A));
        Assert.Empty((await group.DigestsAsync(sites.A)).Intersect(await group.DigestsAsync(sites.B)));
        await EndAsync(group, writers);
    }

    // Site-b has the generation by then.
    private Task PromoteAsync(ReplicatedGroup group) =>
        TestVolume.RetryAsync(() => group.CallAsync(sites.B, Rpc.Promote, force: true), "site-b is promoted");

    private async Task EndAsync(ReplicatedGroup group, GroupWriters writers)
    {
        await writers.AbandonAsync();
        await group.RetryAsync(sites.B, Rpc.Disable);
        await group.RetryAsync(sites.A, Rpc.Disable);
    }

    /// <summary>As long as one likes: <c>make check-groups</c>.</summary>
    [Fact(Explicit = true)]
    public async Task Groups_of_all_sizes_move_and_lose_their_sites()
    {
        var duration = TimeSpan.FromMinutes(Setting("GROUP_MINUTES") ?? 10);
        int[] sizes = Setting("GROUP_MEMBERS") is { } members ? [members] : [2, 8, 32];
        var clock = Stopwatch.StartNew();
        var seed = Seed;
        var rounds = 0;
        do
        {
            await RunAsync(seed, sizes[rounds % sizes.Length], isLost: seed % 2 == 0, TimeSpan.FromSeconds(30), withDeadClients: true);
            seed++;
            rounds++;
        }
        while (clock.Elapsed < duration);
        TestContext.Current.TestOutputHelper!.WriteLine($"{rounds} rounds, none lost what it was to have");
    }

    private async Task RunAsync(int seed, int members, bool isLost, TimeSpan longest, bool withDeadClients)
    {
        var checker = new GroupChecker(sites, seed, members, longest, withDeadClients, line => TestContext.Current.TestOutputHelper!.WriteLine(line));
        await checker.RunAsync(isLost);
        TestContext.Current.SendDiagnosticMessage(checker.Summary);
    }

    private static int? Setting(string name) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : null;
}
