using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;
using VolumeGroup = RbdReplication.Csi.Protocol.Groups.VolumeGroup;

namespace RbdReplication.CephTests;

/// <summary>Volume groups: made, changed and deleted, continued by the driver and the driver's by us, refused, and cut off anywhere.</summary>
public sealed class VolumeGroupTests(TwoSites sites)
{
    private const ImageFeatures Fit = ImageFeatures.Layering | ImageFeatures.ExclusiveLock;

    private Task<TestVolume> VolumeAsync(bool inTenant = false) => TestVolume.CreateAsync(sites.A, inTenant, Fit);

    private async Task<TestVolume[]> VolumesAsync(int count, bool inTenant = false)
    {
        var volumes = new TestVolume[count];
        for (var i = 0; i < count; i++)
            volumes[i] = await VolumeAsync(inTenant);
        return volumes;
    }

    private static string UuidOf(string handle) => handle[^VolumeHandle.UuidLength..];

    private static void AssertAnswer(string handle, VolumeGroup answer, params TestVolume[] volumes)
    {
        Assert.Equal(handle, answer.VolumeGroupId);
        Assert.Equal(TestGroup.Ids(volumes).Order(StringComparer.Ordinal), answer.Volumes.Select(volume => volume.VolumeId).Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_group_is_made_changed_and_deleted_and_every_call_can_be_repeated(bool inTenant)
    {
        var group = new TestGroup(sites.A, inTenant);
        var (a, b, c) = await VolumesAsync(3, inTenant) is [var first, var second, var third] ? (first, second, third) : default;
        var made = await group.CreateAsync(a, b);
        var (handle, uuid) = (made.VolumeGroupId, UuidOf(made.VolumeGroupId));
        Assert.Equal(group.HandleOf(uuid), handle);
        AssertAnswer(handle, made, a, b);
        // From which the omap generator of the other site learns where it is.
        Assert.Equal(group.Parameters, made.VolumeGroupContext.ToDictionary());
        await group.AssertMembersAsync(uuid, a, b);
        Assert.Equal("csi-vol-group-" + uuid, (await group.ObjectAsync(uuid))!["csi.groupname"]);

        var before = await group.ObjectAsync(uuid);
        AssertAnswer(handle, await group.CreateAsync(a, b), a, b);
        AssertAnswer(handle, await group.ModifyAsync(handle, a, b), a, b);
        AssertAnswer(handle, await group.GetAsync(handle), a, b);
        Assert.Equal(before, await group.ObjectAsync(uuid));

        AssertAnswer(handle, await group.ModifyAsync(handle, b, c), b, c);
        AssertAnswer(handle, await group.ModifyAsync(handle, b, c), b, c);
        await group.AssertMembersAsync(uuid, b, c);
        // A volume that has left can be in another one.
        var other = new TestGroup(sites.A, inTenant);
        AssertAnswer(other.HandleOf(other.NewUuid), await other.CreateAsync(a), a);

        Assert.Contains("still has 2 volumes", await TestGroup.RefusedAsync(StatusCode.FailedPrecondition, () => group.DeleteAsync(handle)), StringComparison.Ordinal);
        AssertAnswer(handle, await group.ModifyAsync(handle));
        AssertAnswer(handle, await group.ModifyAsync(handle));
        await group.AssertMembersAsync(uuid);
        await group.DeleteAsync(handle);
        await group.DeleteAsync(handle);
        await group.AssertGoneAsync(uuid);
        await TestGroup.RefusedAsync(StatusCode.NotFound, () => group.GetAsync(handle));
        await TestGroup.RefusedAsync(StatusCode.NotFound, () => group.ModifyAsync(handle, a));
        foreach (var volume in (TestVolume[])[a, b, c])
            await (await volume.OpenAsync(sites.A)).DisposeAsync();
    }

    [Fact]
    public async Task A_group_that_the_driver_made_is_continued_and_its_entries_stay_byte_for_byte()
    {
        var group = new TestGroup(sites.A);
        var volumes = await VolumesAsync(3);
        var handle = await group.MakeAsDriverAsync(volumes[0], volumes[1]);
        var uuid = UuidOf(handle);
        var before = await group.ObjectAsync(uuid);
        AssertAnswer(handle, await group.GetAsync(handle), volumes[0], volumes[1]);
        AssertAnswer(handle, await group.CreateAsync(volumes[0], volumes[1]), volumes[0], volumes[1]);
        AssertAnswer(handle, await group.ModifyAsync(handle, volumes[0], volumes[1]), volumes[0], volumes[1]);
        Assert.Equal(before, await group.ObjectAsync(uuid));
        AssertAnswer(handle, await group.ModifyAsync(handle, volumes[1], volumes[2]), volumes[1], volumes[2]);
        await group.AssertMembersAsync(uuid, volumes[1], volumes[2]);
        Assert.Equal("2026-07-01T10:00:00.123456789Z", (await group.ObjectAsync(uuid))!["csi.creationtime"]);
        await group.ModifyAsync(handle);
        await group.DeleteAsync(handle);
        await group.AssertGoneAsync(uuid);
    }

    [Fact]
    public async Task A_group_of_ours_is_continued_and_deleted_by_the_driver_and_its_name_can_be_used_again()
    {
        var group = new TestGroup(sites.A);
        var volumes = await VolumesAsync(2);
        var handle = (await group.CreateAsync(volumes[0])).VolumeGroupId;
        var uuid = UuidOf(handle);
        // As the driver adds and removes members, by the name that it finds in the object.
        var rbdGroup = new RbdGroup(group.Pool, (await group.ObjectAsync(uuid))!["csi.groupname"]);
        await rbdGroup.AddImageAsync(volumes[1].ImageName, CancellationToken.None);
        await group.WriteObjectAsync(uuid, new ObjectWrite().SetOmap(volumes[1].Handle.ToString(), ""));
        AssertAnswer(handle, await group.GetAsync(handle), volumes);
        AssertAnswer(handle, await group.ModifyAsync(handle, volumes), volumes);
        // It removes the directory's entry under a wrong name, so that stays.
        await rbdGroup.RemoveAsync(CancellationToken.None);
        await group.WriteObjectAsync(uuid, new ObjectWrite().Remove());
        await group.DeleteAsync(handle);
        Assert.Equal(uuid, await group.ListedAsync());
        AssertAnswer(handle, await group.CreateAsync(volumes), volumes);
        await group.AssertMembersAsync(uuid, volumes);
    }

    public static TheoryData<string> CutOffCreations => [.. Creations.Keys];

    /// <summary>What is left of a group of two volumes when making it was cut off, from the first step to the last: by us, and by the driver.</summary>
    private static readonly Dictionary<string, Func<TestGroup, TestVolume[], Task<string>>> Creations = new()
    {
        ["the object without its directory entry"] = (group, _) => LeaveAsync(group, async uuid =>
            await group.WriteObjectAsync(uuid, Names(group, uuid))),
        ["no RBD group"] = (group, _) => LeaveAsync(group, async uuid =>
        {
            await group.WriteObjectAsync(uuid, Names(group, uuid));
            await group.WriteDirectoryAsync(uuid);
        }),
        ["an empty RBD group"] = (group, _) => LeaveAsync(group, uuid => EmptyAsync(group, uuid)),
        ["one image in the RBD group and none in the journal"] = (group, volumes) => LeaveAsync(group, async uuid =>
        {
            await EmptyAsync(group, uuid);
            await group.RbdGroup(uuid).AddImageAsync(volumes[0].ImageName, CancellationToken.None);
        }),
        ["all images in the RBD group and none in the journal"] = (group, volumes) => LeaveAsync(group, async uuid =>
        {
            await EmptyAsync(group, uuid);
            foreach (var volume in volumes)
                await group.RbdGroup(uuid).AddImageAsync(volume.ImageName, CancellationToken.None);
        }),
        ["an image whose link was cut off"] = (group, volumes) => LeaveAsync(group, async uuid =>
        {
            await EmptyAsync(group, uuid);
            await group.RbdGroup(uuid).AddImageAsync(volumes[0].ImageName, CancellationToken.None);
            await UnlinkHalfAsync(group, uuid);
        }),
        ["the driver's object and nothing in it"] = (group, _) => DriverAsync(group, async uuid => await group.WriteObjectAsync(uuid, new ObjectWrite().Create(exclusive: true)), isListed: false),
        ["the driver's object and directory entry, and nothing in it"] = (group, _) => DriverAsync(group, async uuid => await group.WriteObjectAsync(uuid, new ObjectWrite().Create(exclusive: true))),
        ["the driver's directory entry without its object"] = (group, _) => DriverAsync(group, _ => Task.CompletedTask),
        ["the driver's group with one member"] = async (group, volumes) => UuidOf(await group.MakeAsDriverAsync(volumes[0])),
    };

    [Theory]
    [MemberData(nameof(CutOffCreations))]
    public async Task A_creation_that_was_cut_off_is_finished_by_the_next(string left)
    {
        var group = new TestGroup(sites.A);
        var volumes = await VolumesAsync(2);
        var uuid = await Creations[left](group, volumes);
        AssertAnswer(group.HandleOf(uuid), await group.CreateAsync(volumes), volumes);
        await group.AssertMembersAsync(uuid, volumes);
        await group.ModifyAsync(group.HandleOf(uuid));
        await group.DeleteAsync(group.HandleOf(uuid));
        await group.AssertGoneAsync(uuid);
    }

    private static async Task<string> LeaveAsync(TestGroup group, Func<string, Task> leave)
    {
        await leave(group.NewUuid);
        return group.NewUuid;
    }

    private static async Task<string> DriverAsync(TestGroup group, Func<string, Task> leave, bool isListed = true)
    {
        var uuid = Guid.NewGuid().ToString();
        await leave(uuid);
        if (isListed)
            await group.WriteDirectoryAsync(uuid);
        return isListed ? uuid : group.NewUuid;
    }

    private static ObjectWrite Names(TestGroup group, string uuid) => new ObjectWrite().Create(exclusive: true).SetOmap([
        new("csi.volname", group.Name), new("csi.groupname", "csi-vol-group-" + uuid), new("csi.creationtime", "2026-07-01T10:00:00Z"),
    ]);

    private static async Task EmptyAsync(TestGroup group, string uuid)
    {
        await group.WriteObjectAsync(uuid, Names(group, uuid));
        await group.WriteDirectoryAsync(uuid);
        await group.RbdGroup(uuid).CreateAsync(CancellationToken.None);
    }

    // As librbd leaves it between its own steps.
    private static async Task UnlinkHalfAsync(TestGroup group, string uuid)
    {
        var id = (await group.OmapAsync("rbd_group_directory"))!["name_csi-vol-group-" + uuid][4..];
        var header = "rbd_group_header." + id;
        var key = Assert.Single((await group.OmapAsync(header))!.Keys, key => key.StartsWith("image_", StringComparison.Ordinal));
        await group.Pool.WriteAsync(header, new ObjectWrite().SetOmap(key, "\u0001"), CancellationToken.None);
    }

    [Fact]
    public async Task A_change_of_members_that_was_cut_off_is_finished_by_the_next()
    {
        var group = new TestGroup(sites.A);
        var (a, b, c) = await VolumesAsync(3) is [var first, var second, var third] ? (first, second, third) : default;
        var handle = (await group.CreateAsync(a, b)).VolumeGroupId;
        var uuid = UuidOf(handle);
        // One has left the RBD group and not the journal, and one has come into it.
        await using (var image = await a.OpenAsync(sites.A))
            await group.RbdGroup(uuid).RemoveImageAsync(image.GetId(), CancellationToken.None);
        await group.RbdGroup(uuid).AddImageAsync(c.ImageName, CancellationToken.None);
        await group.ModifyAsync(handle, b, c);
        await group.AssertMembersAsync(uuid, b, c);
        await group.RbdGroup(uuid).AddImageAsync(a.ImageName, CancellationToken.None);
        await group.ModifyAsync(handle, b);
        await group.AssertMembersAsync(uuid, b);
        // The RBD group as a whole, as it is at a site where the generator has written the journal.
        await group.RbdGroup(uuid).RemoveAsync(CancellationToken.None);
        await group.ModifyAsync(handle, b);
        await group.AssertMembersAsync(uuid, b);
    }

    [Fact]
    public async Task A_member_whose_image_went_to_the_trash_can_leave_and_the_others_stay()
    {
        var group = new TestGroup(sites.A);
        var volumes = await VolumesAsync(2);
        var handle = (await group.CreateAsync(volumes)).VolumeGroupId;
        await group.MoveToTrashAsync(volumes[0], UuidOf(handle));
        Assert.Contains("does not exist", await TestGroup.RefusedAsync(StatusCode.NotFound, () => group.ModifyAsync(handle, volumes)), StringComparison.Ordinal);
        await group.ModifyAsync(handle, volumes[1]);
        await group.AssertMembersAsync(UuidOf(handle), volumes[1]);
    }

    [Fact]
    public async Task A_member_that_was_copied_again_is_taken_in_and_the_old_image_leaves_the_trash()
    {
        var volumes = await VolumesAsync(2);
        foreach (var volume in volumes)
            await volume.ProtectAsync(sites.A, sites.B);
        var group = new TestGroup(sites.B);
        var handle = (await group.CreateAsync(TestGroup.Ids(volumes))).VolumeGroupId;
        var (spec, before) = (sites.B.Pool.SpecOf(volumes[0].ImageName), await volumes[0].ImageIdAsync(sites.B));
        await sites.B.RbdAsync("mirror", "image", "resync", spec);
        await Eventually.TrueAsync(async () => await volumes[0].ImageIdAsync(sites.B) != before, "the image is made again");
        await volumes[0].AwaitCopyAsync(sites.B);
        Assert.Contains(before, await sites.B.RbdAsync("trash", "list", "--all", TwoSites.Pool), StringComparison.Ordinal);
        await TestVolume.RetryAsync(() => group.ModifyAsync(handle, TestGroup.Ids(volumes)), "the members are taken in");
        await group.AssertMembersAsync(UuidOf(handle), volumes);
        await Eventually.TrueAsync(async () => !(await sites.B.RbdAsync("trash", "list", "--all", TwoSites.Pool)).Contains(before, StringComparison.Ordinal), "the old image is removed");
    }

    [Theory]
    [InlineData("RBD group")]
    [InlineData("directory entry")]
    [InlineData("names")]
    [InlineData("object")]
    public async Task A_deletion_that_was_cut_off_is_finished_by_the_next(string last)
    {
        var group = new TestGroup(sites.A);
        var volume = await VolumeAsync();
        var handle = (await group.CreateAsync(volume)).VolumeGroupId;
        var uuid = UuidOf(handle);
        await group.ModifyAsync(handle);
        await group.RbdGroup(uuid).RemoveAsync(CancellationToken.None);
        if (last is not "RBD group")
            await group.RemoveFromDirectoryAsync();
        if (last is "names")
            await group.WriteObjectAsync(uuid, new ObjectWrite().RemoveOmap(["csi.volname", "csi.groupname", "csi.creationtime"]));
        if (last is "object")
            await group.WriteObjectAsync(uuid, new ObjectWrite().Remove());
        await group.DeleteAsync(handle);
        await group.AssertGoneAsync(uuid);
        // And the name is free.
        AssertAnswer(handle, await group.CreateAsync(volume), volume);
        await group.AssertMembersAsync(uuid, volume);
    }

    [Fact]
    public async Task Copies_at_the_other_site_are_grouped_by_the_handles_of_this_one()
    {
        var volumes = await VolumesAsync(2);
        foreach (var volume in volumes)
            await volume.ProtectAsync(sites.A, sites.B);
        var group = new TestGroup(sites.B);
        var made = await group.CreateAsync(TestGroup.Ids(volumes));
        AssertAnswer(made.VolumeGroupId, made, volumes);
        await group.AssertMembersAsync(UuidOf(made.VolumeGroupId), volumes);
        // Its own handle of a member takes the place of the other one.
        var own = volumes.Select(volume => volume.Handle.WithLocation(sites.B.Name, sites.B.Pool.Id).ToString()).ToArray();
        var modified = await group.ModifyAsync(made.VolumeGroupId, own);
        Assert.Equal(own.Order(StringComparer.Ordinal), modified.Volumes.Select(volume => volume.VolumeId));
        await group.AssertMembersAsync(UuidOf(made.VolumeGroupId), own, volumes);
        // And the group is found by the handle that the other site has for its uuid.
        var there = new VolumeHandle(sites.A.Name, sites.A.Pool.Id, UuidOf(made.VolumeGroupId)).ToString();
        Assert.Equal(there, (await group.GetAsync(there)).VolumeGroupId);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_destination_has_every_member_before_replication_is_enabled(bool inTenant)
    {
        var group = new TestGroup(sites.A, inTenant);
        var volumes = await VolumesAsync(2, inTenant);
        var handle = (await group.CreateAsync(volumes)).VolumeGroupId;
        string There(string id)
        {
            Assert.True(VolumeHandle.TryParse(id, out var parsed, out _));
            return inTenant ? id : parsed.WithLocation(sites.B.Name, parsed.PoolId).ToString();
        }

        var destination = (await group.DestinationAsync(handle)).Volumegroup;
        Assert.Equal(There(handle), destination.VolumeGroupId);
        Assert.Equal(TestGroup.Ids(volumes).ToDictionary(id => id, There), new Dictionary<string, string>(destination.VolumeIds));
        // One of which it cannot be told leaves nothing to be told.
        await group.WriteObjectAsync(UuidOf(handle), new ObjectWrite().SetOmap("rubbish", ""));
        Assert.Contains("its member \"rubbish\"", await TestGroup.RefusedAsync(StatusCode.Unavailable, () => group.DestinationAsync(handle)), StringComparison.Ordinal);
        await group.ModifyAsync(handle, volumes);
        Assert.Equal(2, (await group.DestinationAsync(handle)).Volumegroup.VolumeIds.Count);
        await TestGroup.RefusedAsync(StatusCode.InvalidArgument, () => group.DestinationAsync(""));
        await TestGroup.RefusedAsync(StatusCode.NotFound, () => group.DestinationAsync(group.HandleOf(Guid.NewGuid().ToString())));
    }

    [Fact]
    public async Task All_groups_are_listed_in_pages()
    {
        List<string> made = [];
        for (var i = 0; i < 3; i++)
        {
            var group = new TestGroup(sites.A, inTenant: i == 2);
            made.Add((await group.CreateAsync(await VolumeAsync(inTenant: i == 2))).VolumeGroupId);
        }
        var client = new TestGroup(sites.A).Client;
        List<string> listed = [];
        var token = "";
        do
        {
            var page = await client.ListVolumeGroupsAsync(new() { MaxEntries = 2, StartingToken = token, Secrets = { sites.A.Secrets } });
            Assert.InRange(page.Entries.Count, 0, 2);
            listed.AddRange(page.Entries.Select(entry => entry.VolumeGroup.VolumeGroupId));
            token = page.NextToken;
        }
        while (token.Length > 0);
        Assert.Equal(listed.Count, listed.Distinct().Count());
        Assert.Empty(made.Except(listed));
        Assert.Empty(made.Except((await client.ListVolumeGroupsAsync(new() { Secrets = { sites.A.Secrets } })).Entries.Select(entry => entry.VolumeGroup.VolumeGroupId)));
        await TestGroup.RefusedAsync(StatusCode.Aborted, async () => await client.ListVolumeGroupsAsync(new() { StartingToken = "2", Secrets = { sites.A.Secrets } }));
        await TestGroup.RefusedAsync(StatusCode.InvalidArgument, async () => await client.ListVolumeGroupsAsync(new() { MaxEntries = -1, Secrets = { sites.A.Secrets } }));
    }
}
