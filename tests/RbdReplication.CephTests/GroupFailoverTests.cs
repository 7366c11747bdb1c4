using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Relocation;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;
using Health = RbdReplication.Csi.Protocol.GetVolumeReplicationInfoResponse.Types.Status;

namespace RbdReplication.CephTests;

/// <summary>A volume group that is promoted by force: of one instant, whatever was copied of whom, and wherever it was cut off.</summary>
public sealed class GroupFailoverTests(TwoSites sites)
{
    private static string Generation(ReplicatedGroup group, Site site, long number) => new GenerationName(group.At(site).NewUuid, number).ToString();

    /// <summary>Takes a generation of a group that nobody writes to, and waits until site-b has it.</summary>
    private async Task TakeGenerationAsync(ReplicatedGroup group, long number)
    {
        foreach (var volume in group.Volumes)
            await sites.A.RbdAsync("snap", "create", "--no-progress", $"{volume.PoolAt(sites.A).SpecOf(volume.ImageName)}@{Generation(group, sites.A, number)}");
        await Task.WhenAll(group.Volumes.Select(volume => volume.TakeSnapshotAsync(sites.A)));
        await AwaitWholeAsync(group, group.Volumes, number);
    }

    private Task AwaitWholeAsync(ReplicatedGroup group, IEnumerable<TestVolume> volumes, long number) =>
        Eventually.TrueAsync(async () => await NewestWholeAsync(group, volumes) >= number, $"site-b has generation {number}");

    private async Task<long?> NewestWholeAsync(ReplicatedGroup group, params IEnumerable<TestVolume> volumes) =>
        GenerationRules.NewestWhole(group.At(sites.A).NewUuid, await SeenAsync(volumes));

    private async Task<MemberSnapshots[]> SeenAsync(IEnumerable<TestVolume> volumes) => await Task.WhenAll(volumes.Select(async volume =>
    {
        await using var image = await volume.OpenAsync(sites.B);
        return await MemberSnapshots.ReadAsync(image, CancellationToken.None);
    }));

    /// <summary>Writes to all, and lets site-b have what one has written.</summary>
    private async Task TearAsync(ReplicatedGroup group)
    {
        var data = await group.WriteAsync(sites.A, 0);
        await group.Volumes[0].TakeSnapshotAsync(sites.A);
        await Eventually.TrueAsync(async () => (await group.Volumes[0].ReadAsync(sites.B, 0, data[0].Length)).SequenceEqual(data[0]), "site-b has the later write of one");
    }

    private async Task AssertEndedAsync(ReplicatedGroup group)
    {
        await group.AssertRoleAsync(sites.B, arePrimary: true);
        var state = await group.At(sites.B).StateAsync(group.At(sites.B).NewUuid);
        Assert.Equal((WantedRole.Primary, null), (state!.Role, state.Failover));
    }

    [Fact]
    public async Task It_comes_up_as_of_the_newest_generation_that_the_site_has_of_all()
    {
        var group = await ReplicatedGroup.ProtectAsync(sites, 4);
        await group.WriteAsync(sites.A, 0);
        await TakeGenerationAsync(group, 1);
        var data = await group.WriteAsync(sites.A, 0);
        await TakeGenerationAsync(group, 2);
        await TearAsync(group);
        await group.CallAsync(sites.B, Rpc.Promote, force: true);
        await AssertEndedAsync(group);
        await group.AssertReadsAsync(sites.B, 0, data);
        Assert.Contains(Generation(group, sites.A, 2), sites.B.Server.Log, StringComparison.Ordinal);
        var failover = (await group.At(sites.B).StateAsync(group.At(sites.B).NewUuid))!.LastFailover!;
        Assert.True(failover.TakenBy < failover.Since, $"{failover}");
        // Once it is in use nothing is thrown away any more.
        var newer = await group.WriteAsync(sites.B, 0);
        await group.CallAsync(sites.B, Rpc.Promote, force: true);
        await group.CallAsync(sites.B, Rpc.Promote);
        await group.AssertReadsAsync(sites.B, 0, newer);
    }

