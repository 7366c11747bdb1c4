using RbdReplication.Ceph;
using RbdReplication.Core;
using static RbdReplication.Ceph.MirrorSnapshotState;

namespace RbdReplication.Tests.Groups.Generations;

public sealed class GenerationRulesTests
{
    private const string Group = "0c23de1c-18fb-11eb-a903-0242ac110005";
    private const string Peer = "peer", Other = "other";

    private static readonly string[] Followers = [Peer];

    // Snapshots of an image in the order in which they were taken; null of that which a member lacks.
    private static MemberSnapshots Member(string image, params object?[] snapshots)
    {
        List<UserSnapshot> users = [];
        List<MirrorSnapshot> mirrors = [];
        for (var i = 0; i < snapshots.Length; i++)
        {
            var id = (ulong)i + 10;
            if (snapshots[i] is string name)
                users.Add(new UserSnapshot(id, name, 1, default));
            else if (snapshots[i] is MirrorSnapshot mirror)
                mirrors.Add(mirror with { Id = id });
        }
        return new MemberSnapshots(image, users, mirrors);
    }

    private static string U(long number) => new GenerationName(Group, number).ToString();

    private static string Theirs(long number) => new GenerationName("0c23de1c-18fb-11eb-a903-0242ac110006", number).ToString();

    private static string Unfinished(long number) => U(number) + GenerationTaking.UnfinishedMark + "1";

    private static MirrorSnapshot Mirror(MirrorSnapshotState state, bool isComplete = true, string from = "", params string[] neededBy) =>
        new(0, state, isComplete, from, MirrorSnapshot.NoSnapshot, neededBy, 0, default);

    private static MirrorSnapshot Taken(params string[] neededBy) => Mirror(Primary, neededBy: neededBy);

    private static readonly MirrorSnapshot Copied = Mirror(NonPrimary, from: "site"), Copying = Mirror(NonPrimary, isComplete: false, from: "site");
    private static readonly MirrorSnapshot Orphan = Mirror(NonPrimary), Demoted = Mirror(PrimaryDemoted), PeersDemotion = Mirror(NonPrimaryDemoted, from: "site");

    private static long? Whole(params MemberSnapshots[] members) => GenerationRules.NewestWhole(Group, members);

    private static long? AtPeers(string[] followers, params MemberSnapshots[] members) => GenerationRules.NewestAtPeers(Group, members, followers);

    private static string[] Unneeded(long inHand, params MemberSnapshots[] members) =>
        [.. GenerationRules.Unneeded(Group, members, Followers, inHand).Select(unneeded => $"{unneeded.ImageId} {unneeded.SnapshotName}")];

    [Fact]
    public void The_next_number_is_above_all_that_were_ever_given_those_of_other_groups_left_out()
    {
        Assert.Equal(1, GenerationRules.NextNumber(Group, [Member("a"), Member("b", "before-upgrade")]));
        Assert.Equal(8, GenerationRules.NextNumber(Group, [Member("a", U(3), Unfinished(7)), Member("b", U(5), Theirs(90))]));
    }

    [Fact]
    public void The_newest_that_was_taken_is_one_that_all_members_have_finished()
    {
        Assert.Equal(2, GenerationRules.NewestTaken(Group, [Member("a", U(1), U(2), U(3)), Member("b", U(1), U(2), Unfinished(3))]));
        Assert.Null(GenerationRules.NewestTaken(Group, [Member("a", U(1)), Member("b", U(2))]));
        Assert.Null(GenerationRules.NewestTaken(Group, [Member("a", U(1)), Member("b")]));
    }

    [Fact]
    public void A_copy_is_whole_when_the_mirror_snapshot_that_it_came_with_is_complete()
    {
        Assert.Equal(2, Whole(Member("a", Copied, U(1), Copied, U(2), Copied)));
        Assert.Equal(1, Whole(Member("a", Copied, U(1), Copied, U(2), Copying)));
        Assert.Equal(1, Whole(Member("a", Copied, U(1), Copied, U(2))));
        // The older mirror snapshots are removed, the user snapshots are not.
        Assert.Equal(2, Whole(Member("a", U(1), U(2), Copied)));
        // The first copy of the image.
        Assert.Null(Whole(Member("a", U(1), Copying)));
    }

