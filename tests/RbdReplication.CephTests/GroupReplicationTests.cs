using System.Text.Json;
using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;
using Health = RbdReplication.Csi.Protocol.GetVolumeReplicationInfoResponse.Types.Status;

namespace RbdReplication.CephTests;

/// <summary>A volume group that is replicated as a whole, by the calls that a controller makes for it.</summary>
public sealed class GroupReplicationTests(TwoSites sites)
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_group_is_replicated_moved_there_and_back_and_given_up(bool inTenant)
    {
        var group = await ReplicatedGroup.CreateAsync(sites, 3, inTenant);
        var (a, b) = (group.At(sites.A), group.At(sites.B));
        var (here, there) = (group.HandleAt(sites.A), group.HandleAt(sites.B));
        await a.ModifyAsync(here, group.Volumes);
        foreach (var rpc in (string[])[Rpc.Enable, Rpc.Promote])
        {
            await group.CallAsync(sites.A, rpc, parameters: ("schedulingInterval", "5m"));
            await group.CallAsync(sites.A, rpc, parameters: ("schedulingInterval", "5m"));
        }
        await a.ModifyAsync(here, group.Volumes);
        var state = (await a.StateAsync(a.NewUuid))!;
        Assert.Equal((WantedRole.Primary, new ReplicationSchedule("5m", null)), (state.Role, state.Schedule));
        // The group is taken as a whole, so the manager takes none of its members by itself.
        foreach (var volume in group.Volumes)
            Assert.Null(await VolumeState.ScheduleAsync(sites.A, volume));
        await AssertStatusAsync(group, a.ClusterId);
        Assert.Equal(3, (await a.DestinationAsync(here)).Volumegroup.VolumeIds.Count);
        await group.AwaitCopiesAsync();
        var info = await Eventually.GetAsync(async () => await a.GetInfoAsync(here) is { LastSyncTime: not null } seen ? seen : null, "a sync is reported");
        Assert.Equal(Health.Healthy, info.Status);
        Assert.StartsWith("the peer has generation 1 of all", info.StatusMessage, StringComparison.Ordinal);

        // As secondary, all the while.
        await group.CallAsync(sites.B, Rpc.Demote);
        // Its mirror daemon may not have reported yet.
        await Eventually.TrueAsync(async () => !await b.ResyncAsync(there), "site-b follows");
        Assert.Equal(new GroupState(WantedRole.Secondary, null), await b.StateAsync(b.NewUuid));
        Assert.Contains("secondary at this site", await TestGroup.RefusedAsync(StatusCode.FailedPrecondition, () => b.GetInfoAsync(there)), StringComparison.Ordinal);

        var data = await group.WriteAsync(sites.A, 0);
        await group.RetryAsync(sites.A, Rpc.Demote);
        await group.AssertRoleAsync(sites.A, arePrimary: false);
        await group.CallAsync(sites.B, Rpc.Enable);
        await group.RetryAsync(sites.B, Rpc.Promote);
        await group.AssertRoleAsync(sites.B, arePrimary: true);
        await group.AssertReadsAsync(sites.B, 0, data);
        Assert.Equal(WantedRole.Primary, (await b.StateAsync(b.NewUuid))!.Role);
        Assert.Equal(WantedRole.Secondary, (await a.StateAsync(a.NewUuid))!.Role);

        // And back.
        await group.CallAsync(sites.A, Rpc.Demote);
        var more = await group.WriteAsync(sites.B, 4096);
        await group.RetryAsync(sites.B, Rpc.Demote);
        await Eventually.TrueAsync(() => a.ResyncAsync(here), "site-a is ready");
        await group.RetryAsync(sites.A, Rpc.Promote);
        await group.AssertReadsAsync(sites.A, 0, data);
        await group.AssertReadsAsync(sites.A, 4096, more);
        // Only a site that follows removes its copies when the primaries are disabled.
        foreach (var volume in group.Volumes)
            await volume.AwaitCopyAsync(sites.B);

        await group.RetryAsync(sites.A, Rpc.Disable);
        await group.CallAsync(sites.A, Rpc.Disable);
        Assert.All(await group.MirroringAsync(sites.A), state => Assert.Equal(MirrorImageState.Disabled, state));
        Assert.Null(await a.OmapAsync(GroupStateKeys.ObjectOf(a.NewUuid)));
        await a.ModifyAsync(here);
        await a.DeleteAsync(here);
        await a.AssertGoneAsync(a.NewUuid);
        // The copies go with the primaries; what is left of the group at their site can be given up as well.
        foreach (var volume in group.Volumes)
            await Eventually.TrueAsync(async () => (await ImageDirectory.ReadIdsAsync(volume.PoolAt(sites.B), [volume.ImageName], CancellationToken.None)).Count == 0, "the copy is removed");
        await group.CallAsync(sites.B, Rpc.Disable);
        await b.ModifyAsync(there);
        await b.DeleteAsync(there);
        await b.AssertGoneAsync(b.NewUuid);
    }

    // The command shows the group's schedule for its members.
    private async Task AssertStatusAsync(ReplicatedGroup group, string clusterId)
    {
        var (_, output, _) = await StatusRun.RunAsync(sites.A, "-o", "json", "--cluster-id", clusterId);
        using var status = JsonDocument.Parse(output);
        foreach (var volume in group.Volumes)
        {
            var line = status.RootElement.GetProperty("volumes").EnumerateArray().Single(line => line.GetProperty("image").GetString() == volume.ImageName);
            Assert.Equal("5m", line.GetProperty("schedules")[0].GetString());
        }
    }

    [Fact]
    public async Task A_planned_move_of_eight_volumes_loses_nothing()
    {
        var group = await ReplicatedGroup.ProtectAsync(sites, 8);
        for (ulong move = 0; move < 2; move++)
        {
            var (from, to) = move == 0 ? (sites.A, sites.B) : (sites.B, sites.A);
            var data = await group.WriteAsync(from, move * 4096);
            await group.RetryAsync(from, Rpc.Demote);
            await group.RetryAsync(to, Rpc.Promote);
            await group.AssertReadsAsync(to, move * 4096, data);
            await group.AssertRoleAsync(to, arePrimary: true);
            await group.AssertRoleAsync(from, arePrimary: false);
        }
    }

    [Fact]
    public async Task One_that_alone_has_parted_from_its_peer_is_named_and_copied_again_and_no_other_is()
    {
        var group = await ReplicatedGroup.ProtectAsync(sites, 4);
        var (a, b, here, there) = (group.At(sites.A), group.At(sites.B), group.HandleAt(sites.A), group.HandleAt(sites.B));
        await group.CallAsync(sites.B, Rpc.Demote);
        await Eventually.TrueAsync(async () => !await b.ResyncAsync(there), "site-b follows");
        var parted = group.Volumes[2];
        await parted.PromoteByToolAsync(sites.B, force: true);
        await parted.WriteAsync(sites.B, 0, [1]);
        await parted.DemoteByToolAsync(sites.B);
        var data = await group.WriteAsync(sites.A, 0);
        foreach (var volume in group.Volumes)
            await volume.TakeSnapshotAsync(sites.A);
        var info = await Eventually.GetAsync(
            async () => await a.GetInfoAsync(here) is { Status: Health.Error } seen && seen.StatusMessage.Contains("split-brain", StringComparison.Ordinal) ? seen : null,
            "a split-brain is told of");
        Assert.Contains(parted.Handle.ToString(), info.StatusMessage, StringComparison.Ordinal);
        Assert.StartsWith("1 of 4 volumes", info.StatusMessage, StringComparison.Ordinal);

        var before = await ImageIdsAsync(group, sites.B);
        Assert.Contains(parted.Handle.Uuid, await ResyncRefusedAsync(b, there, force: false, StatusCode.FailedPrecondition, "only with force"), StringComparison.Ordinal);
        Assert.Equal(before, await ImageIdsAsync(group, sites.B));
        Assert.Contains(parted.Handle.Uuid, await ResyncRefusedAsync(b, there, force: true, StatusCode.Unavailable, "a resync was started"), StringComparison.Ordinal);
        await TestVolume.RetryAsync(() => b.ResyncAsync(there, force: true), "site-b follows as a whole");
        await parted.AwaitCopyAsync(sites.B);
        var after = await ImageIdsAsync(group, sites.B);
        Assert.Equal([2], Enumerable.Range(0, 4).Where(i => before[i] != after[i]));
        await TestVolume.RetryAsync(() => b.ModifyAsync(there, group.Volumes), "the new image is taken in");
        Assert.Equal(Health.Degraded, (await Eventually.GetAsync(
            async () => await a.GetInfoAsync(here) is { Status: not Health.Error } seen ? seen : null, "it is no error any more")).Status);

        await group.RetryAsync(sites.A, Rpc.Demote);
        await Eventually.TrueAsync(() => b.ResyncAsync(there), "all of the group is ready");
        await group.RetryAsync(sites.B, Rpc.Promote);
        await group.AssertReadsAsync(sites.B, 0, data);
        Assert.Equal(after, await ImageIdsAsync(group, sites.B));
    }

    private static Task<string[]> ImageIdsAsync(ReplicatedGroup group, Site site) => Task.WhenAll(group.Volumes.Select(volume => volume.ImageIdAsync(site)));

    /// <summary>What a resync is refused with in the end, after what is waited for.</summary>
    private static async Task<string> ResyncRefusedAsync(TestGroup group, string handle, bool force, StatusCode code, string says)
    {
        var detail = "";
        await TestVolume.AwaitRefusalAsync(
            async () =>
            {
                try
                {
                    await group.ResyncAsync(handle, force);
                }
                catch (RpcException e)
                {
                    detail = e.Status.Detail;
                    throw;
                }
            }, code, says);
        return detail;
    }

    [Fact]
    public async Task A_hundred_volumes_are_enabled_promoted_told_of_and_disabled()
    {
        var group = await ReplicatedGroup.CreateAsync(sites, GroupMember.Maximum);
        await group.CallAsync(sites.A, Rpc.Enable);
        await group.CallAsync(sites.A, Rpc.Promote, parameters: ("schedulingInterval", "5m"));
        await group.AssertRoleAsync(sites.A, arePrimary: true);
        var info = await Eventually.GetAsync(
            async () => await group.At(sites.A).GetInfoAsync(group.HandleAt(sites.A)) is { LastSyncTime: not null } seen ? seen : null, "the peer has a generation");
        Assert.Contains("of all 100 volumes", info.StatusMessage, StringComparison.Ordinal);
        await group.CallAsync(sites.A, Rpc.Disable);
        Assert.All(await group.MirroringAsync(sites.A), state => Assert.Equal(MirrorImageState.Disabled, state));
    }

    [Fact]
    public async Task An_empty_group_is_all_that_is_asked_for_and_replicates_nothing()
    {
        var group = await ReplicatedGroup.CreateAsync(sites, 1);
        var (a, handle) = (group.At(sites.A), group.HandleAt(sites.A));
        await a.ModifyAsync(handle);
        foreach (var rpc in (string[])[Rpc.Enable, Rpc.Promote, Rpc.Demote])
            await group.CallAsync(sites.A, rpc);
        Assert.True(await a.ResyncAsync(handle));
        var info = await a.GetInfoAsync(handle);
        Assert.Equal((Health.Unknown, null), (info.Status, info.LastSyncTime));
        await group.CallAsync(sites.A, Rpc.Disable);
        await a.DeleteAsync(handle);
        await a.AssertGoneAsync(a.NewUuid);
    }

    [Fact]
    public async Task A_group_that_is_not_there_yet_is_not_found_with_who_makes_it()
    {
        var group = new TestGroup(sites.B);
        foreach (var rpc in Rpc.All)
            Assert.Contains("the omap generator makes it, or CreateVolumeGroup", await TestGroup.RefusedAsync(StatusCode.NotFound, () => group.CallAsync(rpc, group.HandleOf(group.NewUuid))), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_volume_that_comes_into_a_replicated_group_is_replicated_and_one_that_leaves_is_not_any_more()
    {
        var group = await ReplicatedGroup.ProtectAsync(sites, 2);
        var (a, here) = (group.At(sites.A), group.HandleAt(sites.A));
        var (b, there) = (group.At(sites.B), group.HandleAt(sites.B));
        await group.CallAsync(sites.B, Rpc.Demote);
        var (left, stays, comes) = (group.Volumes[0], group.Volumes[1], await ReplicatedGroup.NewVolumeAsync(sites));
        await a.ModifyAsync(here, left, stays, comes);
        Assert.True(await comes.InfoAsync(sites.A) is { State: MirrorImageState.Enabled, IsPrimary: true });
        // At the site of the copies nothing is decided.
        await b.ModifyAsync(there, stays);
        Assert.Equal(MirrorImageState.Enabled, (await left.InfoAsync(sites.B)).State);
        await a.ModifyAsync(here, stays, comes);
        Assert.Equal(MirrorImageState.Disabled, (await left.InfoAsync(sites.A)).State);
        await a.AssertMembersAsync(a.NewUuid, stays, comes);
        await comes.AwaitCopyAsync(sites.B);
        await b.ModifyAsync(there, stays, comes);
        Assert.False((await comes.InfoAsync(sites.B)).IsPrimary);
        // It moves with the group.
        await group.RetryAsync(sites.A, Rpc.Demote);
        await group.RetryAsync(sites.B, Rpc.Promote);
        Assert.True((await comes.InfoAsync(sites.B)).IsPrimary);
        // One that left may be replicated by itself.
        await left.EnableAsync(sites.A);
    }

    /// <summary>What a joining that was cut off leaves: in the RBD group and mirrored, and not in the journal.</summary>
    private async Task<TestVolume> JoinHalfAsync(ReplicatedGroup group)
    {
        var (a, volume) = (group.At(sites.A), await ReplicatedGroup.NewVolumeAsync(sites));
        await a.RbdGroup(a.NewUuid).AddImageAsync(volume.ImageName, CancellationToken.None);
        await sites.A.RbdAsync("mirror", "image", "enable", sites.A.Pool.SpecOf(volume.ImageName), "snapshot");
        return volume;
    }

    [Fact]
    public async Task A_volume_whose_joining_a_replicated_group_was_cut_off_is_taken_in_by_the_next_call()
    {
        var group = await ReplicatedGroup.ProtectAsync(sites, 1);
        var (a, comes) = (group.At(sites.A), await JoinHalfAsync(group));
        await a.ModifyAsync(group.HandleAt(sites.A), group.Volumes[0], comes);
        await a.AssertMembersAsync(a.NewUuid, group.Volumes[0], comes);
    }

    [Fact]
    public async Task A_volume_whose_joining_was_cut_off_and_which_is_not_wanted_any_more_is_not_left_mirrored()
    {
        var group = await ReplicatedGroup.ProtectAsync(sites, 1);
        var (a, gone) = (group.At(sites.A), await JoinHalfAsync(group));
        await a.ModifyAsync(group.HandleAt(sites.A), group.Volumes[0]);
        await a.AssertMembersAsync(a.NewUuid, group.Volumes[0]);
        Assert.Equal(MirrorImageState.Disabled, (await gone.InfoAsync(sites.A)).State);
        Assert.True(await group.Volumes[0].InfoAsync(sites.A) is { State: MirrorImageState.Enabled, IsPrimary: true });
    }
}
