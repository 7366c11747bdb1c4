using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;

namespace RbdReplication.CephTests;

/// <summary>Drills of single volumes at the secondary: what they are of, and what goes on while they are there.</summary>
public sealed class DrillTests(TwoSites sites)
{
    private const ImageFeatures Features = ImageFeatures.Layering | ImageFeatures.ExclusiveLock;

    /// <summary>How many drills are killed; <c>KILL_ROUNDS</c> changes it.</summary>
    private static readonly int Kills = int.Parse(Environment.GetEnvironmentVariable("KILL_ROUNDS") ?? "4", CultureInfo.InvariantCulture);

    private static CancellationToken None => CancellationToken.None;

    private DrillCalls NewDrill(TestVolume volume) => new(sites.B, volume.PoolAt(sites.B));

    private async Task<TestVolume> ProtectAsync(bool inTenant = false)
    {
        var volume = await TestVolume.CreateAsync(sites.A, inTenant, Features);
        await volume.ProtectAsync(sites.A, sites.B);
        return volume;
    }

    private Task TakePointAsync(TestVolume volume, string name) => volume.TakePointAsync(sites.A, sites.B, new PointName(name).ToString());

    private static Task WriteAsync(TestVolume volume, Site site, byte[]? data = null) => volume.WriteAsync(site, 4096, data ?? Guid.NewGuid().ToByteArray());

    // Every snapshot, by name, namespace and the site's own id.
    private static async Task<string> SnapshotsAsync(TestVolume volume, Site site) =>
        await site.RbdAsync("snap", "ls", "--all", volume.PoolAt(site).SpecOf(volume.ImageName));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task It_is_byte_for_byte_of_its_point_whatever_is_copied_meanwhile_and_leaves_nothing_behind(bool inTenant)
    {
        var volume = await ProtectAsync(inTenant);
        await WriteAsync(volume, sites.A);
        await TakePointAsync(volume, "first");
        await WriteAsync(volume, sites.A);
        var digest = await volume.DigestAsync(sites.A);
        await TakePointAsync(volume, "second");
        await WriteAsync(volume, sites.A);
        await TakePointAsync(volume, "third");
        var drill = NewDrill(volume);
        var made = await drill.CreateAsync("--volume", volume.Handle.ToString(), "--point", "second");
        var clone = Assert.Single(DrillCalls.ImagesOf(made));
        Assert.Equal(digest, await drill.DigestAsync(clone));
        // It is written to, and the source goes on.
        await using (var image = await drill.OpenAsync(clone, readOnly: false))
            await image.WriteAsync(0, new byte[512], None);
        for (var sync = 0; sync < 10; sync++)
        {
            await WriteAsync(volume, sites.A);
            await TakePointAsync(volume, $"later-{sync}");
            await using var source = await volume.OpenAsync(sites.A, readOnly: false);
            await source.Snapshots.RemoveAsync(new PointName(sync == 0 ? "second" : $"later-{sync - 1}").ToString(), None);
        }
        // 20.2 has its kind before the name.
        Assert.Matches(@"trash \((user )?rbd-replication\.point\.second\)", await SnapshotsAsync(volume, sites.B));
        var listed = (await drill.ListedAsync())!.Value;
        Assert.True(listed.GetProperty("whole").GetBoolean());
        Assert.Contains("rbd-replication.point.second", Assert.Single(listed.GetProperty("volumes").EnumerateArray()).GetProperty("keeps").GetString(), StringComparison.Ordinal);
        Assert.Equal(await volume.DigestAsync(sites.A), await volume.DigestAsync(sites.B));

        var traces = await drill.TracesAsync(made);
        await drill.RemoveAsync();
        await drill.AssertGoneAsync(traces);
        Assert.DoesNotContain("trash", await SnapshotsAsync(volume, sites.B), StringComparison.Ordinal);
        Assert.Null(await drill.ListedAsync());
        // Asked for again, it is as good as done.
        await drill.RemoveAsync();
    }

