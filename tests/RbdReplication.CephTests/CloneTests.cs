using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests;

/// <summary>Volumes that share data with another image: restored snapshots and cloned claims.</summary>
public sealed class CloneTests(TwoSites sites)
{
    private async Task<TestVolume> CloneAsync(string parentImage)
    {
        var uuid = Guid.NewGuid().ToString();
        await sites.A.RbdAsync("snap", "create", "--no-progress", $"{TwoSites.Pool}/{parentImage}@base");
        // As ceph-csi clones: a format that needs no protected snapshot.
        await sites.A.RbdAsync("clone", "--rbd-default-clone-format", "2", $"{TwoSites.Pool}/{parentImage}@base", $"{TwoSites.Pool}/csi-vol-{uuid}");
        return await TestVolume.AdoptAsync(sites.A, uuid);
    }

    private Task<Status> EnableAsync(TestVolume volume, string? flatten = null, CallOptions options = default) => Rpc.StatusAsync(
        sites.A.Replication, Rpc.Enable,
        new()
        {
            Source = volume.Source,
            Secrets = sites.A.Secrets,
            Parameters = flatten is null ? new Dictionary<string, string>() : new() { ["flattenMode"] = flatten },
        },
        options);

    [Theory]
    [InlineData(null)]
    [InlineData("never")]
    public async Task A_clone_of_an_image_that_is_not_replicated_is_refused_with_what_to_do(string? flatten)
    {
        var parent = await TestVolume.CreateAsync(sites.A);
        var clone = await CloneAsync(parent.ImageName);
        var before = await VolumeState.ReadAsync(sites.A, clone);
        var status = await EnableAsync(clone, flatten);
        // A retry succeeds when the parent is enabled: FAILED_PRECONDITION would leave Validated=False behind for good.
        Assert.Equal(StatusCode.Unavailable, status.StatusCode);
        Assert.Contains($"clone of {TwoSites.Pool}/{parent.ImageName}, which is not mirrored", status.Detail, StringComparison.Ordinal);
        Assert.Contains("flattenMode", status.Detail, StringComparison.Ordinal);
        Assert.Equal(before, await VolumeState.ReadAsync(sites.A, clone));
    }

    [Fact]
    public async Task A_clone_of_an_image_in_the_trash_is_refused_with_what_to_do()
    {
        var parent = await TestVolume.CreateAsync(sites.A);
        var clone = await CloneAsync(parent.ImageName);
        await sites.A.RbdAsync("trash", "mv", $"{TwoSites.Pool}/{parent.ImageName}");
        var before = await VolumeState.ReadAsync(sites.A, clone);
        var status = await EnableAsync(clone);
        Assert.Equal(StatusCode.Unavailable, status.StatusCode);
        Assert.Contains("is in the trash", status.Detail, StringComparison.Ordinal);
        Assert.Contains("flattenMode", status.Detail, StringComparison.Ordinal);
        Assert.Equal(before, await VolumeState.ReadAsync(sites.A, clone));
    }

    [Fact]
    public async Task A_clone_of_a_replicated_image_is_replicated_with_its_parent()
    {
        var parent = await TestVolume.CreateAsync(sites.A);
        var clone = await CloneAsync(parent.ImageName);
        await parent.EnableAsync(sites.A);
        Assert.Equal(StatusCode.OK, (await EnableAsync(clone)).StatusCode);
        await clone.AwaitCopyAsync(sites.B);
    }

    [Fact]
    public async Task A_parent_is_not_disabled_before_its_replicated_clones_and_keeps_its_schedule_until_then()
    {
        var parent = await TestVolume.CreateAsync(sites.A);
        var clone = await CloneAsync(parent.ImageName);
        await parent.EnableAsync(sites.A);
        await parent.PromoteAsync(sites.A, interval: "1h");
        await clone.EnableAsync(sites.A);
        foreach (var force in (bool[])[false, true])
        {
            var refusal = await TestVolume.FailureOfAsync(() => parent.DisableAsync(sites.A, force));
            Assert.Equal(StatusCode.FailedPrecondition, refusal.StatusCode);
            Assert.Contains($"mirrored clones need it at the peer: {TwoSites.Pool}/{clone.ImageName};", refusal.Detail, StringComparison.Ordinal);
            Assert.Equal(MirrorImageState.Enabled, (await parent.InfoAsync(sites.A)).State);
            Assert.Equal("1h from midnight", await VolumeState.ScheduleAsync(sites.A, parent));
        }
        await clone.DisableAsync(sites.A);
        // One that is there and not mirrored is no reason.
        await parent.DisableAsync(sites.A);
        Assert.Equal(MirrorImageState.Disabled, (await parent.InfoAsync(sites.A)).State);
        Assert.Null(await VolumeState.ScheduleAsync(sites.A, parent));
    }

