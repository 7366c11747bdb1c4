using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests;

/// <summary>What a pool can be like: full, or without a peer.</summary>
public sealed class OwnPoolTests(TwoSites sites)
{
    [Fact]
    public async Task A_full_pool_is_named_at_once_and_the_same_calls_succeed_when_there_is_room()
    {
        await using var own = await OwnPool.CreateAsync(sites.A);
        var (plain, mirrored) = (await own.CreateVolumeAsync(), await own.CreateVolumeAsync());
        Assert.Equal(Status.DefaultSuccess, await own.StatusAsync(Rpc.Enable, mirrored));
        await own.SetQuotaAsync(1);
        await ExpectFullAsync(own, Rpc.Enable, plain);
        await ExpectFullAsync(own, Rpc.Demote, mirrored);
        await own.SetQuotaAsync(0);
        Assert.Equal(Status.DefaultSuccess, await own.StatusAsync(Rpc.Demote, mirrored));
        await own.SetQuotaAsync(1);
        await ExpectFullAsync(own, Rpc.Promote, mirrored, force: true);
        await own.SetQuotaAsync(0);
        Assert.Equal(Status.DefaultSuccess, await own.StatusAsync(Rpc.Promote, mirrored, force: true));
        Assert.Equal(Status.DefaultSuccess, await own.StatusAsync(Rpc.Enable, plain));
        await own.SetQuotaAsync(1);
        // What takes no room is done.
        Assert.Equal(Status.DefaultSuccess, await own.StatusAsync(Rpc.Disable, plain));
    }

    private static async Task ExpectFullAsync(OwnPool own, string call, Core.VolumeHandle volume, bool force = false)
    {
        var status = await own.StatusAsync(call, volume, force);
        Assert.True(status.StatusCode == StatusCode.Unavailable, $"{call}: {status}");
        Assert.Contains("the pool has reached its quota", status.Detail, StringComparison.Ordinal);
        Assert.Contains(volume.ToString(), status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_primary_whose_pool_has_no_peer_is_an_error_at_once()
    {
        await using var own = await OwnPool.CreateAsync(sites.A);
        var volume = await own.CreateVolumeAsync();
        Assert.Equal(Status.DefaultSuccess, await own.StatusAsync(Rpc.Enable, volume));
        var info = await sites.A.Replication.GetVolumeReplicationInfoAsync(
            new() { ReplicationSource = RpcArguments.Volume(volume.ToString()), Secrets = { sites.A.Secrets } });
        Assert.Equal((Csi.Protocol.GetVolumeReplicationInfoResponse.Types.Status.Error, null), (info.Status, info.LastSyncTime));
        Assert.Contains("no peer that copies from this site", info.StatusMessage, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_pool_that_is_mirrored_as_a_whole_is_named_with_what_to_do_by_disable_too()
    {
        await using var own = await OwnPool.CreateAsync(sites.A);
        var volume = await own.CreateVolumeAsync();
        await sites.A.RbdAsync("mirror", "pool", "enable", own.Pool.Name, "pool");
        await sites.A.RbdAsync("feature", "enable", $"{own.Pool.Name}/{OwnPool.ImageName(volume)}", "exclusive-lock", "journaling");
        await using (var image = await RbdImage.OpenAsync(own.Pool, OwnPool.ImageName(volume), readOnly: true, CancellationToken.None))
            Assert.Equal(MirrorImageState.Enabled, (await image.Mirroring.GetInfoAsync(CancellationToken.None)).State);
        var status = await own.StatusAsync(Rpc.Disable, volume);
        Assert.Equal(StatusCode.Unavailable, status.StatusCode);
        Assert.Contains($"rbd mirror pool enable {own.Pool.Name} image", status.Detail, StringComparison.Ordinal);
    }
}
