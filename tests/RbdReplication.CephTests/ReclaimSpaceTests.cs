using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;
using RbdReplication.Csi.Protocol;

namespace RbdReplication.CephTests;

/// <summary>Giving blocks of zeros back, on images of all kinds, and what that must not touch or hold up.</summary>
public sealed class ReclaimSpaceTests(TwoSites sites)
{
    private const int ObjectBytes = 4 * 1024 * 1024;
    private const ImageFeatures Counted = ImageFeatures.Layering | ImageFeatures.ExclusiveLock | ImageFeatures.ObjectMap | ImageFeatures.FastDiff;
    private const ImageFeatures Journaled = ImageFeatures.Layering | ImageFeatures.ExclusiveLock | ImageFeatures.Journaling;

    // Without an object map librbd asks for each object: minutes of work on an image that takes no room.
    private const string ManyObjects = "4T";

    private static byte[] Written { get; } = [.. Enumerable.Range(0, 4096).Select(i => (byte)(i % 255 + 1))];

    private static async Task<ControllerReclaimSpaceResponse> ReclaimAsync(
        ServerProcess server, VolumeHandle volume, IReadOnlyDictionary<string, string> secrets, CallOptions options = default) =>
        await new ReclaimSpaceController.ReclaimSpaceControllerClient(server.Channel).ControllerReclaimSpaceAsync(
            new() { VolumeId = volume.ToString(), Secrets = { new Dictionary<string, string>(secrets) } }, options);

    private Task<ControllerReclaimSpaceResponse> ReclaimAsync(TestVolume volume) => ReclaimAsync(sites.A.Server, volume.Handle, sites.A.Secrets);

    // The first object has data in it, the other three hold only zeros.
    private async Task<TestVolume> CreateFullAsync(ImageFeatures features = ImageFeatures.Layering)
    {
        var volume = await TestVolume.CreateAsync(sites.A, features: features);
        await FillAsync(volume);
        return volume;
    }

    private async Task FillAsync(TestVolume volume)
    {
        await volume.WriteAsync(sites.A, 0, [.. Written, .. new byte[ObjectBytes - Written.Length]]);
        for (var i = 1; i < 4; i++)
            await volume.WriteAsync(sites.A, (ulong)(i * ObjectBytes), new byte[ObjectBytes]);
    }

    private async Task<int> ObjectsAsync(TestVolume volume)
    {
        var prefix = "rbd_data." + await volume.ImageIdAsync(sites.A);
        return (await sites.A.RadosAsync("-p", TwoSites.Pool, "ls")).Split('\n').Distinct().Count(name => name.StartsWith(prefix, StringComparison.Ordinal));
    }

    private async Task AssertContentAsync(TestVolume volume, Site site)
    {
        var expected = new byte[4 * ObjectBytes];
        Written.CopyTo(expected, 0);
        var read = await volume.ReadAsync(site, 0, expected.Length);
        Assert.True(expected.AsSpan().SequenceEqual(read), $"{volume.ImageName} at {site} has changed");
    }

    private async Task<VolumeHandle> CreateEndlessAsync(RadosPool pool, string features = "layering")
    {
        var volume = new VolumeHandle(sites.A.Name, pool.Id, Guid.NewGuid().ToString());
        await sites.A.RbdAsync("create", "--size", ManyObjects, "--image-feature", features, $"{pool.Name}/csi-vol-{volume.Uuid}");
        return volume;
    }

    private static Task<RbdImage> OpenAsync(RadosPool pool, VolumeHandle volume, bool readOnly = true) =>
        RbdImage.OpenAsync(pool, "csi-vol-" + volume.Uuid, readOnly, CancellationToken.None);

    // A thread for reclaiming is there from when librbd begins to work; nothing else of these servers uses one.
    private static bool IsAtWork(ServerProcess server) => Directory.GetDirectories($"/proc/{server.ProcessId}/task")
        .Any(task => File.ReadAllText(Path.Combine(task, "comm")).StartsWith("ceph-reclaim-", StringComparison.Ordinal));