    [Fact]
    public async Task One_that_is_not_copied_any_more_keeps_the_whole_group_at_the_last_generation_that_it_has()
    {
        var group = await ReplicatedGroup.CreateAsync(sites, 4);
        foreach (var rpc in (string[])[Rpc.Enable, Rpc.Promote])
            await group.CallAsync(sites.A, rpc, parameters: GenerationRequests.EachMinute);
        await group.AwaitCopiesAsync();
        var generations = new GenerationRequests(sites.A, group, static _ => { });
        var lagging = group.Volumes[2];
        TestVolume[] others = [.. group.Volumes.Where(volume => volume != lagging)];
        await AwaitWholeAsync(group, group.Volumes, await TakeNextAsync(group, generations));

        await sites.B.StopCopyingAsync(lagging);
        var last = (await NewestWholeAsync(group, lagging))!.Value;
        var data = await group.WriteAsync(sites.A, 0);
        var next = await TakeNextAsync(group, generations);
        await AwaitWholeAsync(group, others, next);
        await AwaitToldAsync(group, last);
        // As soon as it has caught up it keeps nobody back.
        await sites.B.GoOnCopyingAsync(lagging);
        await AwaitWholeAsync(group, group.Volumes, next);

        await sites.B.StopCopyingAsync(lagging);
        last = (await NewestWholeAsync(group, lagging))!.Value;
        for (var i = 0; i < 2; i++)
        {
            await group.WriteAsync(sites.A, 0);
            await AwaitWholeAsync(group, others, await TakeNextAsync(group, generations));
        }
        await AwaitToldAsync(group, last);
        await group.CallAsync(sites.B, Rpc.Promote, force: true);
        await AssertEndedAsync(group);
        await group.AssertReadsAsync(sites.B, 0, data);
        Assert.Contains(Generation(group, sites.A, last), sites.B.Server.Log, StringComparison.Ordinal);
    }

    /// <summary>Has the server at site-a take a generation that is begun from now on.</summary>
    private async Task<long> TakeNextAsync(ReplicatedGroup group, GenerationRequests generations)
    {
        async Task<GroupState> StateAsync() => (await group.At(sites.A).StateAsync(group.At(sites.A).NewUuid))!;
        var before = (await StateAsync()).Generation;
        await generations.BeginAsync();
        await Eventually.TrueAsync(async () => (await StateAsync()).Taken > before, "a generation is taken");
        return (await StateAsync()).Taken;
    }

    /// <summary>Waits until the info tells of this generation, of which the peer's report may be on its way; it never tells of a later one.</summary>
    private async Task AwaitToldAsync(ReplicatedGroup group, long number)
    {
        var takenAt = (await Task.WhenAll(group.Volumes.Select(async volume =>
        {
            await using var image = await volume.OpenAsync(sites.A);
            return (await image.Snapshots.ListAsync(CancellationToken.None)).Single(snapshot => snapshot.Name == Generation(group, sites.A, number)).TakenAt;
        }))).Min();
        await Eventually.TrueAsync(
            async () =>
            {
                var info = await group.At(sites.A).GetInfoAsync(group.HandleAt(sites.A));
                Assert.False(info.LastSyncTime?.ToDateTimeOffset() > takenAt, $"{info.StatusMessage}, which one has not");
                return info.LastSyncTime?.ToDateTimeOffset() == takenAt
                    && info.StatusMessage.Contains($"the peer has generation {number} of all", StringComparison.Ordinal);
            }, $"the info tells of generation {number}");
    }

    [Fact]
    public async Task Without_a_generation_of_all_none_is_promoted()
    {
        var group = await ReplicatedGroup.ProtectAsync(sites, 3);
        await TearAsync(group);
        var refused = await TestGroup.RefusedAsync(StatusCode.FailedPrecondition, () => group.CallAsync(sites.B, Rpc.Promote, force: true));
        Assert.Contains("there is no generation that this site has whole of all its volumes", refused, StringComparison.Ordinal);
        await group.AssertRoleAsync(sites.B, arePrimary: false);
        Assert.Null(await group.At(sites.B).StateAsync(group.At(sites.B).NewUuid));
    }

