using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;
using RbdReplication.Csi.Protocol.Groups;

namespace RbdReplication.CephTests;

/// <summary>Several servers, or several calls, that change one volume group or its members at once.</summary>
public sealed class VolumeGroupServersTests(TwoSites sites)
{
    private async Task<TestVolume[]> VolumesAsync(int count)
    {
        var volumes = new TestVolume[count];
        for (var i = 0; i < count; i++)
            volumes[i] = await TestVolume.CreateAsync(sites.A, features: ImageFeatures.Layering | ImageFeatures.ExclusiveLock);
        return volumes;
    }

    [Fact]
    public async Task Two_servers_that_make_and_change_one_group_at_once_end_with_one()
    {
        await using var other = await sites.A.StartServerAsync($"group-{Guid.NewGuid():N}"[..20]);
        var group = new TestGroup(sites.A);
        var volumes = await VolumesAsync(4);
        var servers = new[] { sites.A.Server, other };
        Task Retry(Func<Task> call) => TestVolume.RetryAsync(call, "the group is free");
        await Task.WhenAll(servers.Select(server => Retry(() => group.CreateAsync(server, volumes[0], volumes[1]))));
        await group.AssertMembersAsync(group.NewUuid, volumes[0], volumes[1]);
        var handle = group.HandleOf(group.NewUuid);
        for (var i = 0; i < 5; i++)
        {
            TestVolume[][] lists = [[volumes[0], volumes[2]], [volumes[1], volumes[3]]];
            await Task.WhenAll(servers.Zip(lists, (server, list) => Retry(async () => await new Controller.ControllerClient(server.Channel).ModifyVolumeGroupMembershipAsync(
                new() { VolumeGroupId = handle, VolumeIds = { TestGroup.Ids(list) }, Secrets = { sites.A.Secrets } }))));
            var listed = (await group.GetAsync(handle)).Volumes.Select(volume => volume.VolumeId).ToHashSet();
            await group.AssertMembersAsync(group.NewUuid, lists.Single(list => TestGroup.Ids(list).All(listed.Contains)));
        }
    }

    [Fact]
    public async Task While_another_server_changes_a_group_nothing_is_changed_here()
    {
        var group = new TestGroup(sites.A);
        var volumes = await VolumesAsync(2);
        var other = new VolumeLocks("other", TimeProvider.System);
        var handle = group.HandleOf(group.NewUuid);
        Assert.True(VolumeHandle.TryParse(handle, out var parsed, out _));
        await using (await other.TakeAsync(group.Pool, parsed, "create volume group", () => { }, CancellationToken.None))
        {
            var refused = await TestGroup.RefusedAsync(StatusCode.Aborted, () => group.CreateAsync(volumes));
            Assert.Contains("create volume group by server other has been pending", refused, StringComparison.Ordinal);
            Assert.Null(await group.ListedAsync());
            Assert.Null(await group.ObjectAsync(group.NewUuid));
        }
        await group.CreateAsync(volumes);
        await using (await other.TakeAsync(group.Pool, parsed, "modify volume group", () => { }, CancellationToken.None))
        {
            // What finds nothing to do needs no lock.
            await group.ModifyAsync(handle, volumes);
            await TestGroup.RefusedAsync(StatusCode.Aborted, () => group.ModifyAsync(handle, volumes[0]));
        }
        await group.AssertMembersAsync(group.NewUuid, volumes);
    }

    [Fact]
    public async Task A_member_that_is_being_changed_is_waited_for()
    {
        var group = new TestGroup(sites.A);
        var volumes = await VolumesAsync(2);
        await using (await new VolumeLocks("other", TimeProvider.System).TakeAsync(group.Pool, volumes[1].Handle, "enable", () => { }, CancellationToken.None))
            Assert.Contains("enable by server other", await TestGroup.RefusedAsync(StatusCode.Aborted, () => group.CreateAsync(volumes)), StringComparison.Ordinal);
        await group.CreateAsync(volumes);
        await group.AssertMembersAsync(group.NewUuid, volumes);
    }
}
