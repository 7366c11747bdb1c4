using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests;

/// <summary>What each call answers to what can be wrong, and that it leaves no trace.</summary>
public sealed class ErrorTableTests(TwoSites sites)
{
    private const string WrongKey = "AQBdUnlnAAAAABAAc2VjcmV0c2VjcmV0c2Vjcg==";

    // aes256k, which Ceph 20.2 makes: type 2, 32 bytes.
    private const string KeyOfNewerKind = "AgBdUnlnAAAAACAAc2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U=";

    // Callers are promised 5 s on a machine that has time for them; this only tells a prompt answer from librados' own 300 s.
    private static CallOptions Soon => new(deadline: DateTime.UtcNow.AddSeconds(60));

    private sealed record Expected(RpcArguments Arguments, StatusCode Code, string Says);

    public static TheoryData<string> Faults =>
    [
        "an unknown cluster", "an unknown pool", "an image that does not exist", "a journal entry whose image is gone",
        "an unknown user", "a wrong key", "a key of an unknown kind", "a user without rights on the pool", "a key that is not base64",
        "no secrets", "monitors that cannot be reached", "monitors that cannot be understood",
    ];

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task Every_call_answers_at_once_and_changes_nothing_with(string fault)
    {
        await using var server = await OwnServer.StartAsync(
        [
            new { clusterID = sites.A.Name, monitors = sites.A.Monitors },
            new { clusterID = "dead", monitors = (string[])["127.0.0.1:1"] },
            new { clusterID = "garbled", monitors = (string[])["no address at all"] },
        ]);
        await Task.WhenAll(Rpc.All.Select(async call =>
        {
            var volume = await TestVolume.CreateAsync(sites.A);
            var expected = await ArrangeAsync(fault, volume);
            var before = await VolumeState.ReadAsync(sites.A, volume);
            var status = await Rpc.StatusAsync(server.Replication, call, expected.Arguments, Soon);
            Assert.True(expected.Code == status.StatusCode, $"{call}: {status}");
            Assert.Contains(expected.Says, status.Detail, StringComparison.Ordinal);
            Assert.Contains(volume.Handle.Uuid, status.Detail, StringComparison.Ordinal);
            Assert.All(expected.Arguments.Secrets.Where(secret => secret.Key == "userKey"), secret => Assert.DoesNotContain(secret.Value, status.Detail, StringComparison.Ordinal));
            Assert.Equal(before, await VolumeState.ReadAsync(sites.A, volume));
        }));
        Assert.DoesNotContain(sites.A.Secrets["userKey"], server.Log, StringComparison.Ordinal);
        Assert.DoesNotContain(WrongKey, server.Log, StringComparison.Ordinal);
    }

    private async Task<Expected> ArrangeAsync(string fault, TestVolume volume)
    {
        var good = new RpcArguments { Source = volume.Source, Secrets = sites.A.Secrets };
        RpcArguments At(string cluster, long pool) => good with { Source = RpcArguments.Volume((volume.Handle with { ClusterId = cluster, PoolId = pool }).ToString()) };
        RpcArguments As(string user, string key) => good with { Secrets = new Dictionary<string, string> { ["userID"] = user, ["userKey"] = key } };
        switch (fault)
        {
            case "an unknown cluster":
                return new(At("nowhere", 1), StatusCode.Unavailable, "add it to config.json");
            case "an unknown pool":
                return new(At(sites.A.Name, 987654), StatusCode.Unavailable, "RBDPoolIDMapping in cluster-mapping.json");
            case "an image that does not exist":
                await RbdImage.RemoveAsync(sites.A.Pool, volume.ImageName, CancellationToken.None);
                await sites.A.Pool.WriteAsync("csi.volume." + volume.Handle.Uuid, new ObjectWrite().Remove(), CancellationToken.None);
                return new(good, StatusCode.NotFound, $"image {TwoSites.Pool}/{volume.ImageName}");
            case "a journal entry whose image is gone":
                await RbdImage.RemoveAsync(sites.A.Pool, volume.ImageName, CancellationToken.None);
                return new(good, StatusCode.NotFound, "cluster site-a");
            case "an unknown user":
                return new(As("nobody", WrongKey), StatusCode.Unauthenticated, "cluster site-a as client.nobody");
            case "a wrong key":
                return new(As("csi", WrongKey), StatusCode.Unauthenticated, "cluster site-a as client.csi");
            case "a key of an unknown kind":
                return new(As("csi", KeyOfNewerKind), StatusCode.Unauthenticated, "cluster site-a as client.csi");
            case "a user without rights on the pool":
                var key = (await sites.A.CephAsync("auth", "get-or-create-key", "client.weak", "mon", "profile rbd", "osd", "profile rbd pool=otherpool")).Trim();
                return new(As("weak", key), StatusCode.Unauthenticated, "cluster site-a");
            case "a key that is not base64":
                return new(As("csi", "%%% no key %%%"), StatusCode.Unauthenticated, "not a cephx key");
            case "no secrets":
                return new(good with { Secrets = new Dictionary<string, string>() }, StatusCode.InvalidArgument, "userID");
            case "monitors that cannot be reached":
                return new(At("dead", 1), StatusCode.Unavailable, "cluster dead as client.csi");
            case "monitors that cannot be understood":
                return new(At("garbled", 1), StatusCode.Unavailable, "cluster garbled as client.csi");
            default:
                throw new ArgumentException(fault, nameof(fault));
        }
    }

