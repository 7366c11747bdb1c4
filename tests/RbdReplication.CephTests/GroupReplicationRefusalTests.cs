using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;
using Health = RbdReplication.Csi.Protocol.GetVolumeReplicationInfoResponse.Types.Status;

namespace RbdReplication.CephTests;

/// <summary>Groups of which one volume cannot go along: the code is right for the others, and nothing is done to them. And calls for single members.</summary>
public sealed class GroupReplicationRefusalTests(TwoSites sites)
{
    private const string NodeMark = ".rbd.csi.ceph.com/clientAddress";

    private async Task<string> RefusedAsync(ReplicatedGroup group, Site site, StatusCode code, string rpc, TestVolume because)
    {
        var detail = await TestGroup.RefusedAsync(code, () => group.CallAsync(site, rpc));
        Assert.StartsWith($"volume group {group.HandleAt(site)}: ", detail, StringComparison.Ordinal);
        Assert.Contains(because.Handle.Uuid, detail, StringComparison.Ordinal);
        return detail;
    }

    [Fact]
    public async Task One_that_a_node_has_keeps_the_others_primary()
    {
        var group = await ReplicatedGroup.ProtectAsync(sites, 3);
        await using (var image = await group.Volumes[1].OpenAsync(sites.A, readOnly: false))
            await image.SetMetadataAsync(NodeMark, "10.0.0.1", CancellationToken.None);
        var detail = await RefusedAsync(group, sites.A, StatusCode.FailedPrecondition, Rpc.Demote, group.Volumes[1]);
        Assert.Contains("a node still has the volume", detail, StringComparison.Ordinal);
        await group.AssertRoleAsync(sites.A, arePrimary: true);
        Assert.Equal(WantedRole.Primary, (await group.At(sites.A).StateAsync(group.At(sites.A).NewUuid))!.Role);
    }

    [Fact]
    public async Task One_that_is_not_mirrored_keeps_the_others_as_they_are_and_no_promotion_is_forced_past_it()
    {
        var group = await ReplicatedGroup.ProtectAsync(sites, 3);
        var bad = group.Volumes[2];
        await sites.A.RbdAsync("mirror", "image", "disable", sites.A.Pool.SpecOf(bad.ImageName));
        Assert.Contains("replication is not enabled", await RefusedAsync(group, sites.A, StatusCode.FailedPrecondition, Rpc.Demote, bad), StringComparison.Ordinal);
        await group.CallAsync(sites.A, Rpc.Enable);
        await group.AssertRoleAsync(sites.A, arePrimary: true);
    }

    [Fact]
    public async Task One_whose_peer_is_still_primary_is_waited_for_and_none_is_promoted()
    {
        var group = await ReplicatedGroup.ProtectAsync(sites, 3);
        foreach (var volume in group.Volumes[..2])
            await volume.DemoteByToolAsync(sites.A);
        foreach (var volume in group.Volumes[..2])
            await Eventually.TrueAsync(async () => (await volume.ChainAsync(sites.B)).End == HistoryEnd.PeersDemotion, "the demotion is copied");
        // The daemon is not done with the copies for a moment, which is waited for as well: in the end it is the third alone.
        await Eventually.TrueAsync(async () => (await RefusedAnyAsync(group)).Contains(group.Volumes[2].Handle.Uuid, StringComparison.Ordinal), "the third is waited for");
        await group.AssertRoleAsync(sites.B, arePrimary: false);
        await group.RetryAsync(sites.A, Rpc.Demote);
        await group.RetryAsync(sites.B, Rpc.Promote);
        await group.AssertRoleAsync(sites.B, arePrimary: true);
    }

    private Task<string> RefusedAnyAsync(ReplicatedGroup group) => TestGroup.RefusedAsync(StatusCode.Aborted, () => group.CallAsync(sites.B, Rpc.Promote));

    [Fact]
    public async Task One_whose_image_is_gone_makes_the_info_an_error_and_is_no_reason_to_keep_a_group_enabled()
    {
        var group = await ReplicatedGroup.ProtectAsync(sites, 2);
        var (a, here, gone) = (group.At(sites.A), group.HandleAt(sites.A), group.Volumes[1]);
        await a.MoveToTrashAsync(gone, a.NewUuid);
        var info = await a.GetInfoAsync(here);
        Assert.Equal((Health.Error, null), (info.Status, info.LastSyncTime));
        Assert.Contains(gone.Handle.Uuid, info.StatusMessage, StringComparison.Ordinal);
        await RefusedAsync(group, sites.A, StatusCode.NotFound, Rpc.Enable, gone);
        await RefusedAsync(group, sites.A, StatusCode.NotFound, Rpc.Demote, gone);
        Assert.True((await group.Volumes[0].InfoAsync(sites.A)).IsPrimary);
        await group.CallAsync(sites.A, Rpc.Disable);
        Assert.Equal(MirrorImageState.Disabled, (await group.Volumes[0].InfoAsync(sites.A)).State);
    }

    [Fact]
    public async Task One_that_the_driver_took_in_without_exclusive_lock_is_not_enabled_and_nor_are_the_others()
    {
        var group = new TestGroup(sites.A);
        var (fit, unfit) = (await ReplicatedGroup.NewVolumeAsync(sites), await TestVolume.CreateAsync(sites.A));
        var handle = await group.MakeAsDriverAsync(fit, unfit);
        // FAILED_PRECONDITION would make the controller call it invalid for good, though the volume may leave the group.
        var detail = await TestGroup.RefusedAsync(StatusCode.Unavailable, () => group.CallAsync(Rpc.Enable, handle));
        Assert.Contains("no exclusive-lock", detail, StringComparison.Ordinal);
        Assert.Contains(unfit.Handle.Uuid, detail, StringComparison.Ordinal);
        Assert.Equal(MirrorImageState.Disabled, (await fit.InfoAsync(sites.A)).State);
        await group.ModifyAsync(handle, fit);
        await group.CallAsync(Rpc.Enable, handle);
        Assert.Contains("groups are mirrored in snapshot mode", await TestGroup.RefusedAsync(StatusCode.InvalidArgument, () => group.CallAsync(Rpc.Enable, handle, parameters: ("mirroringMode", "journal"))), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_call_for_a_single_member_is_refused_with_its_group_and_what_only_reads_is_not()
    {
        var group = await ReplicatedGroup.ProtectAsync(sites, 2);
        await group.CallAsync(sites.B, Rpc.Demote);
        foreach (var site in sites.Both)
        {
            foreach (var rpc in Rpc.WithParameters)
            {
                foreach (var force in (bool[])[false, true])
                {
                    var status = await Rpc.StatusAsync(site.Replication, rpc, new() { Source = group.Volumes[0].Source, Secrets = site.Secrets, Force = force });
                    Assert.True(status.StatusCode == StatusCode.Unavailable, $"{rpc}: {status}");
                    Assert.Contains($"it belongs to volume group {group.HandleAt(site)}, which is replicated as a whole", status.Detail, StringComparison.Ordinal);
                }
            }
        }
        await Rpc.CallAsync(sites.A.Replication, Rpc.GetDestination, new() { Source = group.Volumes[0].Source, Secrets = sites.A.Secrets });
        Assert.Contains(await Rpc.CodeAsync(() => group.Volumes[0].GetInfoAsync(sites.A)), (StatusCode[])[StatusCode.OK, StatusCode.NotFound]);
        await group.AssertRoleAsync(sites.A, arePrimary: true);
        // A group that is not replicated is none of replication's business.
        await group.CallAsync(sites.A, Rpc.Disable);
        await group.Volumes[0].EnableAsync(sites.A);
    }
}
