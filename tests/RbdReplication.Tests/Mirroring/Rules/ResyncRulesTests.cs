using RbdReplication.Ceph;
using RbdReplication.Core;
using static RbdReplication.Tests.Mirroring.Rules.Sightings;

namespace RbdReplication.Tests.Mirroring.Rules;

public sealed class ResyncRulesTests
{
    private const int LongAgo = 1000;
    private const int CopyBegun = 600;
    private const string NotCopied = "waiting for the peer to copy";
    private const string AboutToFollow = "is about to follow";

    [Fact]
    public void A_primary_has_nobody_to_copy_from()
    {
        Refused(ReplicationError.FailedPrecondition, "demote it first", ResyncRules.Secondary(isPrimary: true));
        Allowed(ResyncRules.Secondary(isPrimary: false));
    }

    [Theory]
    [InlineData("own demotion, not copied")]
    [InlineData("copy")]
    [InlineData("journal, copy")]
    public void An_image_is_ready_without_a_peer(string past) => Answers(ResyncStep.Ready, Seen(past, Silent).WithoutPeers(), asked: 0);

    [Theory]
    [InlineData("half a first copy")]
    [InlineData("journal, half a first copy")]
    public void Half_a_first_copy_is_not_ready_without_a_peer(string past) =>
        Refuses(ReplicationError.FailedPrecondition, "not known to be complete", Seen(past, Silent).WithoutPeers(), asked: LongAgo);

    [Theory]
    [InlineData("peer's demotion", Age)]
    [InlineData("journal, peer's demotion", 300)]
    public void The_peers_demotion_is_ready_unless_it_is_primary_again(string past, int since)
    {
        foreach (var peer in (PeerStatus[])[Says(Nobody), Says(SplitBrain), Down(Primary, since - 60), Silent, Says(Primary, since - 59)])
            Answers(ResyncStep.Ready, Seen(past, peer), asked: 300);
        Refuses(ReplicationError.Busy, "it was promoted again", Seen(past, Says(Primary, since - 60)), asked: 300);
    }

    [Theory]
    [InlineData("own demotion, cut off")]
    [InlineData("journal, own demotion, cut off")]
    public void A_demotion_cut_off_is_not_ready(string past) =>
        Refuses(ReplicationError.Busy, "demoting it again finishes it", Seen(past, Says(Nobody), Own(Nobody)), LongAgo);

    [Theory]
    [InlineData("copy")]
    [InlineData("own demotion")]
    [InlineData("journal, copy")]
    public void A_daemon_that_does_not_report_is_unavailable(string past)
    {
        foreach (var own in (MirrorSiteStatus?[])[null, Own(Replaying) with { IsUp = false }])
            Refuses(ReplicationError.Unavailable, "this site's mirror daemon does not report", Seen(past, Says(Primary), own), LongAgo);
    }

    [Fact]
    public void An_error_from_before_the_demotion_is_not_believed() =>
        Refuses(ReplicationError.Busy, "was demoted after that", Seen("own demotion", Says(Primary), Own(SplitBrain, Age)), LongAgo);

    [Theory]
    [InlineData("copy")]
    [InlineData("journal, copy")]
    public void A_running_copy_is_never_started_over(string past)
    {
        Refuses(ReplicationError.Busy, "the copy was begun only at", Seen(past, Says(Primary), Own(SplitBrain, CopyBegun - 59)), LongAgo);
        Answers(ResyncStep.CopyAnew, Seen(past, Says(Primary), Own(SplitBrain, CopyBegun - 60)), LongAgo);
    }

    [Theory]
    [InlineData("copy")]
    [InlineData("own demotion")]
    [InlineData("journal, copy")]
    public void An_error_that_is_no_split_brain_ends_by_itself(string past) =>
        Refuses(ReplicationError.Unavailable, "no split-brain", Seen(past, Says(Primary), Own("error bootstrapping replay")), LongAgo);

    [Theory]
    [InlineData("copy")]
    [InlineData("own demotion")]
    [InlineData("journal, copy")]
    [InlineData("journal, own demotion, not replayed")]
    public void A_daemon_that_tries_again_is_waited_for(string past) =>
        Refuses(ReplicationError.Busy, "waiting for what it finds", Seen(past, Says(Primary), OwnTriesAgain), LongAgo);

    [Theory]
    [MemberData(nameof(Parted))]
    public void A_split_brain_needs_force(string past, string words) =>
        Refuses(ReplicationError.FailedPrecondition, "only with force", Seen(past, Says(Primary), Own(words)), LongAgo, force: false);

    [Theory]
    [MemberData(nameof(Parted))]
    public void A_split_brain_is_ended_by_force_beside_a_primary(string past, string words) =>
        Answers(ResyncStep.CopyAnew, Seen(past, Says(Primary, 5), Own(words)), asked: 35);

    [Theory]
    [MemberData(nameof(Parted))]
    public void A_split_brain_waits_for_a_new_report_of_the_primary(string past, string words) =>
        Refuses(ReplicationError.Busy, "goes on with what it said before", Seen(past, Says(Primary, 6), Own(words)), asked: 35);

    [Theory]
    [MemberData(nameof(Parted))]
    public void A_split_brain_waits_for_a_new_report_of_a_peer_that_may_have_been_promoted(string past, string words)
    {
        foreach (var said in (string[])[Nobody, Replaying, SplitBrain])
            Refuses(ReplicationError.Busy, "goes on with what it said before", Seen(past, Says(said, 6), Own(words)), asked: 35);
    }

    [Theory]
    [MemberData(nameof(Parted))]
    public void A_split_brain_beside_a_peer_that_cannot_be_seen_throws_nothing_away(string past, string words)
    {
        foreach (var peer in (PeerStatus[])[Down(Primary), Down(Nobody), Silent])
            Refuses(ReplicationError.Unavailable, "whether the peer is primary cannot be seen", Seen(past, peer, Own(words)), LongAgo);
    }

