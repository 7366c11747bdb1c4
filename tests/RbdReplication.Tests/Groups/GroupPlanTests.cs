using RbdReplication.Core;

namespace RbdReplication.Tests.Groups;

public sealed class GroupPlanTests
{
    private const string Uuid = "0c23de1c-18fb-11eb-a903-0242ac110005";
    private const string OtherUuid = "1c23de1c-18fb-11eb-a903-0242ac110005";
    private const string Name = "vgrcontent-1";
    private const string RbdGroup = "csi-vol-group-" + Uuid;
    private const long Pool = 3;

    private static readonly DateTimeOffset Now = new(2026, 7, 1, 10, 0, 0, TimeSpan.Zero);

    private static readonly GroupReservation Wanted = new(Name, Uuid, RbdGroup, GroupMember.ParseList([HandleOf(1), HandleOf(2)]));

    private static readonly GroupEntry Complete = new(Uuid, Name, RbdGroup, [HandleOf(1), HandleOf(2)]);

    private static readonly GroupImages AllThere = new(HasRbdGroup: false, Missing: []);

    private static string HandleOf(int number, string cluster = "site-a") => new VolumeHandle(cluster, 2, $"00000000-0000-4000-8000-{number:000000000000}").ToString();

    private static GroupPlan Plan(string? listed, GroupEntry? entry, GroupImages? images = null, GroupReservation? wanted = null) =>
        GroupPlan.For(wanted ?? Wanted, new(listed, Pool, entry, images), Now);

    [Fact]
    public void What_is_complete_is_left_alone_without_a_look_at_its_images() => Assert.IsType<GroupPlan.UpToDate>(Plan(Uuid, Complete));

    [Fact]
    public void A_member_that_is_listed_by_the_other_sites_handle_is_not_listed_again() =>
        Assert.IsType<GroupPlan.UpToDate>(Plan(Uuid, Complete with { Members = [HandleOf(1, "site-b"), HandleOf(2)] }));

    [Fact]
    public void Members_that_are_listed_beside_those_of_the_object_stay() =>
        Assert.IsType<GroupPlan.UpToDate>(Plan(Uuid, Complete with { Members = [HandleOf(1), HandleOf(2), HandleOf(3)] }));

    [Fact]
    public void A_group_that_is_new_here_gets_its_names_and_members_as_the_object_has_them_in_one_step()
    {
        Assert.IsType<GroupPlan.Look>(Plan(null, null));
        var write = Assert.IsType<GroupPlan.Write>(Plan(null, null, AllThere));
        Assert.Equal((true, false), (write.IsNew, write.IsListed));
        Assert.Equal(
            [
                new("csi.volname", Name), new("csi.groupname", RbdGroup), new("csi.creationtime", "2026-07-01T10:00:00Z"),
                new(HandleOf(1), ""), new(HandleOf(2), ""),
            ],
            write.ObjectKeys);
    }

    [Fact]
    public void Nothing_is_written_before_every_members_image_is_there()
    {
        var missing = Assert.IsType<GroupPlan.ImageMissing>(Plan(null, null, AllThere with { Missing = ["csi-vol-1", "csi-vol-2"] }));
        Assert.Equal(("csi-vol-1", 1), (missing.ImageName, missing.Others));
    }

    [Fact]
    public void What_was_cut_off_is_finished()
    {
        var object1 = Assert.IsType<GroupPlan.Write>(Plan(null, Complete, AllThere));
        Assert.Equal((false, false, 0), (object1.IsNew, object1.IsListed, object1.ObjectKeys.Count));
        var unnamed = Assert.IsType<GroupPlan.Write>(Plan(Uuid, new(Uuid, null, null, []), AllThere));
        Assert.Equal((false, true, 5), (unnamed.IsNew, unnamed.IsListed, unnamed.ObjectKeys.Count));
        var listed = Assert.IsType<GroupPlan.Write>(Plan(Uuid, null, AllThere));
        Assert.Equal((false, true, 5), (listed.IsNew, listed.IsListed, listed.ObjectKeys.Count));
    }

    [Fact]
    public void A_member_that_is_missing_is_added_until_the_group_is_in_use_here()
    {
        var write = Assert.IsType<GroupPlan.Write>(Plan(Uuid, Complete with { Members = [HandleOf(1)] }, AllThere));
        Assert.Equal([new(HandleOf(2), "")], write.ObjectKeys);
        Assert.IsType<GroupPlan.UpToDate>(Plan(Uuid, Complete with { Members = [HandleOf(1)] }, AllThere with { HasRbdGroup = true }));
    }

    [Theory]
    [InlineData(OtherUuid, "the directory has \"" + OtherUuid + "\" for vgrcontent-1, and its handle names " + Uuid)]
    [InlineData("0000000000000007/" + Uuid, "the directory has \"0000000000000007/" + Uuid + "\" for vgrcontent-1")]
    [InlineData("garbage", "is \"garbage\", which is no group's uuid")]
    public void A_name_that_another_group_has_is_a_conflict(string listed, string problem) =>
        Assert.Contains(problem, Assert.IsType<GroupPlan.Conflict>(Plan(listed, null, AllThere)).Problem, StringComparison.Ordinal);

    [Fact]
    public void A_uuid_that_a_group_of_another_name_has_is_a_conflict() => Assert.Contains(
        $"its uuid {Uuid} is that of the group of name another",
        Assert.IsType<GroupPlan.Conflict>(Plan(Uuid, Complete with { RequestName = "another" })).Problem, StringComparison.Ordinal);

    [Fact]
    public void The_rbd_groups_name_that_is_recorded_stays() =>
        Assert.IsType<GroupPlan.UpToDate>(Plan(Uuid, Complete with { RecordedGroupName = "gold-" + Uuid }));

    [Fact]
    public void A_group_without_members_is_one_too() => Assert.IsType<GroupPlan.Write>(Plan(null, null, AllThere, Wanted with { Members = [] }));
}