    [Fact]
    public void The_point_of_return_is_the_newest_that_is_whole_at_all_members()
    {
        var ahead = Member("a", U(1), Copied, U(2), Copied, U(3), Copied);
        Assert.Equal(2, Whole(ahead, Member("b", U(1), Copied, U(2), Copied, U(3), Copying), ahead));
        Assert.Equal(1, Whole(ahead, Member("b", U(1), Copied, U(3), Copying)));
        Assert.Null(Whole(ahead, Member("b", Copied)));
        Assert.Null(Whole(ahead, Member("b", Unfinished(1), Unfinished(2), Copied)));
    }

    [Fact]
    public void A_promotion_by_force_makes_nothing_whole()
    {
        Assert.Equal(1, Whole(Member("a", U(1), Copied, Taken(Peer))));
        Assert.Equal(1, Whole(Member("a", U(1), Copied, U(2), Copying, Orphan, Taken(Peer))));
        Assert.Equal(1, Whole(Member("a", U(1), Copied, U(2), Orphan, Taken(Peer))));
        Assert.Equal(1, Whole(Member("a", U(1), Copied, U(2), Taken(Peer))));
    }

    [Fact]
    public void All_return_to_what_was_whole_before_the_promotion_or_to_the_next_one_where_the_primary_had_that_removed()
    {
        var a = Member("a", U(1), U(2), U(3), U(4), Orphan, Taken(Peer));
        Assert.Equal(2, GenerationRules.ReturnPoint(Group, [a, Member("b", U(1), U(2), U(3))], 2));
        Assert.Equal(3, GenerationRules.ReturnPoint(Group, [a, Member("b", U(1), U(3), U(4))], 2));
        Assert.Null(GenerationRules.ReturnPoint(Group, [a, Member("b", U(1), Unfinished(2))], 2));
    }

    [Fact]
    public void What_was_taken_here_before_is_whole()
    {
        Assert.Equal(2, Whole(Member("a", Taken(Peer), U(1), Taken(Peer), U(2))));
        Assert.Equal(2, Whole(Member("a", Taken(), U(1), Taken(), U(2), Demoted, Copied)));
        Assert.Equal(3, Whole(Member("a", U(1), U(2), Demoted, Copied, U(3), Copied)));
        Assert.Equal(2, Whole(Member("a", U(1), U(2), Demoted, Copied, U(3), Copying)));
    }

    [Fact]
    public void Nothing_is_returned_to_where_all_members_end_in_a_demotion()
    {
        var stopped = Member("a", U(1), Copied, PeersDemotion);
        Assert.False(GenerationRules.NeedsReturn([stopped, Member("b", U(1), Taken(), Demoted)]));
        Assert.False(GenerationRules.NeedsReturn([Member("a", U(1), Copied, PeersDemotion, Taken(Peer))]));
        Assert.True(GenerationRules.NeedsReturn([stopped, Member("b", U(1), Copied)]));
        Assert.True(GenerationRules.NeedsReturn([stopped, Member("b", U(1), Copied, Mirror(NonPrimaryDemoted, isComplete: false, from: "site"))]));
        Assert.True(GenerationRules.NeedsReturn([stopped, Member("b", U(1), Copied, PeersDemotion, Copied, Taken(Peer))]));
        Assert.True(GenerationRules.NeedsReturn([Member("a", U(1))]));
    }

    [Fact]
    public void A_peer_has_what_is_older_than_the_oldest_mirror_snapshot_that_it_stands_on()
    {
        // It stands on the first one until it has that, and then on the newest that it has.
        Assert.Null(AtPeers(Followers, Member("a", Taken(Peer), U(1), Taken(Peer), U(2), Taken(Peer))));
        Assert.Equal(1, AtPeers(Followers, Member("a", U(1), Taken(Peer), U(2), Taken(Peer))));
        Assert.Equal(2, AtPeers(Followers, Member("a", U(1), Taken(), U(2), Taken(Peer), U(3))));
        Assert.Equal(1, AtPeers(Followers, Member("a", U(1), U(2), Taken(Peer)), Member("b", U(1), Taken(Peer), U(2), Taken(Peer))));
        Assert.Null(AtPeers(Followers, Member("a", U(1), Taken(), U(2))));
        Assert.Null(AtPeers([], Member("a", U(1), Taken())));
    }