    [Fact]
    public async Task A_clone_at_the_peer_that_is_in_the_way_of_the_copy_is_told_by_both_calls_and_without_it_the_volume_moves()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        var snapshot = $"{TwoSites.Pool}/{volume.ImageName}@base";
        await sites.A.RbdAsync("snap", "create", "--no-progress", snapshot);
        await sites.A.RbdAsync("snap", "protect", snapshot);
        await volume.ProtectAsync(sites.A, sites.B);
        // Of format 1, as old clients clone; the snapshot of one of format 2 is only put aside.
        var clone = $"{TwoSites.Pool}/clone-{Guid.NewGuid():N}";
        await sites.B.RbdAsync("clone", "--rbd-default-clone-format", "1", snapshot, clone);
        await sites.A.RbdAsync("snap", "unprotect", snapshot);
        await sites.A.RbdAsync("snap", "rm", "--no-progress", snapshot);
        // The copy of this one begins with removing at the peer what was removed here.
        await volume.TakeSnapshotAsync(sites.A);
        await volume.AwaitReportAsync(sites.B, own => own.State == MirrorStatusState.Error, "an error");

        var demote = await Eventually.GetAsync(
            async () => await TestVolume.FailureOfAsync(() => volume.DemoteAsync(sites.A)) is { StatusCode: not StatusCode.Aborted } status ? status.Detail : null,
            "the peer's error is known here");
        Assert.Contains("which is no split-brain", demote, StringComparison.Ordinal);
        Assert.Contains("a clone of one of the volume's snapshots", demote, StringComparison.Ordinal);
        var id = await volume.ImageIdAsync(sites.B);
        // ABORTED until a report is newer than the question, and not ready while the daemon tries again.
        var resync = await Eventually.GetAsync(
            async () =>
            {
                try
                {
                    Assert.False(await volume.ResyncAsync(sites.B, force: true));
                    return null;
                }
                catch (RpcException e) when (e.StatusCode == StatusCode.Unavailable)
                {
                    return e.Status.Detail;
                }
            }, "a new report of the error is known");
        Assert.Contains("a clone of one of the volume's snapshots", resync, StringComparison.Ordinal);
        Assert.Equal(id, await volume.ImageIdAsync(sites.B));