    // Begins what would take minutes, and comes back when it has begun and its caller has gone.
    private async Task BeginAsync(ServerProcess server, VolumeHandle volume)
    {
        using var gone = new CancellationTokenSource();
        var call = Rpc.CodeAsync(() => ReclaimAsync(server, volume, sites.A.Secrets, new CallOptions(cancellationToken: gone.Token)));
        await Eventually.TrueAsync(() => Task.FromResult(IsAtWork(server)), "it has begun");
        await gone.CancelAsync();
        Assert.Equal(StatusCode.Cancelled, await call);
        Assert.Contains(volume.Uuid, await Scrape.GetAsync(server, "/operations"), StringComparison.Ordinal);
    }

    private static Task AwaitNobodyAsync(RadosPool pool, VolumeHandle volume) => Eventually.TrueAsync(
        async () =>
        {
            await using var image = await OpenAsync(pool, volume);
            return (await image.ListWatchersAsync(CancellationToken.None)).Count == 0;
        },
        "nobody has it open");

    [Theory]
    [InlineData(ImageFeatures.Layering)]
    [InlineData(Counted)]
    public async Task Objects_of_zeros_are_given_back_and_the_data_stays(ImageFeatures features)
    {
        var volume = await CreateFullAsync(features);
        Assert.Equal(4, await ObjectsAsync(volume));
        var answer = await ReclaimAsync(volume);
        Assert.Equal(1, await ObjectsAsync(volume));
        await AssertContentAsync(volume, sites.A);
        if (features.HasFlag(ImageFeatures.FastDiff))
        {
            Assert.Equal(4L * ObjectBytes, answer.PreUsage.UsageBytes);
            Assert.Equal(ObjectBytes, answer.PostUsage.UsageBytes);
        }
        else
        {
            Assert.Equal(new ControllerReclaimSpaceResponse(), answer);
        }
        // Again, with nothing to do.
        await ReclaimAsync(volume);
        Assert.Equal(1, await ObjectsAsync(volume));
        await using var image = await volume.OpenAsync(sites.A);
        Assert.Empty(await image.ListWatchersAsync(CancellationToken.None));
    }

    [Fact]
    public async Task A_clone_goes_on_hiding_its_parents_data_behind_its_own_zeros()
    {
        var parent = await TestVolume.CreateAsync(sites.A);
        await parent.WriteAsync(sites.A, 0, [.. Enumerable.Repeat((byte)7, 2 * ObjectBytes)]);
        await sites.A.RbdAsync("snap", "create", "--no-progress", $"{TwoSites.Pool}/{parent.ImageName}@base");
        var uuid = Guid.NewGuid().ToString();
        await sites.A.RbdAsync("clone", "--rbd-default-clone-format", "2", $"{TwoSites.Pool}/{parent.ImageName}@base", $"{TwoSites.Pool}/csi-vol-{uuid}");
        var clone = await TestVolume.AdoptAsync(sites.A, uuid);
        await FillAsync(clone);
        await ReclaimAsync(clone);
        await AssertContentAsync(clone, sites.A);
        await using var image = await clone.OpenAsync(sites.A);
        Assert.NotNull(await image.GetParentAsync(CancellationToken.None));
    }

