using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;

namespace RbdReplication.CephTests.PersistentVolumes;

public sealed class CsiJournalTests(TwoSites sites)
{
    private RadosPool Pool => sites.B.Pool;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_fresh_mapping_is_written_byte_for_byte_as_the_driver_reads_it(bool inTenant)
    {
        var image = await MappedImage.CreateAsync(inTenant ? sites.B.Tenant : Pool);
        var plan = Assert.IsType<ReservationPlan.Write>(await image.KeepAsync());
        Assert.True(plan.IsNew);
        await image.AssertCompleteAsync();
    }

    [Fact]
    public async Task An_existing_mapping_costs_no_write()
    {
        var image = await MappedImage.CreateAsync(Pool);
        await image.KeepAsync();
        Assert.IsType<ReservationPlan.UpToDate>(await image.PlanAsync());
    }

    [Fact]
    public async Task A_mapping_is_removed_by_its_own_name_and_by_no_other()
    {
        var image = await MappedImage.CreateAsync(Pool);
        await image.KeepAsync();
        var journal = image.Journal;
        await journal.RemoveAsync("pvc-of-somebody-else", image.Reservation.Uuid, CancellationToken.None);
        await journal.RemoveAsync(image.Reservation.RequestName, Guid.NewGuid().ToString(), CancellationToken.None);
        await image.AssertCompleteAsync();
        // Again, too.
        for (var i = 0; i < 2; i++)
            await journal.RemoveAsync(image.Reservation.RequestName, image.Reservation.Uuid, CancellationToken.None);
        Assert.Null(await image.ReadObjectAsync());
        Assert.Null(await image.ReadDirectoryEntryAsync());
    }

    [Fact]
    public async Task Without_an_image_nothing_is_written_and_with_it_the_mapping_is()
    {
        var image = new MappedImage(Pool, Guid.NewGuid().ToString("N"));
        Assert.Equal(image.Reservation.ImageName, Assert.IsType<ReservationPlan.ImageMissing>(await image.KeepAsync()).ImageName);
        Assert.Null(await image.ReadObjectAsync());
        Assert.Null(await image.ReadDirectoryEntryAsync());

        await image.CreateImageAsync();
        await image.KeepAsync();
        await image.AssertCompleteAsync();
    }

    // ceph-csi's order: empty object, directory entry, content, image id. Ours: content with image id, directory entry.
    // A replication call that comes too early makes an object that holds the image id alone.
    [Theory]
    [InlineData("object", "")]
    [InlineData("object directory", "")]
    [InlineData("directory", "")]
    [InlineData("object directory", "csi.volname csi.imagename csi.volume.owner")]
    [InlineData("object", "csi.volname csi.imagename csi.imageid csi.volume.owner")]
    [InlineData("object", "csi.imageid")]
    [InlineData("object directory", "csi.volname")]
    [InlineData("object", "csi.imagename")]
    public async Task What_a_crash_left_is_completed(string left, string keys)
    {
        var image = await MappedImage.CreateAsync(Pool);
        var content = new Dictionary<string, string>
        {
            ["csi.volname"] = image.Reservation.RequestName,
            ["csi.imagename"] = image.Reservation.ImageName,
            ["csi.imageid"] = image.ImageId,
            ["csi.volume.owner"] = "apps",
        };
        if (left.Contains("object", StringComparison.Ordinal))
            await image.PutObjectAsync([.. keys.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(key => (key, content[key]))]);
        if (left.Contains("directory", StringComparison.Ordinal))
            await image.PutDirectoryEntryAsync();

        Assert.False(Assert.IsType<ReservationPlan.Write>(await image.KeepAsync()).IsNew && left.Contains("object", StringComparison.Ordinal));
        await image.AssertCompleteAsync();
    }

    [Fact]
    public async Task A_changed_owner_is_rewritten_and_an_unknown_one_left_alone()
    {
        var image = await MappedImage.CreateAsync(Pool);
        await image.KeepAsync();
        image.Reservation = image.Reservation with { Owner = "moved" };
        await image.KeepAsync();
        Assert.Equal("moved", (await image.ReadObjectAsync())!["csi.volume.owner"]);
        image.Reservation = image.Reservation with { Owner = null };
        Assert.IsType<ReservationPlan.UpToDate>(await image.KeepAsync());
    }

