using System.Text.Json.Nodes;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;
using RbdReplication.Tests.Kubernetes;

namespace RbdReplication.CephTests.PersistentVolumes;

/// <summary>Volume groups of the other site, whose journal the omap generator writes here.</summary>
public sealed class GroupGeneratorTests(TwoSites sites) : IAsyncLifetime
{
    private GeneratorRig _rig = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _rig = await GeneratorRig.StartAsync(sites.B);
        _rig.Api.HasGroupKind = true;
    }

    public async ValueTask DisposeAsync() => await _rig.DisposeAsync();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_group_of_the_other_site_is_found_here_with_its_entries_byte_for_byte_and_goes_on(bool isDrivers)
    {
        var (group, handle, volumes) = await MadeAtAAsync(isDrivers);
        var there = (await group.ObjectAsync(handle[^VolumeHandle.UuidLength..]))!;
        _rig.Api.Groups.Put(GroupObject.Json(group.Name, handle, TestGroup.Ids(volumes)));
        await GeneratorRig.ReadyAsync(_rig.Start());

        var here = (await sites.B.Pool.ListOmapAsync(GroupKeys.GroupObject(handle[^VolumeHandle.UuidLength..]), "", Token))!;
        Assert.Equal(WithoutTime(there), WithoutTime(here));
        var client = new Csi.Protocol.Groups.Controller.ControllerClient(sites.B.Server.Channel);
        var own = new VolumeHandle(sites.B.Name, sites.B.Pool.Id, handle[^VolumeHandle.UuidLength..]).ToString();
        foreach (var id in (string[])[handle, own])
        {
            var found = (await client.ControllerGetVolumeGroupAsync(new() { VolumeGroupId = id, Secrets = { sites.B.Secrets } })).VolumeGroup;
            Assert.Equal(id, found.VolumeGroupId);
            Assert.Equal(TestGroup.Ids(volumes).Order(StringComparer.Ordinal), found.Volumes.Select(volume => volume.VolumeId).Order(StringComparer.Ordinal));
        }

        // As the controller does each time that it looks at the group.
        await client.ModifyVolumeGroupMembershipAsync(new() { VolumeGroupId = handle, VolumeIds = { TestGroup.Ids(volumes) }, Secrets = { sites.B.Secrets } });
        var images = await GroupDirectory.ReadImagesAsync(sites.B.Pool, there["csi.groupname"], Token);
        Assert.Equal(volumes.Length, images!.Count);
        Assert.Empty(_rig.Api.Events);
    }

    [Fact]
    public async Task A_group_in_a_rados_namespace_gets_its_entries_there_and_its_prefix()
    {
        var group = new MappedGroup(_rig.Private, _rig.InstanceId, GeneratorRig.PrivateCluster, await PutImagesAsync(2));
        var json = group.Json();
        json["spec"]!["volumeGroupAttributes"]!["volumeNamePrefix"] = "gold-";
        _rig.Api.Groups.Put(json);
        await GeneratorRig.ReadyAsync(_rig.Start());
        await group.AssertCompleteAsync("gold-");
    }

    [Fact]
    public async Task A_group_waits_for_all_its_images_and_is_there_when_the_last_has_come()
    {
        var (here, later) = (await WithImageAsync(), _rig.NewImage());
        var group = Group(here, later);
        _rig.Api.Groups.Put(group.Json());
        await GeneratorRig.ReadyAsync(_rig.Start());
        await EventAsync(group, "ImageNotFound", later.Reservation.ImageName);
        await group.AssertAbsentAsync();

        await later.CreateImageAsync();
        await EventAsync(group, "Mapped", "the group can be found");
        await group.AssertCompleteAsync();
    }

    [Fact]
    public async Task A_group_whose_volumes_have_another_prefix_is_there_once_they_are_mapped()
    {
        var image = _rig.NewImage();
        image.Reservation = image.Reservation with { ImagePrefix = "gold-" };
        await image.CreateImageAsync();
        var group = Group(image);
        _rig.Api.Groups.Put(group.Json());
        await GeneratorRig.ReadyAsync(_rig.Start());
        await EventAsync(group, "ImageNotFound", "csi-vol-" + image.Reservation.Uuid);

        var pv = _rig.Pv(image);
        pv["spec"]!["csi"]!["volumeAttributes"]!["volumeNamePrefix"] = "gold-";
        _rig.Api.Volumes.Put(pv);
        await EventAsync(group, "Mapped", "");
        await group.AssertCompleteAsync();
    }

    [Fact]
    public async Task A_member_that_is_added_is_followed_until_the_group_is_in_use_here_and_none_is_taken_out()
    {
        var (first, second, third) = (await WithImageAsync(), await WithImageAsync(), await WithImageAsync());
        var group = Group(first, second, third);
        var json = group.Json();
        var handles = json["spec"]!["source"]!["volumeHandles"]!.AsArray();
        handles.RemoveAt(2);
        _rig.Api.Groups.Put(json);
        await GeneratorRig.ReadyAsync(_rig.Start());
        Assert.Equal(5, (await group.ReadObjectAsync())!.Count);

        _rig.Api.Groups.Put(group.Json());
        await Eventually.TrueAsync(async () => (await group.ReadObjectAsync())!.Count == 6, "the third member is listed");
        await group.AssertCompleteAsync();
        _rig.Api.Groups.Put(json);

        // In use, the calls say who its members are.
        await new RbdGroup(sites.B.Pool, "csi-vol-group-" + group.Uuid).CreateAsync(Token);
        await group.RemoveMemberAsync(third);
        await _rig.StopAsync();
        _rig.Api.Groups.Put(group.Json());
        await GeneratorRig.ReadyAsync(_rig.Start());
        Assert.Equal(5, (await group.ReadObjectAsync())!.Count);
        Assert.Empty(_rig.Api.Events);
    }

    [Fact]
    public async Task What_belongs_to_another_group_is_named_and_left_alone()
    {
        var image = await WithImageAsync();
        var (taken, renamed) = (Group(image), Group(image));
        var other = Guid.NewGuid().ToString();
        await taken.PutDirectoryEntryAsync(other);
        await renamed.PutObjectAsync(("csi.volname", "another"), ("csi.groupname", "csi-vol-group-" + renamed.Uuid));
        _rig.Api.Groups.Put(taken.Json());
        _rig.Api.Groups.Put(renamed.Json());
        await GeneratorRig.ReadyAsync(_rig.Start());
        await EventAsync(taken, "MappingConflict", $"the directory has \"{other}\" for {taken.Name}, and its handle names {taken.Uuid}; nothing was changed");
        await EventAsync(renamed, "MappingConflict", $"its uuid {renamed.Uuid} is that of the group of name another; nothing was changed");
        Assert.Equal(other, await taken.ReadDirectoryEntryAsync());
        Assert.Null(await taken.ReadObjectAsync());
        Assert.Null(await renamed.ReadDirectoryEntryAsync());
        Assert.Equal("another", (await renamed.ReadObjectAsync())!["csi.volname"]);
    }

    [Fact]
    public async Task What_was_cut_off_is_finished_and_what_is_complete_is_not_written_again()
    {
        var image = await WithImageAsync();
        var (begun, empty) = (Group(image), Group(image));
        await begun.PutObjectAsync([("csi.volname", begun.Name), ("csi.groupname", "csi-vol-group-" + begun.Uuid), ("csi.creationtime", "2026-07-01T10:00:00.123456789Z"), .. begun.Members.Select(member => (member, ""))]);
        await empty.PutDirectoryEntryAsync(empty.Uuid);
        _rig.Api.Groups.Put(begun.Json());
        _rig.Api.Groups.Put(empty.Json());
        await GeneratorRig.ReadyAsync(_rig.Start());
        await begun.AssertCompleteAsync();
        await empty.AssertCompleteAsync();
        var before = await empty.ReadObjectAsync();
        await _rig.StopAsync();
        await GeneratorRig.ReadyAsync(_rig.Start());
        Assert.Equal(before, await empty.ReadObjectAsync());
        Assert.Equal("2026-07-01T10:00:00.123456789Z", (await begun.ReadObjectAsync())!["csi.creationtime"]);
    }

    [Fact]
    public async Task A_group_that_a_call_is_changing_is_left_until_that_is_done()
    {
        var group = Group(await WithImageAsync());
        Assert.True(VolumeHandle.TryParse(group.Handle, out var handle, out _));
        var held = await new VolumeLocks("another server", TimeProvider.System).TakeAsync(sites.B.Pool, handle, "create volume group", () => { }, Token);
        _rig.Api.Groups.Put(group.Json());
        await GeneratorRig.ReadyAsync(_rig.Start());
        await group.AssertAbsentAsync();
        await held.DisposeAsync();
        await Eventually.TrueAsync(async () => await group.ReadDirectoryEntryAsync() == group.Uuid, "the group is there");
        await group.AssertCompleteAsync();
        Assert.Empty(_rig.Api.Events);
    }

    [Fact]
    public async Task Objects_that_are_deleted_or_have_no_group_yet_write_nothing_and_take_nothing_away()
    {
        var image = await WithImageAsync();
        var (kept, leaving, young) = (Group(image), Group(image), Group(image));
        var deleting = leaving.Json();
        deleting["metadata"]!["deletionTimestamp"] = "2026-07-01T10:00:00Z";
        var without = young.Json();
        without["spec"]!["volumeGroupReplicationHandle"] = "";
        _rig.Api.Groups.Put(kept.Json());
        _rig.Api.Groups.Put(deleting);
        _rig.Api.Groups.Put(without);
        await GeneratorRig.ReadyAsync(_rig.Start());
        await kept.AssertCompleteAsync();
        _rig.Api.Groups.Delete(kept.Name);
        // The next one shows that the deletion has been seen.
        var next = Group(image);
        _rig.Api.Groups.Put(next.Json());
        await Eventually.TrueAsync(async () => await next.ReadDirectoryEntryAsync() == next.Uuid, "the next group is there");
        await kept.AssertCompleteAsync();
        await leaving.AssertAbsentAsync();
        await young.AssertAbsentAsync();
        Assert.Empty(_rig.Api.Events);
    }

    [Fact]
    public async Task Secrets_that_are_missing_or_wrong_are_told_and_taken_up_when_they_are_corrected()
    {
        const string WrongKey = "AQBdUnlnAAAAABAAc2VjcmV0c2VjcmV0c2Vjcg==";
        var image = await WithImageAsync();
        var (wrong, missing) = (Group(image), Group(image));
        _rig.PutSecret(WrongKey);
        var later = missing.Json();
        later["metadata"]!["annotations"]!["replication.storage.openshift.io/group-replication-secret-name"] = "later";
        _rig.Api.Groups.Put(wrong.Json());
        _rig.Api.Groups.Put(later);
        await GeneratorRig.ReadyAsync(_rig.Start());
        await EventAsync(wrong, "CredentialsRejected", "");
        await EventAsync(missing, "SecretNotFound", "secret ceph/later does not exist");
        Assert.DoesNotContain(WrongKey, string.Concat(_rig.Api.Events.Select(e => e.ToJsonString())), StringComparison.Ordinal);

        _rig.PutSecret(sites.B.Secrets[CephCredentials.KeyField]);
        _rig.Api.PutSecret("ceph", "later", ("userID", "csi"), ("userKey", sites.B.Secrets[CephCredentials.KeyField]));
        await EventAsync(wrong, "Mapped", "");
        await EventAsync(missing, "Mapped", "");
        await wrong.AssertCompleteAsync();
        await missing.AssertCompleteAsync();
    }

    [Fact]
    public async Task What_an_object_does_not_say_is_taken_from_its_class_when_that_is_there()
    {
        var group = Group(await WithImageAsync());
        var json = group.Json();
        json["spec"]!.AsObject().Remove("volumeGroupAttributes");
        json["metadata"]!.AsObject().Remove("annotations");
        _rig.Api.Groups.Put(json);
        await GeneratorRig.ReadyAsync(_rig.Start());
        await EventAsync(group, "InvalidGroup", "neither its volumeGroupAttributes nor the parameters of class rbd-groups have a pool");
        _rig.Api.PutGroupClass("rbd-groups", GroupObject.Parameters());
        await EventAsync(group, "Mapped", "");
        await group.AssertCompleteAsync();
    }

    [Fact]
    public async Task A_thousand_groups_are_written_and_known_again_by_the_next_generator()
    {
        var images = await PutImagesAsync(2000);
        var groups = images.Chunk(2).Select(pair => new MappedGroup(_rig.Private, _rig.InstanceId, GeneratorRig.PrivateCluster, pair)).ToList();
        foreach (var group in groups)
            _rig.Api.Groups.Put(group.Json());
        await GeneratorRig.ReadyAsync(_rig.Start());
        foreach (var chunk in groups.Chunk(100))
            await Task.WhenAll(chunk.Select(group => group.AssertCompleteAsync()));
        await _rig.StopAsync();
        var before = await groups[0].ReadObjectAsync();
        await GeneratorRig.ReadyAsync(_rig.Start());
        Assert.Equal(before, await groups[0].ReadObjectAsync());
        Assert.Empty(_rig.Api.Events);
    }

    [Fact]
    public async Task A_process_tells_of_groups_in_metrics_and_log_and_of_volumes_of_CephFS_once()
    {
        var good = Group(await WithImageAsync());
        var missing = Group(_rig.NewImage());
        _rig.Api.Groups.Put(good.Json());
        _rig.Api.Groups.Put(missing.Json());
        foreach (var image in (MappedImage[])[_rig.NewImage(), _rig.NewImage()])
        {
            var pv = _rig.Pv(image);
            pv["spec"]!["csi"]!["volumeAttributes"] = new JsonObject { ["fsName"] = "myfs", ["clusterID"] = "site-a" };
            _rig.Api.Volumes.Put(pv);
        }
        using var process = new GeneratorProcess(_rig.Arguments());
        await process.ReadyAsync();
        await good.AssertCompleteAsync();
        await EventAsync(missing, "ImageNotFound", "");
        var metrics = await process.ScrapeAsync();
        Assert.Equal(2, metrics.Value("rbd_replication_omap_generator_groups"));
        Assert.Equal(1, metrics.Value("rbd_replication_omap_generator_groups_failing", ("reason", "ImageNotFound")));
        Assert.Equal(1, metrics.Value("rbd_replication_omap_generator_group_reconciles_total", ("outcome", "Mapped")));
        Assert.Single(process.Log, line => line.Contains(good.Name, StringComparison.Ordinal));
        Assert.Single(process.Log, line => line.Contains(missing.Name, StringComparison.Ordinal));
        Assert.Single(process.Log, line => line.Contains("is a volume of CephFS", StringComparison.Ordinal));
    }

    private MappedGroup Group(params MappedImage[] images) => new(sites.B.Pool, _rig.InstanceId, sites.A.Name, images);

    private async Task<MappedImage> WithImageAsync()
    {
        var image = _rig.NewImage();
        await image.CreateImageAsync();
        return image;
    }

    private async Task<MappedImage[]> PutImagesAsync(int count)
    {
        var images = Enumerable.Range(0, count).Select(_ => _rig.NewImage(_rig.Private)).ToArray();
        await ImageEntries.PutAsync(_rig.Private, images);
        return images;
    }

    private Task EventAsync(MappedGroup group, string reason, string part) => Eventually.TrueAsync(
        () => Task.FromResult(_rig.Api.Events.Any(e =>
            (string?)e["involvedObject"]!["name"] == group.Name && (string?)e["involvedObject"]!["kind"] == "VolumeGroupReplicationContent"
            && (string?)e["reason"] == reason && ((string)e["message"]!).Contains(part, StringComparison.Ordinal))),
        $"an event {reason} on {group.Name}");

    /// <summary>A group of two volumes at site A whose images are copied to site B.</summary>
    private async Task<(TestGroup Group, string Handle, TestVolume[] Volumes)> MadeAtAAsync(bool isDrivers)
    {
        var group = new TestGroup(sites.A);
        TestVolume[] volumes =
        [
            await TestVolume.CreateAsync(sites.A, features: ImageFeatures.Layering | ImageFeatures.ExclusiveLock),
            await TestVolume.CreateAsync(sites.A, features: ImageFeatures.Layering | ImageFeatures.ExclusiveLock),
        ];
        var handle = isDrivers ? await group.MakeAsDriverAsync(volumes) : (await group.CreateAsync(volumes)).VolumeGroupId;
        foreach (var volume in volumes)
            await sites.A.RbdAsync("mirror", "image", "enable", $"{TwoSites.Pool}/{volume.ImageName}", "snapshot");
        foreach (var volume in volumes)
            await volume.AwaitCopyAsync(sites.B);
        return (group, handle, volumes);
    }

    private static Dictionary<string, string> WithoutTime(IReadOnlyDictionary<string, string> entries) =>
        entries.Where(entry => entry.Key != "csi.creationtime").ToDictionary(StringComparer.Ordinal);
}
