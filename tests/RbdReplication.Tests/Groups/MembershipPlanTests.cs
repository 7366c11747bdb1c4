using RbdReplication.Core;

namespace RbdReplication.Tests.Groups;

public sealed class MembershipPlanTests
{
    private static readonly GroupMember A = Member(1), B = Member(2), C = Member(3);

    private static GroupMember Member(int number, string cluster = "site-a")
    {
        var handle = new VolumeHandle(cluster, 2, $"00000000-0000-4000-8000-00000000000{number}");
        return new GroupMember(handle.ToString(), handle);
    }

    private static string ImageOf(GroupMember member) => "id" + member.Handle.Uuid[^1];

    private static KnownMember Known(GroupMember member) => new(member, ImageOf(member));

    private static Membership Now(IEnumerable<GroupMember> listed, params GroupMember[] attached) =>
        new([.. listed.Select(member => member.Id)], attached.ToDictionary(ImageOf, _ => true));

    private static MembershipPlan Plan(GroupMember[] wanted, Membership now, bool removesOthers = true) =>
        MembershipPlan.For([.. wanted.Select(Known)], now, removesOthers);

    [Fact]
    public void Nothing_is_to_be_done_where_all_are_members_whatever_their_order()
    {
        Assert.True(Plan([B, A], Now([A, B], A, B)).IsEmpty);
        Assert.True(Plan([], Now([])).IsEmpty);
        Assert.True(Plan([A], Now([A, B], A, B), removesOthers: false).IsEmpty);
    }

    [Fact]
    public void A_new_one_joins_and_one_that_is_not_listed_leaves_both_places()
    {
        var plan = Plan([A, C], Now([A, B], A, B));
        Assert.Equal([C], plan.Joins);
        Assert.Equal([B.Id], plan.KeysToRemove);
        Assert.Equal([ImageOf(B)], plan.ImagesToRemove);
        Assert.Empty(plan.KeysToSet);
        Assert.False(plan.CreatesGroup);
    }

    [Fact]
    public void Others_stay_where_the_group_is_made()
    {
        var plan = Plan([A, C], Now([A, B], A, B), removesOthers: false);
        Assert.Equal([C], plan.Joins);
        Assert.Empty(plan.KeysToRemove);
        Assert.Empty(plan.ImagesToRemove);
    }

    [Fact]
    public void Without_an_RBD_group_all_join_again()
    {
        var plan = Plan([A, B], new([A.Id, B.Id], null));
        Assert.True(plan.CreatesGroup);
        Assert.Equal([A, B], plan.Joins);
        Assert.Empty(plan.KeysToRemove);
        Assert.True(Plan([], new([], null)).CreatesGroup);
    }

    [Fact]
    public void What_was_cut_off_on_its_way_in_joins_again()
    {
        // In the RBD group and not yet in the journal, and half in the RBD group.
        Assert.Equal([B], Plan([A, B], Now([A], A, B)).Joins);
        var half = Plan([A, B], new([A.Id, B.Id], new Dictionary<string, bool> { [ImageOf(A)] = true, [ImageOf(B)] = false }));
        Assert.Equal([B], half.Joins);
    }

    [Fact]
    public void What_was_cut_off_on_its_way_out_leaves()
    {
        var listed = Plan([A], Now([A, B], A));
        Assert.Equal([B.Id], listed.KeysToRemove);
        Assert.Empty(listed.ImagesToRemove);
        var attached = Plan([A], Now([A], A, B));
        Assert.Empty(attached.KeysToRemove);
        Assert.Equal([ImageOf(B)], attached.ImagesToRemove);
    }

    [Fact]
    public void The_image_that_was_copied_again_joins_and_the_one_that_is_gone_leaves()
    {
        var plan = MembershipPlan.For([new(A, "new")], Now([A], A), removesOthers: true);
        Assert.Equal([A], plan.Joins);
        Assert.Equal([ImageOf(A)], plan.ImagesToRemove);
        Assert.Equal([A], MembershipPlan.For([new(A, null)], Now([A], A), removesOthers: true).Joins);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_other_sites_handle_of_a_member_is_replaced_and_not_a_second_member(bool removesOthers)
    {
        var other = Member(1, "site-b");
        var plan = Plan([A, B], Now([other, B], A, B), removesOthers);
        Assert.Empty(plan.Joins);
        Assert.Equal([other.Id], plan.KeysToRemove);
        Assert.Equal([A.Id], plan.KeysToSet);
        Assert.Empty(plan.ImagesToRemove);
    }

    [Fact]
    public void A_key_that_is_no_handle_goes_where_the_whole_membership_is_told()
    {
        var now = new Membership(["rubbish", A.Id], new Dictionary<string, bool> { [ImageOf(A)] = true });
        Assert.Equal(["rubbish"], Plan([A], now).KeysToRemove);
        Assert.True(Plan([A], now, removesOthers: false).IsEmpty);
    }

    [Fact]
    public void Those_that_leave_are_told_by_their_volumes_and_one_that_gets_another_key_stays()
    {
        Assert.Equal([B], Plan([A, C], Now([A, B], A, B)).Leaves);
        Assert.Equal([A, B], Plan([], Now([A, B], A, B)).Leaves);
        Assert.Empty(Plan([Member(1, "site-b")], Now([A], A)).Leaves);
        Assert.Empty(Plan([A], Now([A, B], A, B), removesOthers: false).Leaves);
        Assert.Empty(Plan([A], new([A.Id, "rubbish"], new Dictionary<string, bool> { [ImageOf(A)] = true })).Leaves);
    }
}