    [Fact]
    public async Task An_image_that_was_created_again_gets_its_new_id_recorded()
    {
        var image = await MappedImage.CreateAsync(Pool);
        await image.KeepAsync();
        var old = image.ImageId;
        await RbdImage.RemoveAsync(Pool, image.Reservation.ImageName, CancellationToken.None);
        Assert.IsType<ReservationPlan.ImageMissing>(await image.KeepAsync());
        await image.CreateImageAsync();
        Assert.NotEqual(old, image.ImageId);
        await image.KeepAsync();
        await image.AssertCompleteAsync();
    }

    [Fact]
    public async Task An_object_of_another_volume_is_a_conflict_that_names_both_and_changes_nothing()
    {
        var image = await MappedImage.CreateAsync(Pool);
        await image.PutObjectAsync(("csi.volname", "pvc-other"), ("csi.imagename", image.Reservation.ImageName));
        var conflict = Assert.IsType<ReservationPlan.Conflict>(await image.KeepAsync());
        Assert.Contains("pvc-other", conflict.Problem, StringComparison.Ordinal);
        Assert.Contains(image.Reservation.RequestName, conflict.Problem, StringComparison.Ordinal);
        Assert.Equal("pvc-other", (await image.ReadObjectAsync())!["csi.volname"]);
        Assert.Null(await image.ReadDirectoryEntryAsync());
    }

    [Fact]
    public async Task A_directory_entry_of_a_living_volume_is_a_conflict_and_a_dead_ones_is_taken_over()
    {
        var image = await MappedImage.CreateAsync(Pool);
        var other = await MappedImage.CreateAsync(Pool);
        await image.PutDirectoryEntryAsync(other.Reservation.Uuid);
        var conflict = Assert.IsType<ReservationPlan.Conflict>(await image.KeepAsync());
        Assert.Contains(other.Reservation.Uuid, conflict.Problem, StringComparison.Ordinal);
        Assert.Equal(other.Reservation.Uuid, await image.ReadDirectoryEntryAsync());

        await RbdImage.RemoveAsync(Pool, other.Reservation.ImageName, CancellationToken.None);
        await image.KeepAsync();
        await image.AssertCompleteAsync();
    }

    [Fact]
    public async Task A_directory_entry_whose_volume_has_a_record_is_a_conflict_even_without_an_image()
    {
        var image = await MappedImage.CreateAsync(Pool);
        var other = new MappedImage(Pool, "unused");
        await other.PutObjectAsync(("csi.volname", image.Reservation.RequestName));
        await image.PutDirectoryEntryAsync(other.Reservation.Uuid);
        Assert.IsType<ReservationPlan.Conflict>(await image.KeepAsync());
    }