    [Theory]
    [InlineData(Rpc.Disable, StatusCode.OK)]
    [InlineData(Rpc.Promote, StatusCode.FailedPrecondition)]
    [InlineData(Rpc.Demote, StatusCode.FailedPrecondition)]
    [InlineData(Rpc.Resync, StatusCode.FailedPrecondition)]
    [InlineData(Rpc.GetInfo, StatusCode.FailedPrecondition)]
    [InlineData(Rpc.GetDestination, StatusCode.FailedPrecondition)]
    public async Task A_volume_that_is_not_replicated_stays_as_it_is_with_and_without_force(string call, StatusCode code)
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        var before = await VolumeState.ReadAsync(sites.A, volume);
        foreach (var force in (bool[])[false, true])
            await ExpectAsync(call, volume, code, code == StatusCode.OK ? "" : "replication is not enabled", force);
        Assert.Equal(before, await VolumeState.ReadAsync(sites.A, volume));
    }

    [Theory]
    [InlineData(Rpc.Enable, StatusCode.OK, "")]
    [InlineData(Rpc.Promote, StatusCode.OK, "")]
    [InlineData(Rpc.Resync, StatusCode.FailedPrecondition, "primary at this site; demote it first")]
    [InlineData(Rpc.GetDestination, StatusCode.OK, "")]
    public async Task A_primary_volume_stays_as_it_is(string call, StatusCode code, string says)
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.EnableAsync(sites.A);
        var before = await VolumeState.ReadAsync(sites.A, volume);
        await ExpectAsync(call, volume, code, says);
        await ExpectAsync(call, volume, code, says, force: true);
        Assert.Equal(before, await VolumeState.ReadAsync(sites.A, volume));
    }

    [Theory]
    [InlineData(MirrorImageState.Creating)]
    [InlineData(MirrorImageState.Disabling)]
    public async Task A_state_that_passes_is_waited_for_and_hides_no_destination(MirrorImageState state)
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.EnableAsync(sites.A);
        await SetStateAsync(volume, state);
        foreach (var call in (string[])[Rpc.GetInfo, Rpc.Enable, Rpc.Promote, Rpc.Demote, Rpc.Resync])
            await ExpectAsync(call, volume, StatusCode.Aborted, state == MirrorImageState.Disabling ? "is being disabled" : "which ends by itself");
        await ExpectAsync(Rpc.GetDestination, volume, StatusCode.OK, "");
    }

    // As the mirror daemon or librbd leaves it for a moment: state is the byte before the last of the image's entry (16.2 to 20.2).
    private async Task SetStateAsync(TestVolume volume, MirrorImageState state)
    {
        await using var image = await volume.OpenAsync(sites.A);
        var file = Path.Combine(TwoSites.Folder, volume.Handle.Uuid + ".state");
        string[] rados = ["-c", sites.A.ConfFile, "-p", TwoSites.Pool];
        var key = "image_" + image.GetId();
        await ProcessOutput.OfAsync("rados", [.. rados, "getomapval", "rbd_mirroring", key, file]);
        var entry = await File.ReadAllBytesAsync(file, CancellationToken.None);
        Assert.Equal((byte)MirrorImageState.Enabled, entry[^2]);
        entry[^2] = (byte)state;
        await File.WriteAllBytesAsync(file, entry, CancellationToken.None);
        await ProcessOutput.OfAsync("rados", [.. rados, "setomapval", "rbd_mirroring", key, "--input-file", file]);
        Assert.Equal(state, (await image.Mirroring.GetInfoAsync(CancellationToken.None)).State);
    }

    [Fact]
    public async Task A_volume_is_not_switched_to_the_other_mode()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.EnableAsync(sites.A);
        var before = await VolumeState.ReadAsync(sites.A, volume);
        var failure = await TestVolume.FailureOfAsync(() => volume.EnableAsync(sites.A, "journal"));
        Assert.Equal(StatusCode.Unavailable, failure.StatusCode);
        Assert.Contains("mirrored in snapshot mode, and journal mode is asked for", failure.Detail, StringComparison.Ordinal);
        Assert.Equal(before, await VolumeState.ReadAsync(sites.A, volume));
    }

    [Fact]
    public async Task A_pool_that_is_not_mirrored_is_named_with_what_to_do()
    {
        var space = "plain" + Guid.NewGuid().ToString("N")[..8];
        await sites.A.RbdAsync("namespace", "create", "--pool", TwoSites.Pool, "--namespace", space);
        await using var pool = await sites.A.Cluster.OpenPoolAsync(TwoSites.Pool, space, CancellationToken.None);
        await using var server = await OwnServer.StartAsync([new { clusterID = "plain", monitors = sites.A.Monitors, rbd = new { radosNamespace = space } }]);
        var handle = new Core.VolumeHandle("plain", pool.Id, Guid.NewGuid().ToString());
        await RbdImage.CreateAsync(pool, "csi-vol-" + handle.Uuid, TestVolume.SizeBytes, ImageFeatures.Layering, CancellationToken.None);
        foreach (var mode in (string[])["snapshot", "journal"])
        {
            var status = await Rpc.StatusAsync(
                server.Replication, Rpc.Enable,
                new() { Source = RpcArguments.Volume(handle.ToString()), Secrets = sites.A.Secrets, Parameters = new Dictionary<string, string> { ["mirroringMode"] = mode } }, Soon);
            Assert.True(status.StatusCode == StatusCode.Unavailable, $"{status}");
            Assert.Contains($"rbd mirror pool enable {TwoSites.Pool}/{space} image", status.Detail, StringComparison.Ordinal);
        }
        Assert.Null(await pool.ReadOmapAsync("csi.volume." + handle.Uuid, ["csi.imageid"], CancellationToken.None));
    }

    [Fact]
    public async Task A_user_that_may_only_read_is_refused_by_what_changes_and_served_by_what_reads()
    {
        var key = (await sites.A.CephAsync("auth", "get-or-create-key", "client.reader", "mon", "profile rbd-read-only", "osd", "profile rbd-read-only")).Trim();
        var secrets = new Dictionary<string, string> { ["userID"] = "reader", ["userKey"] = key };
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.EnableAsync(sites.A);
        var before = await VolumeState.ReadAsync(sites.A, volume);
        foreach (var call in (string[])[Rpc.Disable, Rpc.Demote])
            Assert.Equal(StatusCode.Unauthenticated, (await Rpc.StatusAsync(sites.A.Replication, call, new() { Source = volume.Source, Secrets = secrets, Force = true }, Soon)).StatusCode);
        Assert.Equal(StatusCode.OK, (await Rpc.StatusAsync(sites.A.Replication, Rpc.GetDestination, new() { Source = volume.Source, Secrets = secrets }, Soon)).StatusCode);
        Assert.Equal(before, await VolumeState.ReadAsync(sites.A, volume));
    }

    [Fact]
    public async Task Failed_calls_leave_no_descriptor_and_no_connection_behind()
    {
        await using var server = await OwnServer.StartAsync([new { clusterID = sites.A.Name, monitors = sites.A.Monitors }]);
        var volume = await TestVolume.CreateAsync(sites.A);
        var good = new RpcArguments { Source = volume.Source, Secrets = sites.A.Secrets };
        await Rpc.CallAsync(server.Replication, Rpc.Disable, good, Soon);
        var descriptors = server.Descriptors;
        foreach (var fault in (string[])["an unknown user", "a wrong key", "an unknown pool", "an image that does not exist"])
        {
            var other = await TestVolume.CreateAsync(sites.A);
            var expected = await ArrangeAsync(fault, other);
            foreach (var call in Rpc.All)
                Assert.Equal(expected.Code, (await Rpc.StatusAsync(server.Replication, call, expected.Arguments, Soon)).StatusCode);
        }
        await Eventually.TrueAsync(() => Task.FromResult(server.Descriptors <= descriptors + 2), "the descriptors of failed connections are closed");
    }

    private async Task ExpectAsync(string call, TestVolume volume, StatusCode code, string says, bool force = false)
    {
        var status = await Rpc.StatusAsync(
            sites.A.Replication, call,
            new() { Source = volume.Source, Secrets = sites.A.Secrets, Force = force, Parameters = new Dictionary<string, string> { ["force"] = force ? "true" : "false" } }, Soon);
        Assert.True(code == status.StatusCode, $"{call}: {status}");
        if (code == StatusCode.OK)
            return;
        Assert.Contains(says, status.Detail, StringComparison.Ordinal);
        Assert.Contains(volume.Handle.ToString(), status.Detail, StringComparison.Ordinal);
    }
}
