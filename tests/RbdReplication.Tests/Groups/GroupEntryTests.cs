using RbdReplication.Core;

namespace RbdReplication.Tests.Groups;

public sealed class GroupEntryTests
{
    private const string Uuid = "0c23de1c-18fb-11eb-a903-0242ac110005";

    [Fact]
    public void Objects_and_keys_are_the_drivers()
    {
        Assert.Equal("csi.groups.default", GroupKeys.DirectoryObject("default"));
        Assert.Equal("csi.volume.group.vgrcontent-1", GroupKeys.DirectoryKey("vgrcontent-1"));
        Assert.Equal("csi.volume.group." + Uuid, GroupKeys.GroupObject(Uuid));
        Assert.Equal(("csi.volname", "csi.groupname", "csi.creationtime"), (GroupKeys.RequestName, GroupKeys.GroupName, GroupKeys.CreationTime));
    }

    [Theory]
    [InlineData(1_234_567, "2026-11-26T21:25:50.1234567Z")]
    [InlineData(5_000_000, "2026-11-26T21:25:50.5Z")]
    [InlineData(0, "2026-11-26T21:25:50Z")]
    public void Times_are_as_the_driver_writes_them(int ticks, string text) =>
        Assert.Equal(text, GroupKeys.TimeText(new DateTimeOffset(2026, 11, 26, 22, 25, 50, TimeSpan.FromHours(1)).AddTicks(ticks)));

    [Fact]
    public void Every_key_that_is_not_one_of_three_is_a_member()
    {
        var entry = GroupEntry.From(Uuid, new Dictionary<string, string>
        {
            ["csi.volname"] = "vgrcontent-1",
            ["csi.groupname"] = "g",
            ["csi.creationtime"] = "now",
            ["b"] = "",
            ["csi.other"] = "",
            ["a"] = "snapshot",
        });
        Assert.Equal(("vgrcontent-1", "g", true), (entry.RequestName, entry.GroupName, entry.IsComplete));
        Assert.Equal(["a", "b", "csi.other"], entry.Members);
    }

    [Fact]
    public void One_whose_making_was_cut_off_has_the_drivers_default_and_is_not_complete()
    {
        var entry = GroupEntry.From(Uuid, new Dictionary<string, string>());
        Assert.Equal(("csi-vol-group-" + Uuid, false), (entry.GroupName, entry.IsComplete));
        Assert.False(GroupEntry.From(Uuid, new Dictionary<string, string> { ["csi.volname"] = "n" }).IsComplete);
    }

    [Fact]
    public void The_uuid_of_a_new_group_depends_on_its_name_and_place_alone()
    {
        var uuid = GroupUuid.For("fsid", 2, "", "vgrcontent-1");
        Assert.Equal(uuid, GroupUuid.For("fsid", 2, "", "vgrcontent-1"));
        Assert.True(VolumeHandle.IsUuid(uuid));
        Assert.Equal('8', uuid[14]);
        Assert.Contains(uuid[19], "89ab");
        string[] others =
        [
            uuid, GroupUuid.For("other", 2, "", "vgrcontent-1"), GroupUuid.For("fsid", 3, "", "vgrcontent-1"), GroupUuid.For("fsid", 2, "tenant", "vgrcontent-1"),
            GroupUuid.For("fsid", 2, "", "vgrcontent-2"),
        ];
        Assert.Equal(others.Length, others.Distinct().Count());
    }
}
