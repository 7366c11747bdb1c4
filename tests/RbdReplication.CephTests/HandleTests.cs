using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;

namespace RbdReplication.CephTests;

/// <summary>Where a handle leads to: the other site's numbers, rados namespaces, journal pools, and destinations.</summary>
public sealed class HandleTests(TwoSites sites)
{
    private object SiteA => new { clusterID = sites.A.Name, monitors = sites.A.Monitors };

    private string Mapped(string key, string value, string keyPool, string valuePool) =>
        $$"""[{"clusterIDMapping":{"{{key}}":"{{value}}"},"RBDPoolIDMapping":[{"{{keyPool}}":"{{valuePool}}"}]}]""";

    private Task<Status> CallAsync(ServerProcess server, string call, VolumeHandle handle) =>
        Rpc.StatusAsync(server.Replication, call, new() { Source = RpcArguments.Volume(handle.ToString()), Secrets = sites.A.Secrets });

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_handle_of_the_other_site_is_followed_through_the_mapping_in_either_direction(bool foreignIsKey)
    {
        // The foreign cluster id has no entry in the configuration, and its pool has a number that does not exist here.
        var local = sites.A.Pool.Id.ToString();
        var mapping = foreignIsKey ? Mapped("east", sites.A.Name, "7777", local) : Mapped(sites.A.Name, "east", local, "7777");
        await using var server = await OwnServer.StartAsync([SiteA], mapping);
        var volume = await TestVolume.CreateAsync(sites.A);
        var foreign = volume.Handle with { ClusterId = "east", PoolId = 7777 };
        Assert.Equal(Status.DefaultSuccess, await CallAsync(server, Rpc.Enable, foreign));
        Assert.Equal(MirrorImageState.Enabled, (await volume.InfoAsync(sites.A)).State);
        Assert.Equal(Status.DefaultSuccess, await CallAsync(server, Rpc.Promote, foreign));
        Assert.Equal(Status.DefaultSuccess, await CallAsync(server, Rpc.GetDestination, foreign));
        Assert.Equal(Status.DefaultSuccess, await CallAsync(server, Rpc.Disable, volume.Handle));
        Assert.Equal(MirrorImageState.Disabled, (await volume.InfoAsync(sites.A)).State);
    }

    [Fact]
    public async Task With_the_same_cluster_id_at_both_sites_a_foreign_number_that_names_another_pool_here_is_mapped()
    {
        await using var other = await sites.A.Cluster.OpenPoolAsync("otherpool", "", CancellationToken.None);
        await using var server = await OwnServer.StartAsync(
            [SiteA], Mapped(sites.A.Name, sites.A.Name, other.Id.ToString(), sites.A.Pool.Id.ToString()));
        var volume = await TestVolume.CreateAsync(sites.A);
        Assert.Equal(Status.DefaultSuccess, await CallAsync(server, Rpc.Enable, volume.Handle with { PoolId = other.Id }));
        Assert.Equal(MirrorImageState.Enabled, (await volume.InfoAsync(sites.A)).State);
        Assert.Null(await other.ReadOmapAsync("csi.volume." + volume.Handle.Uuid, ["csi.imageid"], CancellationToken.None));
    }