    [Fact]
    public async Task What_is_made_is_a_volume_of_the_driver_that_is_never_replicated()
    {
        var volume = await ProtectAsync();
        await using (var image = await volume.OpenAsync(sites.A, readOnly: false))
        {
            await image.SetMetadataAsync("csi.storage.k8s.io/pv/name", "pvc-of-the-source", None);
            await image.SetMetadataAsync("rbd.csi.ceph.com/encrypted", "encrypted", None);
            await image.SetMetadataAsync("rbd.csi.ceph.com/dek", "wrapped", None);
        }
        await TakePointAsync(volume, "one");
        await TestVolume.AdoptAsync(sites.B, volume.Handle.Uuid);
        var drill = NewDrill(volume);
        Assert.Contains("does not say by which KMS", await drill.RefusedAsync("create", "--volume", volume.Handle.ToString()), StringComparison.Ordinal);
        await volume.PoolAt(sites.B).WriteAsync(
            JournalKeys.VolumeObject(volume.Handle.Uuid), new ObjectWrite().SetOmap([new(JournalKeys.EncryptionKms, "vault"), new(JournalKeys.EncryptionType, "block")]), None);

        var made = await drill.CreateOfAsync(volume);
        var one = Assert.Single(made.GetProperty("volumes").EnumerateArray());
        var (name, uuid) = (one.GetProperty("persistentVolume").GetString()!, one.GetProperty("image").GetString()![^36..]);
        Assert.Empty(made.GetProperty("keysElsewhere").EnumerateArray());
        var entry = await JournalEntry.ReadAsync(volume.PoolAt(sites.B), uuid, None);
        Assert.Equal((name, $"drill-{drill.Name}", "vault", "block"), (entry.RequestName, entry.Owner, entry.EncryptionKms, entry.EncryptionType));
        await using (var image = await drill.OpenAsync(entry.ImageName!))
        {
            var metadata = await image.ListMetadataAsync("", None);
            Assert.Equal(drill.Name, metadata[DrillMarks.Name]);
            Assert.Equal(volume.Handle.ToString(), metadata[DrillMarks.Name + ".source"]);
            Assert.Equal(("encrypted", "wrapped"), (metadata["rbd.csi.ceph.com/encrypted"], metadata["rbd.csi.ceph.com/dek"]));
            Assert.DoesNotContain("csi.storage.k8s.io/pv/name", metadata.Keys);
            Assert.Equal(entry.ImageId, image.GetId());
        }
        var manifests = made.GetProperty("manifests").GetString()!;
        foreach (var line in (string[])[$"name: \"{name}\"", $"rbd-replication/drill: \"{drill.Name}\"", "encryptionKMSID: \"vault\"", $"volumeHandle: \"{one.GetProperty("volumeHandle").GetString()}\"", $"namespace: \"drill-{drill.Name}\"", $"name: \"pvc-{volume.Handle.Uuid}\"", $"storage: \"{TestVolume.SizeBytes}\""])
            Assert.Contains(line, manifests, StringComparison.Ordinal);

        var clone = TestVolume.At(sites.B, uuid);
        var refused = await TestVolume.FailureOfAsync(() => clone.EnableAsync(sites.B));
        Assert.Equal(StatusCode.FailedPrecondition, refused.StatusCode);
        Assert.Contains($"it belongs to drill {drill.Name}", refused.Detail, StringComparison.Ordinal);
        var group = new TestGroup(sites.B);
        Assert.Contains($"it belongs to drill {drill.Name}", await TestGroup.RefusedAsync(StatusCode.FailedPrecondition, () => group.CreateAsync(clone)), StringComparison.Ordinal);
        await drill.RemoveAsync();
    }

    [Fact]
    public async Task A_pool_can_have_thousands_of_them()
    {
        var volume = await ProtectAsync(inTenant: true);
        await TakePointAsync(volume, "one");
        var pool = volume.PoolAt(sites.B);
        // An OSD tells of a thousand keys at a time.
        var others = Enumerable.Range(0, 2500).Select(i => KeyValuePair.Create($"drill.other-{i}", "")).ToList();
        await pool.WriteAsync("rbd-replication.drills", new ObjectWrite().SetOmap(others), None);
        DrillCalls drill = NewDrill(volume), second = NewDrill(volume);
        var made = await Task.WhenAll(drill.CreateOfAsync(volume), second.CreateOfAsync(volume));
        foreach (var (one, of) in new[] { (drill, made[0]), (second, made[1]) })
        {
            Assert.True((await one.ListedAsync())!.Value.GetProperty("whole").GetBoolean());
            var traces = await one.TracesAsync(of);
            await one.RemoveAsync();
            await one.AssertGoneAsync(traces);
        }
        Assert.Equal(others.Count, (await pool.ListOmapAsync("rbd-replication.drills", "drill.", None))!.Count);
        await pool.WriteAsync("rbd-replication.drills", new ObjectWrite().Remove(), None);
    }