        await sites.B.RbdAsync("rm", "--no-progress", clone);
        await TestVolume.RetryAsync(() => volume.DemoteAsync(sites.A), "site-a is demoted");
        await TestVolume.RetryAsync(() => volume.PromoteAsync(sites.B), "site-b is promoted");
    }

    [Fact]
    public async Task A_clone_in_a_pool_that_is_not_mirrored_is_refused_before_it_is_flattened()
    {
        var space = "plain" + Guid.NewGuid().ToString("N")[..8];
        await sites.A.RbdAsync("namespace", "create", "--pool", TwoSites.Pool, "--namespace", space);
        await using var pool = await sites.A.Cluster.OpenPoolAsync(TwoSites.Pool, space, CancellationToken.None);
        await using var server = await OwnServer.StartAsync([new { clusterID = "plain", monitors = sites.A.Monitors, rbd = new { radosNamespace = space } }]);
        var parent = await TestVolume.CreateAsync(sites.A);
        var handle = new Core.VolumeHandle("plain", pool.Id, Guid.NewGuid().ToString());
        await sites.A.RbdAsync("snap", "create", "--no-progress", $"{TwoSites.Pool}/{parent.ImageName}@base");
        await sites.A.RbdAsync("clone", "--rbd-default-clone-format", "2", $"{TwoSites.Pool}/{parent.ImageName}@base", $"{TwoSites.Pool}/{space}/csi-vol-{handle.Uuid}");
        var status = await Rpc.StatusAsync(
            server.Replication, Rpc.Enable,
            new() { Source = RpcArguments.Volume(handle.ToString()), Secrets = sites.A.Secrets, Parameters = new Dictionary<string, string> { ["flattenMode"] = "force" } });
        Assert.Equal(StatusCode.Unavailable, status.StatusCode);
        Assert.Contains($"rbd mirror pool enable {TwoSites.Pool}/{space} image", status.Detail, StringComparison.Ordinal);
        await using var image = await RbdImage.OpenAsync(pool, "csi-vol-" + handle.Uuid, readOnly: true, CancellationToken.None);
        Assert.NotNull(await image.GetParentAsync(CancellationToken.None));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task With_force_a_clone_is_flattened_with_its_data_and_the_log_tells_how_far_it_is(bool parentInTrash)
    {
        var parent = await TestVolume.CreateAsync(sites.A);
        await parent.WriteAsync(sites.A, 4096, [7, 8, 9]);
        var clone = await CloneAsync(parent.ImageName);
        if (parentInTrash)
            await sites.A.RbdAsync("trash", "mv", $"{TwoSites.Pool}/{parent.ImageName}");
        Assert.Equal(Status.DefaultSuccess, await EnableAsync(clone, "force"));
        await using (var image = await clone.OpenAsync(sites.A))
            Assert.Null(await image.GetParentAsync(CancellationToken.None));
        Assert.Equal([7, 8, 9], await clone.ReadAsync(sites.A, 4096, 3));
        await clone.AwaitCopyAsync(sites.B);
        Assert.Equal([7, 8, 9], await clone.ReadAsync(sites.B, 4096, 3));
        await Eventually.TrueAsync(
            () => Task.FromResult(sites.A.Server.Log.Split('\n').Any(line => line.Contains(clone.ImageName, StringComparison.Ordinal) && line.Contains("100 %", StringComparison.Ordinal))),
            "the log tells that flattening is done");
    }

    [Fact]
    public async Task A_flatten_that_outlives_its_call_goes_on_and_is_found_done_by_a_retry()
    {
        var parent = "big-" + Guid.NewGuid().ToString("N");
        await sites.A.RbdAsync("create", "--size", "32G", "--image-feature", "layering", $"{TwoSites.Pool}/{parent}");
        var clone = await CloneAsync(parent);
        List<StatusCode> codes = [];
        await Eventually.TrueAsync(
            async () =>
            {
                var status = await EnableAsync(clone, "force", new CallOptions(deadline: DateTime.UtcNow.AddMilliseconds(400)));
                codes.Add(status.StatusCode);
                return status.StatusCode == StatusCode.OK;
            },
            "a retry finds the volume flattened");
        Assert.Equal(StatusCode.DeadlineExceeded, codes[0]);
        Assert.All(codes, code => Assert.Contains(code, (StatusCode[])[StatusCode.DeadlineExceeded, StatusCode.Aborted, StatusCode.OK]));
        Assert.Contains(StatusCode.Aborted, codes);
        // The copying was begun once, however often it was asked for.
        Assert.Single(sites.A.Server.Log.Split('\n'), line => line.Contains(clone.ImageName, StringComparison.Ordinal) && line.EndsWith(": 0 %", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_clone_of_a_mirrored_user_snapshot_can_be_made_at_the_secondary_and_keeps_it_until_it_is_removed()
    {
        var volume = await TestVolume.CreateAsync(sites.A, features: ImageFeatures.Layering | ImageFeatures.ExclusiveLock);
        await volume.ProtectAsync(sites.A, sites.B);
        var data = Guid.NewGuid().ToByteArray();
        await volume.WriteAsync(sites.A, 4096, data);
        await volume.TakePointAsync(sites.A, sites.B, "kept");
        await volume.WriteAsync(sites.A, 4096, new byte[data.Length]);
        var name = "clone-" + volume.Handle.Uuid;
        await using (var parent = await volume.OpenAsync(sites.B))
        {
            var shape = await CloneShape.OfAsync(parent, CancellationToken.None);
            Task CloneAsync(string snapshot, string to) => SnapshotClone.CreateAsync(sites.B.Pool, volume.ImageName, snapshot, to, shape, CancellationToken.None);
            await CloneAsync("kept", name);
            var again = await Assert.ThrowsAsync<CephException>(() => CloneAsync("kept", name));
            Assert.Equal(Errno.EEXIST, again.Errno);
            var absent = await Assert.ThrowsAsync<CephException>(() => CloneAsync("gone", name + "-2"));
            Assert.Equal(Errno.ENOENT, absent.Errno);
        }
        await using (var image = await volume.OpenAsync(sites.A, readOnly: false))
            await image.Snapshots.RemoveAsync("kept", CancellationToken.None);
        await volume.TakePointAsync(sites.A, sites.B, "next");
        await using (var clone = await RbdImage.OpenAsync(sites.B.Pool, name, readOnly: false, CancellationToken.None))
        {
            var read = new byte[data.Length];
            await clone.ReadAsync(4096, read, CancellationToken.None);
            Assert.Equal(data, read);
            Assert.Equal(ImageFeatures.Layering | ImageFeatures.ExclusiveLock, await clone.GetFeaturesAsync(CancellationToken.None) & (ImageFeatures.Layering | ImageFeatures.ExclusiveLock | ImageFeatures.NonPrimary | ImageFeatures.ObjectMap));
            Assert.True(await clone.GetParentAsync(CancellationToken.None) is { IsSnapshotInTrash: true, IsInTrash: false });
            Assert.Equal(MirrorImageState.Disabled, (await clone.Mirroring.GetInfoAsync(CancellationToken.None)).State);
        }
        Task<string> ListAsync() => sites.B.RbdAsync("snap", "ls", "--all", volume.PoolAt(sites.B).SpecOf(volume.ImageName));
        // 20.2 has its kind before the name.
        Assert.Matches(@"trash \((user )?kept\)", await ListAsync());
        await RbdImage.RemoveAsync(sites.B.Pool, name, CancellationToken.None);
        Assert.DoesNotContain("trash (", await ListAsync(), StringComparison.Ordinal);
    }
}