    [Fact]
    public async Task What_was_left_by_a_planned_stop_is_kept_as_it_is()
    {
        var group = await ReplicatedGroup.ProtectAsync(sites, 3);
        await TakeGenerationAsync(group, 1);
        var data = await group.WriteAsync(sites.A, 0);
        await group.RetryAsync(sites.A, Rpc.Demote);
        // The mirror daemon that has copied the demotion may still hold a lock (18.2, load 60: EROFS), which is ABORTED.
        await TestVolume.RetryAsync(() => group.CallAsync(sites.B, Rpc.Promote, force: true), "site-b is promoted");
        await AssertEndedAsync(group);
        await group.AssertReadsAsync(sites.B, 0, data);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task One_that_was_cut_off_is_not_reported_as_promoted_and_finished_by_the_next_call(int promoted)
    {
        var group = await ReplicatedGroup.ProtectAsync(sites, 3);
        var data = await group.WriteAsync(sites.A, 0);
        await TakeGenerationAsync(group, 1);
        await TearAsync(group);
        var (b, there) = (group.At(sites.B), group.HandleAt(sites.B));
        await new GroupStateObject(b.Pool, b.NewUuid).SetAsync(
            new GroupState(WantedRole.Primary, null, Failover: new(DateTimeOffset.UtcNow, Generation(group, sites.A, 1))));
        foreach (var volume in group.Volumes[..promoted])
            await volume.PromoteByToolAsync(sites.B, force: true);
        var info = await b.GetInfoAsync(there);
        Assert.Equal((Health.Error, null), (info.Status, info.LastSyncTime));
        Assert.Contains("has not ended", info.StatusMessage, StringComparison.Ordinal);
        await group.RetryAsync(sites.B, Rpc.Promote);
        await AssertEndedAsync(group);
        await group.AssertReadsAsync(sites.B, 0, data);
    }

    [Fact]
    public async Task A_server_that_was_killed_in_the_middle_is_followed_by_another_that_finishes()
    {
        var group = await ReplicatedGroup.ProtectAsync(sites, 6);
        var data = await group.WriteAsync(sites.A, 0);
        await TakeGenerationAsync(group, 1);
        await TearAsync(group);
        var (b, there) = (group.At(sites.B), group.HandleAt(sites.B));
        await using (var server = await sites.B.StartServerAsync($"failover-{Guid.NewGuid():N}"[..20]))
        {
            var call = Rpc.CodeAsync(() => b.CallAsync(server, Rpc.Promote, there, force: true));
            await Eventually.TrueAsync(async () => (await b.StateAsync(b.NewUuid))?.Failover is not null || call.IsCompleted, "it is written down");
            server.Kill();
            await server.WaitForExitAsync();
            await call;
        }
        await group.RetryAsync(sites.B, Rpc.Promote);
        await AssertEndedAsync(group);
        await group.AssertReadsAsync(sites.B, 0, data);
        // What is waited for is that Ceph notices the killed one's end: this site's mirror daemon is not cut off for that.
        Assert.All(group.Volumes, volume => Assert.DoesNotContain($"did not let go of {volume.PoolAt(sites.B).SpecOf(volume.ImageName)}", sites.B.Server.Log, StringComparison.Ordinal));
    }

    [Fact]
    public async Task After_the_other_site_is_back_it_follows_as_a_whole()
    {
        var group = await ReplicatedGroup.ProtectAsync(sites, 2);
        await TakeGenerationAsync(group, 1);
        await TearAsync(group);
        await group.CallAsync(sites.B, Rpc.Promote, force: true);
        var data = await group.WriteAsync(sites.B, 0);
        // As the controller does for the old primary, with autoResync.
        await group.CallAsync(sites.A, Rpc.Demote, force: true);
        await TestVolume.RetryAsync(async () => await group.At(sites.A).ResyncAsync(group.HandleAt(sites.A), force: true), "site-a follows");
        await TestVolume.RetryAsync(() => group.At(sites.A).ModifyAsync(group.HandleAt(sites.A), group.Volumes), "the new images are taken in");
        await group.RetryAsync(sites.B, Rpc.Demote);
        await group.RetryAsync(sites.A, Rpc.Promote);
        await group.AssertReadsAsync(sites.A, 0, data);
    }
}