    [Fact]
    public async Task A_directory_entry_into_a_pool_that_is_gone_is_replaced_and_nonsense_is_a_conflict()
    {
        var image = await MappedImage.CreateAsync(Pool);
        await image.PutDirectoryEntryAsync($"00000000000003e7/{image.Reservation.Uuid}");
        await image.KeepAsync();
        await image.AssertCompleteAsync();

        await image.PutDirectoryEntryAsync("neither a uuid nor a pool");
        Assert.Contains("neither a uuid", Assert.IsType<ReservationPlan.Conflict>(await image.KeepAsync()).Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task With_a_journal_pool_of_its_own_the_directory_is_there_and_the_object_with_the_image()
    {
        await using var journalPool = await sites.B.Cluster.OpenPoolAsync("otherpool", "", CancellationToken.None);
        var image = await MappedImage.CreateAsync(Pool);
        var journal = new CsiJournal(Pool, journalPool, "apart");
        var write = Assert.IsType<ReservationPlan.Write>((await journal.PlanAsync([image.Reservation], CancellationToken.None))[0]);
        Assert.Null((await journal.ApplyAsync([(image.Reservation, write)], () => { }))[0]);

        Assert.Equal(JournalKeys.PoolText(journalPool.Id), (await image.ReadObjectAsync())!["csi.journalpool"]);
        var entries = await journalPool.ReadOmapAsync("csi.volumes.apart", [image.DirectoryKey], CancellationToken.None);
        Assert.Equal($"{Pool.Id:x16}/{image.Reservation.Uuid}", entries![image.DirectoryKey]);
        Assert.IsType<ReservationPlan.UpToDate>((await journal.PlanAsync([image.Reservation], CancellationToken.None))[0]);
    }

    [Fact]
    public async Task Encryption_is_recorded_completed_and_never_changed()
    {
        var image = await MappedImage.CreateAsync(Pool);
        image.Reservation = image.Reservation with { EncryptionKms = "vault", EncryptionType = "block" };
        // As ceph-csi's generator leaves it: with a KMS and an empty type.
        await image.PutObjectAsync(("csi.volname", image.Reservation.RequestName), ("csi.volume.encryptKMS", "vault"), ("csi.volume.encryptionType", ""));
        await image.KeepAsync();
        Assert.Equal("block", (await image.ReadObjectAsync())!["csi.volume.encryptionType"]);

        image.Reservation = image.Reservation with { EncryptionType = "file" };
        Assert.IsType<ReservationPlan.Conflict>(await image.PlanAsync());
        image.Reservation = image.Reservation with { EncryptionKms = "another", EncryptionType = "block" };
        Assert.IsType<ReservationPlan.Conflict>(await image.PlanAsync());
        image.Reservation = image.Reservation with { EncryptionKms = null, EncryptionType = null };
        Assert.IsType<ReservationPlan.Conflict>(await image.PlanAsync());
    }

    [Fact]
    public async Task In_a_batch_one_that_was_overtaken_fails_alone_and_leaves_nothing_behind()
    {
        var instance = Guid.NewGuid().ToString("N");
        List<MappedImage> images = [];
        for (var i = 0; i < 10; i++)
            images.Add(await MappedImage.CreateAsync(Pool, instance));
        var journal = images[0].Journal;
        var plans = await journal.PlanAsync([.. images.Select(image => image.Reservation)], CancellationToken.None);
        // Between plan and write, somebody takes the name of the fourth for another volume, and makes the object of the fifth.
        await images[3].PutDirectoryEntryAsync(Guid.NewGuid().ToString());
        await images[4].PutObjectAsync();

        var failures = await journal.ApplyAsync([.. images.Select((image, i) => (image.Reservation, (ReservationPlan.Write)plans[i]))], () => { });
        Assert.Equal(Errno.ECANCELED, failures[3]!.Errno);
        Assert.Equal(Errno.EEXIST, failures[4]!.Errno);
        Assert.Null(await images[3].ReadObjectAsync());
        foreach (var image in images.Where((_, i) => i is not (3 or 4)))
            await image.AssertCompleteAsync();
        await images[4].KeepAsync();
        await images[4].AssertCompleteAsync();
    }

    [Fact]
    public async Task Two_writers_of_the_same_mappings_end_in_the_same_state()
    {
        var instance = Guid.NewGuid().ToString("N");
        List<MappedImage> images = [];
        for (var i = 0; i < 10; i++)
            images.Add(await MappedImage.CreateAsync(Pool, instance));
        for (var round = 0; round < 2; round++)
        {
            await Task.WhenAll(Enumerable.Range(0, 4).Select(async _ =>
            {
                var journal = images[0].Journal;
                var plans = await journal.PlanAsync([.. images.Select(image => image.Reservation)], CancellationToken.None);
                await journal.ApplyAsync([.. images.Select((image, i) => (image.Reservation, Plan: plans[i])).Where(w => w.Plan is ReservationPlan.Write).Select(w => (w.Reservation, (ReservationPlan.Write)w.Plan))], () => { });
            }));
        }
        foreach (var image in images)
            await image.AssertCompleteAsync();
    }

    [Fact]
    public async Task A_pool_that_is_closed_between_the_writes_is_a_failure_of_each_and_no_exception()
    {
        var instance = Guid.NewGuid().ToString("N");
        List<MappedImage> images = [];
        for (var i = 0; i < 3; i++)
            images.Add(await MappedImage.CreateAsync(Pool, instance));
        var closed = await sites.B.Cluster.OpenPoolAsync(TwoSites.Pool, "", CancellationToken.None);
        var journal = new CsiJournal(Pool, closed, instance);
        var plans = await journal.PlanAsync([.. images.Select(image => image.Reservation)], CancellationToken.None);
        var writes = 0;
        var failures = await journal.ApplyAsync(
            [.. images.Select((image, i) => (image.Reservation, (ReservationPlan.Write)plans[i]))],
            () =>
            {
                // Each object is written, then the directory.
                if (Interlocked.Increment(ref writes) == images.Count + 1)
                    closed.Release();
            });
        Assert.Equal([.. images.Select(_ => Errno.ECANCELED)], failures.Select(failure => failure!.Errno));
        foreach (var image in images)
        {
            await image.KeepAsync();
            await image.AssertCompleteAsync();
        }
    }

    [Fact]
    public async Task The_way_out_of_a_conflict_can_be_gone()
    {
        // Restored under another name.
        var renamed = await MappedImage.CreateAsync(Pool);
        await renamed.KeepAsync();
        renamed.Reservation = renamed.Reservation with { RequestName = "pvc-" + Guid.NewGuid() };
        await FollowAsync(renamed, " && ");
        await renamed.AssertCompleteAsync();

        // A name that a volume of another handle has.
        var image = await MappedImage.CreateAsync(Pool);
        var other = await MappedImage.CreateAsync(Pool);
        await image.PutDirectoryEntryAsync(other.Reservation.Uuid);
        await FollowAsync(image, null);
        await image.AssertCompleteAsync();

        await image.PutDirectoryEntryAsync("neither a uuid nor a pool");
        await FollowAsync(image, null);
        await image.AssertCompleteAsync();
    }

    /// <summary>Runs the commands of a conflict's way out; before them it is one.</summary>
    private async Task FollowAsync(MappedImage image, string? separator)
    {
        var way = Assert.IsType<ReservationPlan.Conflict>(await image.KeepAsync()).WayOut;
        var commands = way[way.IndexOf("rados -p ", StringComparison.Ordinal)..];
        foreach (var command in separator is null ? [commands] : commands.Split(separator))
        {
            var words = command.Split(' ');
            Assert.Equal("rados", words[0]);
            await ProcessOutput.OfAsync("rados", ["-c", sites.B.ConfFile, .. words[1..]]);
        }
        Assert.IsType<ReservationPlan.Write>(await image.KeepAsync());
    }

    [Fact]
    public async Task An_import_that_contradicts_the_journal_says_how_to_import_instead_and_changes_nothing()
    {
        var image = await MappedImage.CreateAsync(Pool);
        var other = await MappedImage.CreateAsync(Pool, image.Directory["csi.volumes.".Length..]);
        await other.KeepAsync();
        await RefusedAsync(image, image.Reservation with { RequestName = other.Reservation.RequestName }, "choose another name with --pv-name");
        Assert.Null(await image.ReadObjectAsync());
        Assert.Equal(other.Reservation.Uuid, await other.ReadDirectoryEntryAsync());

        await image.PutObjectAsync(("csi.imagename", "csi-vol-" + other.Reservation.Uuid));
        await RefusedAsync(image, image.Reservation, "give this image a name with another uuid: rbd rename");
        Assert.Null(await image.ReadDirectoryEntryAsync());

        await image.PutObjectEntryAsync("csi.volname", "pvc-other");
        await RefusedAsync(image, image.Reservation, "import it as that one with --pv-name pvc-other");
        Assert.Null(await image.ReadDirectoryEntryAsync());
    }

    private async Task RefusedAsync(MappedImage image, Reservation reservation, string wayOut)
    {
        var cluster = new ClusterFiles(sites.B.ConfigPath, "/nonexistent", (_, _) => { }).Read().Config.Find(sites.B.Name)!;
        await using var connections = new ClusterConnections(TimeProvider.System);
        var refusal = await Assert.ThrowsAsync<ReplicationException>(() => ImageImport.RunAsync(
            connections, cluster, CephCredentials.FromSecrets(sites.B.Secrets), TwoSites.Pool, reservation with { IsImageKnown = true },
            image.Directory["csi.volumes.".Length..], CancellationToken.None));
        Assert.Equal(ReplicationError.FailedPrecondition, refusal.Error);
        Assert.StartsWith($"the CSI journal in {TwoSites.Pool}/ contradicts: ", refusal.Message, StringComparison.Ordinal);
        Assert.EndsWith("; nothing was changed; " + wayOut, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task When_no_more_may_be_written_nothing_more_is()
    {
        var instance = Guid.NewGuid().ToString("N");
        List<MappedImage> images = [];
        for (var i = 0; i < 4; i++)
            images.Add(await MappedImage.CreateAsync(Pool, instance));
        var journal = images[0].Journal;
        var plans = await journal.PlanAsync([.. images.Select(image => image.Reservation)], CancellationToken.None);
        var allowed = 2;
        await Assert.ThrowsAsync<OperationCanceledException>(() => journal.ApplyAsync(
            [.. images.Select((image, i) => (image.Reservation, (ReservationPlan.Write)plans[i]))],
            () =>
            {
                if (Interlocked.Decrement(ref allowed) < 0)
                    throw new OperationCanceledException();
            }));
        var written = 0;
        foreach (var image in images)
            written += await image.ReadObjectAsync() is null ? 0 : 1;
        Assert.Equal(2, written);

        foreach (var image in images)
        {
            await image.KeepAsync();
            await image.AssertCompleteAsync();
        }
    }
}