    [Fact]
    public async Task Without_a_point_it_says_how_to_get_one_and_one_that_is_named_is_waited_for()
    {
        var volume = await ProtectAsync();
        var drill = NewDrill(volume);
        Assert.Contains($"drill point --volume {volume.Handle}", await drill.RefusedAsync("create", "--volume", volume.Handle.ToString()), StringComparison.Ordinal);
        Assert.Contains(
            "point named of image", await drill.RefusedAsync("create", "--volume", volume.Handle.ToString(), "--point", "named", "--timeout", "1s"), StringComparison.Ordinal);
        Assert.Null(await drill.ListedAsync());
        var making = drill.CreateAsync("--volume", volume.Handle.ToString(), "--point", "named", "--timeout", "5m");
        await TakePointAsync(volume, "named");
        await making;
        // A snapshot of somebody else is no point.
        await volume.TakePointAsync(sites.A, sites.B, "somebody-elses");
        var other = NewDrill(volume);
        Assert.Equal("named", Assert.Single((await other.CreateOfAsync(volume)).GetProperty("volumes").EnumerateArray()).GetProperty("point").GetString());
        await drill.RemoveAsync();
        await other.RemoveAsync();
    }

    [Fact]
    public async Task The_same_is_gone_on_with_and_another_one_of_its_name_is_refused()
    {
        TestVolume[] volumes = [await ProtectAsync(), await ProtectAsync()];
        foreach (var volume in volumes)
            await TakePointAsync(volume, "one");
        var drill = NewDrill(volumes[0]);
        string[] of = ["--volume", volumes[0].Handle.ToString(), "--volume", volumes[1].Handle.ToString()];
        // At once, and by two of them.
        var made = await Task.WhenAll(drill.CreateAsync(of), drill.CreateAsync(of));
        Assert.Equal(DrillCalls.ImagesOf(made[0]), DrillCalls.ImagesOf(made[1]));
        Assert.False(made[0].GetProperty("oneInstant").GetBoolean());
        await using (var image = await drill.OpenAsync(DrillCalls.ImagesOf(made[0])[0], readOnly: false))
            await image.WriteAsync(0, new byte[] { 1, 2, 3 }, None);
        var digest = await drill.DigestAsync(DrillCalls.ImagesOf(made[0])[0]);
        Assert.Equal(DrillCalls.ImagesOf(made[0]), DrillCalls.ImagesOf(await drill.CreateAsync([.. of, "--point", "one"])));
        Assert.Equal(digest, await drill.DigestAsync(DrillCalls.ImagesOf(made[0])[0]));
        Assert.Contains("it is of " + volumes[0].Handle, await drill.RefusedAsync("create", of[..2]), StringComparison.Ordinal);
        Assert.Contains("it is of one", await drill.RefusedAsync("create", [.. of, "--point", "other"]), StringComparison.Ordinal);
        Assert.Contains("its claims are of namespace", await drill.RefusedAsync("create", [.. of, "--namespace", "other"]), StringComparison.Ordinal);
        await Task.WhenAll(drill.RemoveAsync(), drill.RemoveAsync());
        await drill.AssertGoneAsync(DrillCalls.ImagesOf(made[0]));
    }

    [Fact]
    public async Task One_that_a_client_has_open_is_removed_by_force_alone()
    {
        var volume = await ProtectAsync();
        await TakePointAsync(volume, "one");
        var drill = NewDrill(volume);
        var made = await drill.CreateOfAsync(volume);
        var traces = await drill.TracesAsync(made);
        // A client of its own, since the whole client is cut off.
        var cluster = await RadosCluster.ConnectAsync(
            new RadosConnectionOptions { Monitors = MonitorList.Parse(sites.B.Monitors), User = "csi", Key = sites.B.Credentials.Key }, None);
        var pool = await cluster.OpenPoolAsync(TwoSites.Pool, "", None);
        var image = await RbdImage.OpenAsync(pool, Assert.Single(DrillCalls.ImagesOf(made)), readOnly: false, None);
        try
        {
            await image.WriteAsync(0, new byte[] { 1 }, None);
            var refused = await drill.RefusedAsync("remove");
            Assert.Contains($"client.{cluster.InstanceId}", refused, StringComparison.Ordinal);
            Assert.Contains("--force", refused, StringComparison.Ordinal);
            Assert.NotEmpty((await drill.ListedAsync())!.Value.GetProperty("volumes")[0].GetProperty("openAt").EnumerateArray());
            Assert.True((await drill.RunAsync("remove", drill.Name, "--force")).ExitCode == 0);
            await drill.AssertGoneAsync(traces);
        }
        finally
        {
            image.Handle.Dispose();
            pool.Release();
        }
    }