    [Fact]
    public async Task A_volume_that_is_nowhere_names_every_place_that_was_tried()
    {
        await using var server = await OwnServer.StartAsync([SiteA], Mapped("east", sites.A.Name, "7777", sites.A.Pool.Id.ToString()));
        var handle = new VolumeHandle("east", 7777, Guid.NewGuid().ToString());
        var status = await CallAsync(server, Rpc.GetInfo, handle);
        Assert.Equal(StatusCode.NotFound, status.StatusCode);
        Assert.Contains("cluster east", status.Detail, StringComparison.Ordinal);
        Assert.Contains($"{TwoSites.Pool}/csi-vol-{handle.Uuid}", status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_cluster_id_that_is_mapped_without_its_pool_says_so()
    {
        await using var server = await OwnServer.StartAsync([SiteA], Mapped("east", sites.A.Name, "1", "2"));
        var status = await CallAsync(server, Rpc.GetInfo, new VolumeHandle("east", 7777, Guid.NewGuid().ToString()));
        Assert.Equal(StatusCode.Unavailable, status.StatusCode);
        Assert.Contains("maps it to site-a, but not its pool 7777", status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Volumes_of_different_rados_namespaces_are_kept_apart_even_with_the_same_uuid_and_at_the_same_time()
    {
        var inTenant = await TestVolume.CreateAsync(sites.A, inTenant: true);
        await RbdImage.CreateAsync(sites.A.Pool, inTenant.ImageName, TestVolume.SizeBytes, ImageFeatures.Layering, CancellationToken.None);
        var twin = await TestVolume.AdoptAsync(sites.A, inTenant.Handle.Uuid);
        await inTenant.EnableAsync(sites.A);
        Assert.Equal(MirrorImageState.Disabled, (await twin.InfoAsync(sites.A)).State);
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(async i => (
            InTenant: i % 2 == 0,
            (await CallAsync(sites.A.Server, Rpc.GetDestination, i % 2 == 0 ? inTenant.Handle : twin.Handle)).StatusCode)));
        Assert.All(answers, answer => Assert.Equal(answer.InTenant ? StatusCode.OK : StatusCode.FailedPrecondition, answer.StatusCode));
    }

    [Fact]
    public async Task Calls_before_the_omap_generator_leave_nothing_behind()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await sites.A.Pool.WriteAsync("csi.volume." + volume.Handle.Uuid, new ObjectWrite().Remove(), CancellationToken.None);
        foreach (var call in (string[])[Rpc.Enable, Rpc.Promote, Rpc.GetInfo, Rpc.GetDestination, Rpc.Disable])
        {
            var status = await CallAsync(sites.A.Server, call, volume.Handle);
            Assert.True(status.StatusCode is StatusCode.OK || (call == Rpc.GetInfo && status.StatusCode == StatusCode.NotFound), $"{call}: {status}");
            Assert.Null(await sites.A.Pool.ReadOmapAsync("csi.volume." + volume.Handle.Uuid, ["csi.imageid"], CancellationToken.None));
        }
    }

    private async Task<string> DestinationAsync(TestVolume volume, object? destination)
    {
        await using var server = await OwnServer.StartAsync([new { clusterID = sites.A.Name, monitors = sites.A.Monitors, replicationDestination = destination }]);
        var answer = await server.Replication.GetReplicationDestinationInfoAsync(new() { ReplicationSource = volume.Source, Secrets = { sites.A.Secrets } });
        return answer.ReplicationDestination.Volume.VolumeId;
    }

    [Fact]
    public async Task The_destination_comes_from_the_configuration()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.EnableAsync(sites.A);
        var uuid = volume.Handle.Uuid;
        var pool = volume.Handle.PoolId;
        Assert.Equal(volume.Handle.ToString(), await DestinationAsync(volume, null));
        Assert.Equal($"0001-0011-secondary-cluster-{pool:x16}-{uuid}", await DestinationAsync(volume, new { remoteClusterID = "secondary-cluster" }));
        Assert.Equal(
            $"0001-0011-secondary-cluster-{pool:x16}-{uuid}",
            await DestinationAsync(volume, new { remoteClusterID = "secondary-cluster", rbd = new { remotePoolMapping = new { elsewhere = new { poolID = "5" } } } }));
        Assert.Equal(
            $"0001-0011-secondary-cluster-0000000000000005-{uuid}",
            await DestinationAsync(volume, new { remoteClusterID = "secondary-cluster", rbd = new { remotePoolMapping = new { replicapool = new { poolID = "5" } } } }));
    }

    [Theory]
    [InlineData("", "5", "the cluster id must have")]
    [InlineData("secondary-cluster", "five", "is no pool number")]
    [InlineData("secondary-cluster", "", "is no pool number")]
    [InlineData("secondary-cluster", "-1", "is no pool number")]
    [InlineData("a-cluster-id-that-is-so-long-that-no-volume-handle-could-ever-hold-it", "5", "the cluster id must have")]
    public async Task A_destination_that_cannot_be_is_reported_and_asked_for_again(string clusterId, string poolId, string says)
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.EnableAsync(sites.A);
        var failure = await TestVolume.FailureOfAsync(() => DestinationAsync(
            volume, new { remoteClusterID = clusterId, rbd = new { remotePoolMapping = new { replicapool = new { poolID = poolId } } } }));
        Assert.Equal(StatusCode.Unavailable, failure.StatusCode);
        Assert.Contains(says, failure.Detail, StringComparison.Ordinal);
        Assert.Contains(volume.Handle.ToString(), failure.Detail, StringComparison.Ordinal);
    }
}
