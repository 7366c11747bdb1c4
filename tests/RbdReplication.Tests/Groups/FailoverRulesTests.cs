using RbdReplication.Ceph;
using RbdReplication.Core;
using static RbdReplication.Tests.Mirroring.Rules.Sightings;

namespace RbdReplication.Tests.Groups;

public sealed class FailoverRulesTests
{
    private const string Group = "0c23de1c-18fb-11eb-a903-0242ac110005";
    private const string Other = "1c23de1c-18fb-11eb-a903-0242ac110005";

    private static MirrorSnapshot Copy(ulong id, MirrorSnapshotState state = MirrorSnapshotState.NonPrimary, bool isComplete = true) => new(id, state, isComplete, "x", id, [], 0, Ago(100));

    private static UserSnapshot User(ulong id, string group, long number) => new(id, new GenerationName(group, number).ToString(), 1, Ago(1000 - (int)id));

    private static FailoverSighting Member(UserSnapshot[] users, params MirrorSnapshot[] mirrors) => new(IsPrimary: false, new MemberSnapshots("id", users, mirrors));

    private static GenerationName? To(params FailoverSighting[] members)
    {
        Allowed(FailoverRules.Decide(members, out var to));
        return to;
    }

    [Fact]
    public void It_returns_to_the_newest_generation_that_all_have_whole()
    {
        var ahead = Member([User(1, Group, 1), User(3, Group, 2)], Copy(2), Copy(4));
        var behind = Member([User(1, Group, 1), User(3, Group, 2)], Copy(2), Copy(4, isComplete: false));
        Assert.Equal(new GenerationName(Group, 2), To(ahead, ahead));
        Assert.Equal(new GenerationName(Group, 1), To(ahead, behind));
    }

    [Fact]
    public void The_group_may_be_known_by_another_uuid_and_the_newest_of_both_counts()
    {
        var member = Member([User(1, Other, 9), User(3, Group, 2), User(5, "x", 1) with { Name = "rbd-replication.mine" }], Copy(2), Copy(4));
        Assert.Equal(new GenerationName(Group, 2), To(member));
    }

    [Fact]
    public void Without_one_it_is_refused()
    {
        Refused(ReplicationError.FailedPrecondition, "no generation that this site has whole of all", FailoverRules.Decide([Member([], Copy(2))], out var to));
        Assert.Null(to);
        Refused(
            ReplicationError.FailedPrecondition, "no generation",
            FailoverRules.Decide([Member([User(1, Group, 1)], Copy(2)), Member([User(3, Group, 2)], Copy(4))], out _));
    }

    [Fact]
    public void Demotions_of_all_are_kept_and_not_those_of_some()
    {
        var stopped = Member([User(1, Group, 1)], Copy(2), Copy(3, MirrorSnapshotState.NonPrimaryDemoted));
        Assert.Null(To(stopped, stopped));
        Assert.Equal(new GenerationName(Group, 1), To(stopped, Member([User(1, Group, 1)], Copy(2), Copy(3))));
    }

    [Fact]
    public void What_is_left_behind_is_the_newest_generation_of_which_there_is_a_part()
    {
        var ahead = Member([User(1, Group, 1), User(3, Group, 2), User(5, Other, 9)], Copy(2));
        Assert.Equal(2, FailoverRules.LeftBehind([Member([User(1, Group, 1)], Copy(2)), ahead], new(Group, 1)));
        Assert.Null(FailoverRules.LeftBehind([ahead], new(Group, 2)));
    }

    [Fact]
    public void A_site_that_follows_tells_what_it_would_return_to()
    {
        var copied = Member([User(1, Group, 1)], Copy(2)).Snapshots;
        // The mirror daemon made the copy of each in its turn, after the instant.
        var later = Member([User(1, Group, 1) with { TakenAt = Ago(900) }], Copy(2)).Snapshots;
        var point = FailoverRules.ReturnPoint([later, copied]);
        Assert.Equal((new HeldGeneration(1, Ago(999)), ReplicationHealth.Healthy), (point.Generation, point.Health));
        Assert.Null(FailoverRules.TakenBy([copied, later with { Users = [] }], new(Group, 1)));
        Assert.Equal(ReplicationHealth.Degraded, FailoverRules.ReturnPoint([copied with { Users = [] }]).Health);
        var stopped = FailoverRules.ReturnPoint([copied with { Mirrors = [Copy(2), Copy(3, MirrorSnapshotState.NonPrimaryDemoted)] }]);
        Assert.Equal((null, ReplicationHealth.Healthy), (stopped.Generation, stopped.Health));
    }

    [Fact]
    public void What_is_primary_already_is_kept_with_all_that_was_written_to_it()
    {
        var copy = Member([User(1, Group, 1)], Copy(2));
        Assert.Null(To(copy, copy with { IsPrimary = true }));
        Assert.Null(To());
    }
}