    [Fact]
    public async Task The_volume_moves_there_and_back_while_it_is_there()
    {
        var volume = await ProtectAsync();
        var data = Guid.NewGuid().ToByteArray();
        await WriteAsync(volume, sites.A, data);
        await TakePointAsync(volume, "one");
        var drill = NewDrill(volume);
        var made = await drill.CreateOfAsync(volume);
        var (clone, traces) = (Assert.Single(DrillCalls.ImagesOf(made)), await drill.TracesAsync(made));
        var digest = await drill.DigestAsync(clone);
        foreach (var to in new[] { sites.B, sites.A })
        {
            var from = sites.Other(to);
            await TestVolume.RetryAsync(() => volume.DemoteAsync(from), "it is demoted");
            await TestVolume.RetryAsync(() => volume.PromoteAsync(to), "it is promoted");
            await WriteAsync(volume, to);
            await volume.TakePointAsync(to, from, $"at-{to.Name}");
        }
        Assert.Equal(digest, await drill.DigestAsync(clone));
        Assert.Equal(await volume.DigestAsync(sites.A), await volume.DigestAsync(sites.B));
        // Where the volume is primary a drill can be made too, of what was taken there and is not copied yet.
        var here = new DrillCalls(sites.A, volume.PoolAt(sites.A));
        await sites.B.StopCopyingAsync(volume);
        await using (var image = await volume.OpenAsync(sites.A, readOnly: false))
            await image.Snapshots.CreateAsync(new PointName("here").ToString(), None);
        var local = await here.CreateOfAsync(volume);
        Assert.True(local.GetProperty("volumes")[0].GetProperty("exact").GetBoolean());
        Assert.Equal("here", local.GetProperty("volumes")[0].GetProperty("point").GetString());
        await here.RemoveAsync();
        await sites.B.GoOnCopyingAsync(volume);
        await TakePointAsync(volume, "copied");
        // With it goes the mirror snapshot before the point, which tells that the point was taken here, where librbd has not removed it at once (16.2 may, 20.2 does not).
        await volume.TakeSnapshotAsync(sites.A);
        await Eventually.TrueAsync(
            async () =>
            {
                var (code, _, error) = await here.RunAsync("create", here.Name, "--volume", volume.Handle.ToString());
                if (code == 0)
                    await here.RemoveAsync();
                return error.Contains("is primary here", StringComparison.Ordinal);
            }, "it is copied");
        await drill.RemoveAsync();
        await drill.AssertGoneAsync(traces);
    }

    [Fact]
    public async Task The_volume_is_promoted_by_force_and_copied_again_while_it_is_there()
    {
        var volume = await ProtectAsync();
        await WriteAsync(volume, sites.A);
        await TakePointAsync(volume, "one");
        var drill = NewDrill(volume);
        var made = await drill.CreateOfAsync(volume);
        var (clone, traces) = (Assert.Single(DrillCalls.ImagesOf(made)), await drill.TracesAsync(made));
        var digest = await drill.DigestAsync(clone);
        // What is copied next is newer than the point.
        await WriteAsync(volume, sites.A);
        await TakePointAsync(volume, "two");
        await TestVolume.RetryAsync(() => volume.PromoteAsync(sites.B, force: true), "site-b is promoted");
        await WriteAsync(volume, sites.B);
        // The old primary follows again, and then this site is thrown away and copied anew under the drill.
        await TestVolume.RetryAsync(() => volume.DemoteAsync(sites.B), "site-b is demoted");
        var before = await volume.ImageIdAsync(sites.B);
        await Eventually.TrueAsync(async () => await volume.ResyncAsync(sites.B, force: true) || await volume.ImageIdAsync(sites.B) != before, "site-b is copied anew");
        await volume.AwaitCopyAsync(sites.B);
        Assert.NotEqual(before, await volume.ImageIdAsync(sites.B));
        Assert.Equal(digest, await drill.DigestAsync(clone));
        var keeps = (await drill.ListedAsync())!.Value.GetProperty("volumes")[0].GetProperty("keeps").GetString();
        Assert.Contains($"in the trash by id {before}", keeps, StringComparison.Ordinal);
        await drill.RemoveAsync();
        await drill.AwaitSourceGoneAsync(before);
        await drill.AssertGoneAsync([.. traces, before]);
    }