    [Theory]
    [MemberData(nameof(Parted))]
    public void A_split_brain_needs_a_primary(string past, string words)
    {
        foreach (var said in (string[])[Nobody, Replaying, SplitBrain])
            Refuses(ReplicationError.FailedPrecondition, "there is no primary to copy from", Seen(past, Says(said), Own(words)), LongAgo);
    }

    public static TheoryData<string, string> Parted => new()
    {
        { "own demotion", SplitBrain },
        { "copy", SplitBrain },
        { "journal, own demotion, not replayed", "split-brain detected" },
    };

    [Theory]
    [InlineData("copy", Replaying)]
    [InlineData("copy", Copying)]
    [InlineData("half a copy", Syncing)]
    [InlineData("journal, copy", Replaying)]
    public void A_copy_that_runs_is_not_ready(string past, string own)
    {
        foreach (var peer in (PeerStatus[])[Says(Primary), Down(Primary), Silent])
            Answers(ResyncStep.Follow, Seen(past, peer, Own(own)), asked: 0);
    }

    [Theory]
    [InlineData("own demotion")]
    [InlineData("own demotion, not copied")]
    [InlineData("journal, own demotion")]
    public void An_own_demotion_is_unavailable_beside_a_dead_peer(string past)
    {
        foreach (var peer in (PeerStatus[])[Down(Nobody), Silent])
            Refuses(ReplicationError.Unavailable, "whether it was promoted since cannot be seen", Seen(past, peer, Own(Nobody)), LongAgo);
    }

    [Theory]
    [InlineData("own demotion", Age)]
    // A daemon that finds out again that the histories have parted says so, too.
    [InlineData("own demotion, not copied", Age)]
    [InlineData("journal, own demotion", 300)]
    public void An_own_demotion_is_about_to_follow_a_primary(string past, int since)
    {
        Refuses(ReplicationError.Busy, AboutToFollow, Seen(past, Says(Primary), Own(Nobody)), asked: 300);
        Refuses(ReplicationError.Busy, AboutToFollow, Seen(past, Says(Primary), Own(Copying)), asked: 300);
        Refuses(ReplicationError.Busy, AboutToFollow, Seen(past, Says(Copied), Own(Replaying, since - 1)), asked: 300);
        Answers(ResyncStep.Ready, Seen(past, Says(Copied), Own(Replaying, since)), asked: 300);
    }

    [Theory]
    [InlineData("own demotion, not copied", Replaying)]
    [InlineData("own demotion, not copied", Nobody)]
    // The daemons of two sites that have parted say the same once both are demoted.
    [InlineData("journal, own demotion, not replayed", Nobody)]
    public void An_own_demotion_waits_for_the_copy(string past, string peer) =>
        Refuses(ReplicationError.Busy, NotCopied, Seen(past, Says(peer), Own(Nobody)), LongAgo);

    [Theory]
    [InlineData("own demotion", Nobody)]
    [InlineData("own demotion", Copied)]
    [InlineData("own demotion, not copied", Copied)]
    [InlineData("journal, own demotion", Nobody)]
    public void An_own_demotion_is_ready_by_a_new_report(string past, string peer) =>
        Answers(ResyncStep.Ready, Seen(past, Says(peer, 5), Own(Nobody)), asked: 35);

    [Theory]
    [InlineData("own demotion", Nobody, 6)]
    [InlineData("own demotion", Replaying, 0)]
    [InlineData("own demotion", Starting, 0)]
    [InlineData("journal, own demotion", Nobody, 6)]
    public void An_own_demotion_waits_for_a_new_report(string past, string peer, int reportAge) =>
        Refuses(ReplicationError.Busy, "waiting for its report later than", Seen(past, Says(peer, reportAge), Own(Primary)), asked: 35);

    [Fact]
    public void The_report_has_to_be_newer_than_the_demotion_too()
    {
        Refuses(ReplicationError.Busy, "waiting for its report", Seen("own demotion", Says(Nobody, 71), Own(Nobody), age: 100), LongAgo);
        Answers(ResyncStep.Ready, Seen("own demotion", Says(Nobody, 70), Own(Nobody), age: 100), LongAgo);
    }

    [Theory]
    [InlineData("copy", Nobody, Nobody)]
    [InlineData("copy", Starting, Primary)]
    [InlineData("journal, copy", Nobody, Nobody)]
    public void Anything_else_is_waited_for(string past, string own, string peer) =>
        Refuses(ReplicationError.Busy, "no copy is running here", Seen(past, Says(peer), Own(own)), LongAgo);

    [Fact]
    public void A_request_is_taken_back_by_every_other_answer() =>
        Assert.All(Enum.GetValues<ResyncStep>(), step => Assert.Equal(step != ResyncStep.CopyAnew, new ResyncDecision(step, default, "").TakesRequestBack));

    private static void Answers(ResyncStep step, Sighting seen, int asked)
    {
        var decision = Decide(seen, asked, force: true);
        Assert.True(decision.Step == step, $"{decision.Step} {decision.Refusal}: {decision.Reason}");
    }

    private static void Refuses(ReplicationError error, string reason, Sighting seen, int asked, bool force = true)
    {
        var decision = Decide(seen, asked, force);
        Assert.Equal((ResyncStep.Refuse, error), (decision.Step, decision.Refusal));
        Assert.Contains(reason, decision.Reason, StringComparison.Ordinal);
    }

    private static ResyncDecision Decide(Sighting seen, int asked, bool force) => ResyncRules.Decide(seen, createdAt: Ago(CopyBegun), Ago(asked), force);
}