    [Fact]
    public void A_peer_that_has_parted_has_what_it_copied_since_and_nothing_older()
    {
        var parted = new DateTimeOffset(2026, 11, 27, 10, 0, 0, TimeSpan.Zero);
        MemberSnapshots Timed(MemberSnapshots member) =>
            member with { Users = [.. member.Users.Select(user => user with { TakenAt = parted.AddMinutes(user.Name == U(4) ? -1 : 1) })] };
        HeldGeneration? Held(MemberSnapshots member, DateTimeOffset? since) => GenerationRules.HeldBy(Group, [member], Followers, since);

        var promoted = Timed(Member("a", U(4), Taken(Peer), U(5), Taken(Peer)));
        Assert.Equal(4, Held(promoted, null)!.Number);
        Assert.Null(Held(promoted, parted));
        Assert.Equal(new HeldGeneration(5, parted.AddMinutes(1)), Held(Timed(Member("a", U(4), Taken(), U(5), Taken(Peer))), parted));
    }

    [Fact]
    public void Of_several_peers_the_last_one_counts()
    {
        var member = Member("a", U(1), Taken(Other), U(2), Taken(Peer, Other));
        Assert.Equal(2, AtPeers([Peer], member));
        Assert.Equal(1, AtPeers([Peer, Other], member));
        Assert.Null(AtPeers([Peer, "new"], member));
    }

    [Fact]
    public void Kept_are_the_one_in_hand_the_newest_the_peers_and_those_that_a_peer_gets_next()
    {
        // The peer has 3 and copies 5 or 6; 4 came with a mirror snapshot that librbd has removed.
        var member = Member("a", U(1), U(2), U(3), Taken(Peer), U(4), U(5), Taken(Peer), U(6), Taken(Peer));
        Assert.Equal(["a " + U(1), "a " + U(2), "a " + U(4)], Unneeded(7, member));
        Assert.Equal(["a " + U(1), "a " + U(2), "a " + U(4)], Unneeded(6, member));
    }

    [Fact]
    public void What_was_cut_off_goes_when_the_next_one_is_in_hand()
    {
        var a = Member("a", U(1), Taken(Peer), U(2), Unfinished(3), Taken(Peer));
        var b = Member("b", U(1), Taken(Peer), Unfinished(2), "before-upgrade", Taken(Peer));
        Assert.Equal(["b " + Unfinished(2)], Unneeded(3, a, b));
        Assert.Equal(["a " + Unfinished(3), "b " + Unfinished(2)], Unneeded(4, a, b));
    }

    [Fact]
    public void Without_peers_the_newest_is_kept() =>
        Assert.Equal([new UnneededSnapshot("a", U(1))], GenerationRules.Unneeded(Group, [Member("a", U(1), Taken(), U(2), Taken())], [], 3));

    [Fact]
    public void While_a_new_member_has_none_the_others_keep_what_the_peers_have()
    {
        var a = Member("a", U(1), U(2), Taken(Peer), U(3), Taken(Peer));
        Assert.Equal(["a " + U(1)], Unneeded(4, a, Member("new", Taken(Peer), U(3), Taken(Peer))));
    }

    [Fact]
    public void Those_of_the_other_site_go_when_the_peers_have_one_of_this_site()
    {
        var a = Member("a", Theirs(8), Theirs(9), Taken(), U(1), Taken(Peer));
        Assert.Equal(["a " + Theirs(8), "a " + Theirs(9), "b " + Theirs(9)], Unneeded(2, a, Member("b", Theirs(9), "x", Taken(), U(1), Taken(Peer))));
        // Until then a failover would return to 9.
        Assert.Empty(Unneeded(2, a, Member("b", Theirs(9), Taken(Peer), U(1), Taken(Peer))));
    }

    [Fact]
    public void A_failover_leaves_behind_what_came_later_by_whichever_uuid_and_what_is_unfinished()
    {
        Assert.Equal([new UnneededSnapshot("a", U(3))], GenerationRules.LeftBehind(Member("a", Theirs(9), U(1), U(2), U(3)), new(Group, 2)));
        Assert.Equal(
            [new("b", Unfinished(1)), new("b", Theirs(1)), new UnneededSnapshot("b", Unfinished(3))],
            GenerationRules.LeftBehind(Member("b", "x", Unfinished(1), U(2), Theirs(1), Unfinished(3), "y"), new(Group, 2)));
    }

    [Fact]
    public void A_volume_that_is_not_replicated_any_more_needs_none_of_any_group() => Assert.Equal(
        [new("a", U(1)), new("a", Theirs(9)), new UnneededSnapshot("a", Unfinished(2))], GenerationRules.All(Member("a", U(1), "x", Theirs(9), Taken(), Unfinished(2))));
}