    [Fact]
    public async Task Replication_of_the_volume_ends_while_it_is_there()
    {
        var volume = await ProtectAsync();
        await TakePointAsync(volume, "one");
        var drill = NewDrill(volume);
        var made = await drill.CreateOfAsync(volume);
        var traces = await drill.TracesAsync(made);
        var source = await volume.ImageIdAsync(sites.B);
        var digest = await drill.DigestAsync(Assert.Single(DrillCalls.ImagesOf(made)));
        await TestVolume.RetryAsync(() => volume.DisableAsync(sites.A), "it is disabled");
        await Eventually.TrueAsync(async () => (await drill.ListedAsync())!.Value.GetProperty("volumes")[0].GetProperty("keeps").GetString() is { } kept && kept.Contains("in the trash by id", StringComparison.Ordinal), "the copy is gone");
        Assert.Equal(digest, await drill.DigestAsync(Assert.Single(DrillCalls.ImagesOf(made))));
        await drill.RemoveAsync();
        await drill.AwaitSourceGoneAsync(source);
        await drill.AssertGoneAsync([.. traces, source]);
    }

    [Fact]
    public async Task Killed_at_any_moment_it_is_finished_by_the_next_run()
    {
        var seed = int.Parse(Environment.GetEnvironmentVariable("DRILL_SEED") ?? $"{Random.Shared.Next(1, 1_000_000)}", CultureInfo.InvariantCulture);
        TestContext.Current.TestOutputHelper!.WriteLine($"DRILL_SEED={seed}");
        var random = new Random(seed);
        var volumes = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => ProtectAsync()));
        await Task.WhenAll(volumes.Select(async volume =>
        {
            await WriteAsync(volume, sites.A);
            await TakePointAsync(volume, "one");
        }));
        var digests = await Task.WhenAll(volumes.Select(volume => volume.DigestAsync(sites.A)));
        string[] of = [.. volumes.SelectMany(volume => new[] { "--volume", volume.Handle.ToString() })];
        // How long they take where nobody kills them.
        var whole = NewDrill(volumes[0]);
        var clock = Stopwatch.StartNew();
        await whole.CreateAsync(of);
        var creation = clock.Elapsed;
        clock.Restart();
        await whole.RemoveAsync();
        var removal = clock.Elapsed;
        for (var round = 0; round < Kills; round++)
        {
            var drill = NewDrill(volumes[0]);
            await KillAsync(drill, random.NextDouble() * creation, "create", [drill.Name, .. of]);
            string[] traces;
            // What was begun is finished, or taken back.
            if (round % 2 == 0)
            {
                var made = await drill.CreateAsync([.. of, "--timeout", "5m"]);
                Assert.Equal(digests, await Task.WhenAll(DrillCalls.ImagesOf(made).Select(drill.DigestAsync)));
                traces = await drill.TracesAsync(made);
                await KillAsync(drill, random.NextDouble() * removal, "remove", [drill.Name]);
            }
            else
            {
                traces = await drill.ListedAsync() is { } begun ? [.. DrillCalls.ImagesOf(begun).Select(image => image[^36..])] : [];
            }
            await drill.RemoveAsync();
            await drill.AssertGoneAsync(traces);
        }
        Assert.All(await Task.WhenAll(volumes.Select(volume => SnapshotsAsync(volume, sites.B))), listing => Assert.DoesNotContain("trash", listing, StringComparison.Ordinal));
    }

    private static async Task KillAsync(DrillCalls drill, TimeSpan after, string command, string[] options)
    {
        using var process = drill.Start(command, options);
        await Task.Delay(after);
        if (!process.HasExited)
            process.Kill();
        await process.WaitForExitAsync(None);
        TestContext.Current.TestOutputHelper!.WriteLine($"{command} killed after {after.TotalMilliseconds:0} ms");
    }
}
