using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;

namespace RbdReplication.CephTests;

/// <summary>Calls for a replicated group that were cut off anywhere, and servers that work on one at the same time.</summary>
public sealed class GroupReplicationServersTests(TwoSites sites)
{
    public static TheoryData<string> CutOff => [.. Left.Keys];

    /// <summary>What a call that was cut off has left, and what has to be true when it is made again.</summary>
    private static readonly Dictionary<string, Func<TwoSites, Task>> Left = new()
    {
        ["some are enabled"] = async sites =>
        {
            var group = await ReplicatedGroup.CreateAsync(sites, 3);
            await sites.A.RbdAsync("mirror", "image", "enable", sites.A.Pool.SpecOf(group.Volumes[1].ImageName), "snapshot");
            await group.CallAsync(sites.A, Rpc.Enable);
            await group.CallAsync(sites.A, Rpc.Promote);
            await group.AssertRoleAsync(sites.A, arePrimary: true);
        },
        ["some are demoted"] = async sites =>
        {
            var group = await ReplicatedGroup.ProtectAsync(sites, 3);
            var data = await group.WriteAsync(sites.A, 0);
            await group.Volumes[0].DemoteByToolAsync(sites.A);
            await group.RetryAsync(sites.A, Rpc.Demote);
            await group.AssertRoleAsync(sites.A, arePrimary: false);
            await group.RetryAsync(sites.B, Rpc.Promote);
            await group.AssertReadsAsync(sites.B, 0, data);
        },
        ["some are promoted"] = async sites =>
        {
            var group = await ReplicatedGroup.ProtectAsync(sites, 3);
            await group.RetryAsync(sites.A, Rpc.Demote);
            await TestVolume.RetryAsync(() => group.Volumes[2].PromoteByToolAsync(sites.B, force: false), "the mirror daemon is done with it");
            await group.RetryAsync(sites.B, Rpc.Promote);
            await group.AssertRoleAsync(sites.B, arePrimary: true);
        },
        ["some are disabled"] = async sites =>
        {
            var group = await ReplicatedGroup.ProtectAsync(sites, 3);
            await sites.A.RbdAsync("mirror", "image", "disable", sites.A.Pool.SpecOf(group.Volumes[1].ImageName));
            await group.CallAsync(sites.A, Rpc.Disable);
            Assert.All(await group.MirroringAsync(sites.A), state => Assert.Equal(MirrorImageState.Disabled, state));
            Assert.Null(await group.At(sites.A).StateAsync(group.At(sites.A).NewUuid));
        },
    };

    [Theory]
    [MemberData(nameof(CutOff))]
    public Task What_was_begun_is_finished_by_the_next_call(string left) => Left[left](sites);

    [Fact]
    public async Task A_server_that_was_killed_in_the_middle_is_followed_by_another_that_finishes()
    {
        var group = await ReplicatedGroup.CreateAsync(sites, 8);
        var (a, here) = (group.At(sites.A), group.HandleAt(sites.A));
        await using var server = await sites.A.StartServerAsync($"killed-{Guid.NewGuid():N}"[..20]);
        var call = Rpc.CodeAsync(() => a.CallAsync(server, Rpc.Enable, here));
        await Eventually.TrueAsync(async () => await a.OmapAsync("rbd-replication.volume." + a.NewUuid) is not null || call.IsCompleted, "the group is locked");
        server.Kill();
        await server.WaitForExitAsync();
        await call;
        await group.RetryAsync(sites.A, Rpc.Enable);
        await group.RetryAsync(sites.A, Rpc.Promote);
        await group.AssertRoleAsync(sites.A, arePrimary: true);
    }

    [Fact]
    public async Task Two_servers_that_are_asked_at_once_end_as_one()
    {
        await using var other = await sites.A.StartServerAsync($"both-{Guid.NewGuid():N}"[..20]);
        var group = await ReplicatedGroup.CreateAsync(sites, 4);
        var (a, here) = (group.At(sites.A), group.HandleAt(sites.A));
        Task BothAsync(string rpc) => Task.WhenAll(((ServerProcess[])[sites.A.Server, other]).Select(server =>
            TestVolume.RetryAsync(() => a.CallAsync(server, rpc, here), $"{rpc} succeeds")));
        await BothAsync(Rpc.Enable);
        await BothAsync(Rpc.Promote);
        await group.AwaitCopiesAsync();
        await group.AssertRoleAsync(sites.A, arePrimary: true);
        await BothAsync(Rpc.Demote);
        await group.AssertRoleAsync(sites.A, arePrimary: false);
        await group.RetryAsync(sites.B, Rpc.Promote);
        await group.AssertRoleAsync(sites.B, arePrimary: true);
    }

    [Fact]
    public async Task While_the_group_is_locked_no_member_is_changed_and_what_finds_nothing_to_do_needs_no_lock()
    {
        var group = await ReplicatedGroup.CreateAsync(sites, 2);
        var (a, here) = (group.At(sites.A), group.HandleAt(sites.A));
        Assert.True(VolumeHandle.TryParse(here, out var parsed, out _));
        var other = new VolumeLocks("other", TimeProvider.System);
        await using (await other.TakeAsync(a.Pool, parsed, "modify volume group", () => { }, CancellationToken.None))
        {
            Assert.Contains("modify volume group by server other", await TestGroup.RefusedAsync(StatusCode.Aborted, () => group.CallAsync(sites.A, Rpc.Enable)), StringComparison.Ordinal);
            Assert.All(await group.MirroringAsync(sites.A), state => Assert.Equal(MirrorImageState.Disabled, state));
        }
        await group.CallAsync(sites.A, Rpc.Enable);
        await using (await other.TakeAsync(a.Pool, parsed, "modify volume group", () => { }, CancellationToken.None))
        {
            await group.CallAsync(sites.A, Rpc.Enable);
            await group.CallAsync(sites.A, Rpc.Promote);
        }
    }

    [Fact]
    public async Task A_member_that_is_being_changed_keeps_the_others_as_they_are()
    {
        var group = await ReplicatedGroup.CreateAsync(sites, 3);
        await using (await new VolumeLocks("other", TimeProvider.System).TakeAsync(group.At(sites.A).Pool, group.Volumes[1].Handle, "group", () => { }, CancellationToken.None))
        {
            Assert.Contains("group by server other", await TestGroup.RefusedAsync(StatusCode.Aborted, () => group.CallAsync(sites.A, Rpc.Enable)), StringComparison.Ordinal);
            Assert.All(await group.MirroringAsync(sites.A), state => Assert.Equal(MirrorImageState.Disabled, state));
        }
        await group.CallAsync(sites.A, Rpc.Enable);
    }
}