    [Fact]
    public async Task A_primary_is_reclaimed_while_it_is_mirrored_and_moves_with_its_data()
    {
        var volume = await CreateFullAsync();
        await volume.ProtectAsync(sites.A, sites.B);
        await ReclaimAsync(volume);
        await AssertContentAsync(volume, sites.A);
        await TestVolume.RetryAsync(() => volume.DemoteAsync(sites.A), "site-a is demoted");
        await TestVolume.RetryAsync(() => volume.PromoteAsync(sites.B), "site-b is promoted");
        await AssertContentAsync(volume, sites.B);
        // Now it is secondary here: nothing is done, and that is no error. Its objects are not counted: when those go that only older snapshots
        // had, is up to the peer's mirror daemon and to the OSDs.
        await volume.AwaitCopyAsync(sites.A);
        Assert.Equal(new ControllerReclaimSpaceResponse(), await ReclaimAsync(volume));
        await AssertContentAsync(volume, sites.A);
        Assert.Contains($"Left untouched {TwoSites.Pool}/{volume.ImageName}", sites.A.Server.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_image_that_is_mirrored_by_its_journal_is_reclaimed_and_goes_on_being_replayed()
    {
        var volume = await CreateFullAsync(Journaled);
        await volume.EnableAsync(sites.A, "journal");
        await volume.PromoteAsync(sites.A);
        await AwaitAtPeerAsync(volume, 0, Written);
        // As long as the peer's daemon copies, it counts as a user.
        await Eventually.TrueAsync(async () =>
        {
            await ReclaimAsync(volume);
            return await ObjectsAsync(volume) == 1;
        }, "the zeros are given back");
        await AssertContentAsync(volume, sites.A);
        await volume.WriteAsync(sites.A, ObjectBytes, [1, 2, 3]);
        await AwaitAtPeerAsync(volume, ObjectBytes, [1, 2, 3]);
        await volume.WriteAsync(sites.A, ObjectBytes, new byte[3]);
        await AwaitAtPeerAsync(volume, ObjectBytes, new byte[3]);
        await AssertContentAsync(volume, sites.B);
    }

    private Task AwaitAtPeerAsync(TestVolume volume, ulong offset, byte[] data) => Eventually.TrueAsync(
        async () => (await volume.ReadAsync(sites.B, offset, data.Length)).AsSpan().SequenceEqual(data), "it is replayed");

    [Fact]
    public async Task An_image_that_is_in_use_or_published_to_a_node_stays_untouched()
    {
        var volume = await CreateFullAsync();
        const string Mark = ".rbd.csi.ceph.com/userID/node-1";
        // Another client: this test's own connection.
        await using (var user = await volume.OpenAsync(sites.A, readOnly: false))
        {
            Assert.Equal(new ControllerReclaimSpaceResponse(), await ReclaimAsync(volume));
            await user.SetMetadataAsync(Mark, "csi", CancellationToken.None);
        }
        Assert.Equal(new ControllerReclaimSpaceResponse(), await ReclaimAsync(volume));
        Assert.Equal(4, await ObjectsAsync(volume));
        Assert.Contains("has it open", sites.A.Server.Log, StringComparison.Ordinal);
        Assert.Contains($"a node still has the volume (image metadata {Mark})", sites.A.Server.Log, StringComparison.Ordinal);
        await sites.A.RbdAsync("image-meta", "remove", $"{TwoSites.Pool}/{volume.ImageName}", Mark);
        await ReclaimAsync(volume);
        Assert.Equal(1, await ObjectsAsync(volume));
    }

    [Theory]
    [InlineData("layering")]
    [InlineData("layering,exclusive-lock")]
    public async Task It_outlives_its_caller_is_listed_and_joined_and_a_demotion_ends_it_at_once(string features)
    {
        // Without a peer, which would copy all these objects.
        await using var own = await OwnPool.CreateAsync(sites.A);
        await using var server = await sites.A.StartServerAsync("reclaim-" + features.Length);
        var volume = await CreateEndlessAsync(own.Pool, features);
        var replication = server.Replication;
        var arguments = new RpcArguments { Source = RpcArguments.Volume(volume.ToString()), Secrets = sites.A.Secrets, Force = true };
        await Rpc.CallAsync(replication, Rpc.Enable, arguments);
        await BeginAsync(server, volume);
        var operations = await Scrape.GetAsync(server, "/operations");
        Assert.Contains("\"operation\":\"reclaim space\"", operations, StringComparison.Ordinal);
        Assert.Contains("\"givesWay\":true", operations, StringComparison.Ordinal);
        await Eventually.TrueAsync(() => Task.FromResult(server.Log.Contains("Overdue: reclaim space", StringComparison.Ordinal)), "the log tells that it goes on");
        var shown = await StatusRun.RunAsync(
            sites.A, "--cluster-id", sites.A.Name, "--pool", own.Pool.Name, "--output", "json", "--csi-addons-endpoint", "unix://" + server.SocketPath);
        Assert.Contains("\"operation\": \"reclaim space\"", shown.Output, StringComparison.Ordinal);
        shown = await StatusRun.RunAsync(sites.A, "--cluster-id", sites.A.Name, "--pool", own.Pool.Name, "--csi-addons-endpoint", "unix://" + server.SocketPath);
        Assert.Contains("overdue: reclaim space of", shown.Output + shown.Error, StringComparison.Ordinal);
        Assert.Contains("it gives way to any change of the volume", (shown.Output + shown.Error).ReplaceLineEndings(" "), StringComparison.Ordinal);
        // A change that finds nothing to do leaves it in peace, and calls for information are answered.
        await Rpc.CallAsync(replication, Rpc.Promote, arguments with { Force = false });
        await Rpc.CallAsync(replication, Rpc.GetDestination, arguments);
        // A second call waits for the first, and goes when its time is up; one with another key is told to come later.
        var joined = await TestVolume.FailureOfAsync(() => ReclaimAsync(server, volume, sites.A.Secrets, new CallOptions(deadline: DateTime.UtcNow.AddMilliseconds(500))));
        Assert.Equal(StatusCode.DeadlineExceeded, joined.StatusCode);
        var other = new Dictionary<string, string> { ["userID"] = "other", ["userKey"] = sites.A.Secrets["userKey"] };
        Assert.Equal(StatusCode.Aborted, await Rpc.CodeAsync(() => ReclaimAsync(server, volume, other)));
        var waiting = Rpc.CodeAsync(() => ReclaimAsync(server, volume, sites.A.Secrets));
        Assert.Contains(volume.Uuid, await Scrape.GetAsync(server, "/operations"), StringComparison.Ordinal);
        await Rpc.CallAsync(replication, Rpc.Demote, arguments);
        await using (var image = await OpenAsync(own.Pool, volume))
            Assert.False((await image.Mirroring.GetInfoAsync(CancellationToken.None)).IsPrimary);
        Assert.Contains(await waiting, (StatusCode[])[StatusCode.Aborted, StatusCode.OK]);
        await Eventually.TrueAsync(async () => !(await Scrape.GetAsync(server, "/operations")).Contains(volume.Uuid, StringComparison.Ordinal), "it has ended");
        Assert.Contains("reclaim space has given way to a change of the volume", server.Log, StringComparison.Ordinal);
        Assert.Equal(new ControllerReclaimSpaceResponse(), await ReclaimAsync(server, volume, sites.A.Secrets));
        await AwaitNobodyAsync(own.Pool, volume);
    }

    [Fact]
    public async Task It_ends_when_another_client_takes_the_volume_and_when_its_server_stops()
    {
        var pool = sites.A.Pool;
        var volume = await CreateEndlessAsync(pool);
        await using (var server = await sites.A.StartServerAsync("reclaim-taken"))
        {
            await BeginAsync(server, volume);
            await using var user = await OpenAsync(pool, volume, readOnly: false);
            await Eventually.TrueAsync(async () => !(await Scrape.GetAsync(server, "/operations")).Contains(volume.Uuid, StringComparison.Ordinal), "it has ended");
            await Eventually.TrueAsync(
                () => Task.FromResult(server.Log.Contains("somebody has taken the image meanwhile", StringComparison.Ordinal)), "the log tells why");
            Assert.Equal(new ControllerReclaimSpaceResponse(), await ReclaimAsync(server, volume, sites.A.Secrets));
        }
        await AwaitNobodyAsync(pool, volume);
        var stopping = await sites.A.StartServerAsync("reclaim-stop");
        await BeginAsync(stopping, volume);
        // It would take minutes; nothing of it is left behind.
        Assert.Equal(0, await stopping.TerminateAsync());
        Assert.DoesNotContain("left behind", stopping.Log, StringComparison.Ordinal);
        await stopping.DisposeAsync();
        await AwaitNobodyAsync(pool, volume);
    }

    [Fact]
    public async Task Killed_in_the_middle_it_leaves_the_data_as_it_was_and_is_begun_again()
    {
        var volume = await CreateFullAsync();
        await sites.A.RbdAsync("resize", "--size", ManyObjects, "--no-progress", $"{TwoSites.Pool}/{volume.ImageName}");
        var killed = await sites.A.StartServerAsync("reclaim-kill");
        await BeginAsync(killed, volume.Handle);
        killed.Kill();
        await killed.WaitForExitAsync();
        await killed.DisposeAsync();
        await AssertContentAsync(volume, sites.A);
        await using var server = await sites.A.StartServerAsync("reclaim-again");
        // Until its watch ends the dead server is somebody who has the image open: nothing is done, and that is no error.
        await Eventually.TrueAsync(async () =>
        {
            var call = await Rpc.CodeAsync(() => ReclaimAsync(server, volume.Handle, sites.A.Secrets, new CallOptions(deadline: DateTime.UtcNow.AddSeconds(1))));
            // Aborted: it has joined the one before, which is given up with its caller.
            Assert.Contains(call, (StatusCode[])[StatusCode.OK, StatusCode.DeadlineExceeded, StatusCode.Aborted]);
            return IsAtWork(server);
        }, "it is begun again");
        Assert.Equal(0, await server.TerminateAsync());
        await AssertContentAsync(volume, sites.A);
    }

    [Fact]
    public async Task Bad_requests_are_refused()
    {
        var client = new ReclaimSpaceController.ReclaimSpaceControllerClient(sites.A.Server.Channel);
        async Task RefusedAsync(ControllerReclaimSpaceRequest request, StatusCode code, string says)
        {
            var status = await TestVolume.FailureOfAsync(async () => await client.ControllerReclaimSpaceAsync(request));
            Assert.True(code == status.StatusCode, $"{status}");
            Assert.Contains(says, status.Detail, StringComparison.Ordinal);
        }

        var volume = await TestVolume.CreateAsync(sites.A);
        var handle = volume.Handle.ToString();
        await RefusedAsync(new() { Secrets = { sites.A.Secrets } }, StatusCode.InvalidArgument, "names no volume: volume_id is empty");
        await RefusedAsync(new() { VolumeId = "x", Secrets = { sites.A.Secrets } }, StatusCode.InvalidArgument, "not a volume handle");
        await RefusedAsync(new() { VolumeId = handle }, StatusCode.InvalidArgument, "userID");
        await RefusedAsync(new() { VolumeId = handle, Secrets = { new Dictionary<string, string> { ["userID"] = "nobody", ["userKey"] = sites.A.Secrets["userKey"] } } }, StatusCode.Unauthenticated, "client.nobody");
        await RefusedAsync(
            new() { VolumeId = (volume.Handle with { Uuid = Guid.NewGuid().ToString() }).ToString(), Secrets = { sites.A.Secrets } }, StatusCode.NotFound, "does not exist");
        var key = (await sites.A.CephAsync("auth", "get-or-create-key", "client.reader", "mon", "profile rbd-read-only", "osd", "profile rbd-read-only")).Trim();
        await RefusedAsync(
            new() { VolumeId = handle, Secrets = { new Dictionary<string, string> { ["userID"] = "reader", ["userKey"] = key } } }, StatusCode.Unauthenticated, "cannot reclaim space of image");
    }
}
