using RbdReplication.Ceph;
using RbdReplication.Core;
using static RbdReplication.Tests.Mirroring.Rules.Sightings;

namespace RbdReplication.Tests.Mirroring.Rules;

public sealed class PromotionRulesTests
{
    private const int LongAgo = 1000;
    private const string DemoteItFirst = "demote it first";
    private const string OnItsWay = "the peer's last writes are on their way";

    [Theory]
    [InlineData("error bootstrapping replay")]
    [InlineData(Nobody)]
    public void A_site_that_was_demoted_before_the_peers_first_copy_was_complete_is_promoted(string words)
    {
        Allowed(Decide(Seen("journal, own demotion, first copy", Says(words, 0)), asked: 0));
        Refused(ReplicationError.Busy, "demote it first", Decide(Seen("journal, own demotion, first copy", Says(Primary, 0)), asked: 0));
        Refused(ReplicationError.FailedPrecondition, "cannot be seen", Decide(Seen("journal, own demotion, first copy", Down(Replaying)), asked: 0));
    }

    [Theory]
    [InlineData("half a first copy")]
    [InlineData("journal, half a first copy")]
    [InlineData("nothing")]
    public void Half_a_first_copy_is_not_promoted_nor_is_force_advised(string past)
    {
        Refused(ReplicationError.FailedPrecondition, "not known to be complete", PromotionRules.Forced(Past(past)));
        Refused(ReplicationError.FailedPrecondition, "not known to be complete", Decide(Seen(past, Down(Primary)), LongAgo));
        Refused(ReplicationError.FailedPrecondition, "not known to be complete", Decide(Seen(past, Silent), LongAgo));
        Refused(ReplicationError.Busy, "waiting for", Decide(Seen(past, Silent), asked: 0));
        Refused(ReplicationError.Busy, "the first copy is on its way: 3 % copied", Decide(Seen(past, Says(Primary), Own(Syncing)), LongAgo));
    }

    [Theory]
    [InlineData("copy")]
    [InlineData("half a copy")]
    [InlineData("peer's demotion")]
    [InlineData("own demotion, cut off")]
    [InlineData("journal, copy")]
    [InlineData("journal, peer's demotion")]
    [InlineData("journal, own demotion")]
    public void Any_other_secondary_may_be_forced(string past) => Allowed(PromotionRules.Forced(Past(past)));

    [Theory]
    [InlineData("peer's demotion")]
    [InlineData("own demotion")]
    [InlineData("own demotion, not copied")]
    [InlineData("own demotion, cut off")]
    [InlineData("journal, peer's demotion")]
    [InlineData("journal, own demotion, not replayed")]
    public void A_demotion_is_promoted_without_a_peer(string past) => Allowed(Decide(Seen(past, Silent).WithoutPeers(), asked: 0));

    [Theory]
    [InlineData("copy")]
    [InlineData("half a copy")]
    [InlineData("journal, copy")]
    public void A_copy_needs_force_without_a_peer(string past) =>
        Refused(ReplicationError.FailedPrecondition, "no peer any more", Decide(Seen(past, Silent).WithoutPeers(), LongAgo));

    [Fact]
    public void A_daemon_that_tidies_up_is_waited_for()
    {
        foreach (var (peer, age) in ((PeerStatus, int)[])[(Says(Nobody), 59), (Down(Nobody), Age), (Says(Nobody), Age)])
        {
            var seen = Seen("peer's demotion", peer, age: age);
            Refused(ReplicationError.Busy, "not released", PromotionRules.Decide(seen, heldSince: Ago(44), Ago(LongAgo), strict: false));
            Allowed(PromotionRules.Decide(seen, heldSince: Ago(45), Ago(LongAgo), strict: false));
        }
        Refused(
            ReplicationError.Busy, DemoteItFirst,
            PromotionRules.Decide(Seen("peer's demotion", Says(Primary)), heldSince: Ago(45), Ago(LongAgo), strict: false));
    }

    [Theory]
    [InlineData("peer's demotion", true)]
    [InlineData("own demotion", false)]
    [InlineData("copy", false)]
    [InlineData("half a copy", false)]
    [InlineData("journal, peer's demotion", false)]
    public void A_daemon_tidies_up_after_the_peers_demotion_only(string past, bool awaited) =>
        Assert.Equal(awaited, PromotionRules.IsHoldAwaited(Seen(past, Says(Nobody))));

    [Fact]
    public void A_fresh_demotion_is_promoted()
    {
        Allowed(Decide(Seen("peer's demotion", Says(Primary, 10), age: 59), asked: 0));
        Refused(ReplicationError.Busy, DemoteItFirst, Decide(Seen("peer's demotion", Says(Primary, 10), age: 60), asked: 0));
        Allowed(Decide(Seen("peer's demotion", Says(Primary, 10), age: -5), asked: 0));
        // The clocks are too far apart for that to tell anything.
        Refused(ReplicationError.Busy, DemoteItFirst, Decide(Seen("peer's demotion", Says(Primary, 10), age: -6), asked: 0));
    }

    [Theory]
    [InlineData("peer's demotion", Nobody)]
    [InlineData("peer's demotion", Replaying)]
    [InlineData("journal, peer's demotion", Nobody)]
    public void The_peers_demotion_is_promoted_by_a_new_report(string past, string words) =>
        Allowed(Decide(Seen(past, Says(words, 5)), asked: 35));

    [Theory]
    [InlineData("peer's demotion", Nobody)]
    [InlineData("peer's demotion", Replaying)]
    [InlineData("journal, peer's demotion", Nobody)]
    public void The_peers_demotion_waits_for_a_new_report(string past, string words) =>
        Refused(ReplicationError.Busy, "may have been promoted again", Decide(Seen(past, Says(words, 6)), asked: 35));

    [Theory]
    [InlineData("peer's demotion")]
    [InlineData("journal, peer's demotion")]
    public void The_peers_demotion_waits_for_a_primary_peer(string past) =>
        Refused(ReplicationError.Busy, DemoteItFirst, Decide(Seen(past, Says(Primary)), LongAgo));

    [Theory]
    [InlineData("peer's demotion")]
    [InlineData("journal, peer's demotion")]
    public void The_peers_demotion_is_promoted_beside_a_dead_peer(string past) => Allowed(Decide(Seen(past, Down(Nobody)), asked: 0));

    [Theory]
    [InlineData("peer's demotion")]
    [InlineData("journal, peer's demotion")]
    public void The_peers_demotion_needs_force_beside_a_dead_primary(string past) =>
        Refused(ReplicationError.FailedPrecondition, "force promotes what is here", Decide(Seen(past, Down(Primary)), asked: 0));

    [Theory]
    [InlineData("peer's demotion")]
    [InlineData("journal, peer's demotion")]
    public void The_peers_demotion_waits_45_s_for_a_silent_peer(string past)
    {
        Refused(ReplicationError.Busy, "has not reported", Decide(Seen(past, Silent), asked: 44));
        Allowed(Decide(Seen(past, Silent), asked: 45));
    }

    [Theory]
    [InlineData("own demotion")]
    [InlineData("own demotion, not copied")]
    [InlineData("journal, own demotion")]
    public void An_own_demotion_waits_for_a_primary_peer(string past) =>
        Refused(ReplicationError.Busy, DemoteItFirst, Decide(Seen(past, Says(Primary)), LongAgo));

    [Theory]
    [InlineData("own demotion", Nobody)]
    [InlineData("own demotion", Primary)]
    [InlineData("journal, own demotion", Nobody)]
    public void An_own_demotion_needs_force_beside_a_dead_peer(string past, string words) =>
        Refused(ReplicationError.FailedPrecondition, "whether the peer was promoted since cannot be seen", Decide(Seen(past, Down(words)), asked: 0));

    [Theory]
    [InlineData("own demotion")]
    [InlineData("journal, own demotion")]
    public void An_own_demotion_waits_45_s_for_a_silent_peer(string past)
    {
        Refused(ReplicationError.Busy, "has not reported", Decide(Seen(past, Silent), asked: 44));
        Refused(ReplicationError.FailedPrecondition, "has not reported", Decide(Seen(past, Silent), asked: 45));
    }

    [Fact]
    public void An_own_demotion_that_has_parted_needs_force()
    {
        const string Parted = "the histories of the sites have parted";
        Refused(ReplicationError.FailedPrecondition, Parted, Decide(Seen("own demotion", Says(SplitBrain)), LongAgo));
        Refused(ReplicationError.FailedPrecondition, Parted, Decide(Seen("own demotion", Says(Nobody), Own(SplitBrain, Age - 1)), LongAgo));
        Refused(ReplicationError.FailedPrecondition, Parted, Decide(Seen("journal, own demotion", Says(Nobody, 1), Own(SplitBrain, 299)), asked: 300));
        // From before the demotion, or perhaps.
        Allowed(Decide(Seen("own demotion", Says(Nobody), Own(SplitBrain, Age)), LongAgo));
        Allowed(Decide(Seen("journal, own demotion", Says(Nobody, 1), Own(SplitBrain, 300)), asked: 300));
    }

    [Theory]
    [InlineData("own demotion, not copied")]
    [InlineData("journal, own demotion, not replayed")]
    public void An_own_demotion_that_the_peer_fails_to_copy_is_promoted_by_a_report_120_s_newer(string past)
    {
        const string Other = "error bootstrapping replay";
        Allowed(Decide(Seen(past, Says(Other, 0)), asked: 120));
        Refused(ReplicationError.Busy, "may have been promoted since", Decide(Seen(past, Says(Other, 1)), asked: 120));
        Refused(ReplicationError.Busy, "still copying", Decide(Seen(past, TriesAgain(0)), LongAgo));
        Allowed(Decide(Seen("own demotion", Says(Nobody), OwnTriesAgain), LongAgo));
    }

    [Theory]
    [InlineData("own demotion, not copied", Replaying)]
    [InlineData("own demotion, not copied", Starting)]
    [InlineData("journal, own demotion, not replayed", Nobody)]
    public void An_own_demotion_waits_for_its_copy(string past, string words) =>
        Refused(ReplicationError.Busy, "still copying its last snapshot", Decide(Seen(past, Says(words)), LongAgo));

    [Theory]
    [InlineData(Nobody)]
    [InlineData(Idle)]
    public void An_own_demotion_that_the_peer_misses_is_promoted(string words)
    {
        Allowed(Decide(Seen("own demotion, not copied", Says(words)), asked: 121));
        Refused(ReplicationError.Busy, "may have been promoted since", Decide(Seen("own demotion, not copied", Says(words, 2)), asked: 121));
        Refused(ReplicationError.Busy, "still copying", Decide(Seen("own demotion, not copied", Says(words, 1), age: 120), LongAgo));
    }

    [Theory]
    [InlineData("own demotion", Nobody)]
    [InlineData("own demotion, not copied", Copied)]
    [InlineData("journal, own demotion", Nobody)]
    public void An_own_demotion_is_promoted_by_a_report_120_s_newer(string past, string words)
    {
        Allowed(Decide(Seen(past, Says(words, 20)), asked: 140));
        Refused(ReplicationError.Busy, "may have been promoted since", Decide(Seen(past, Says(words, 21)), asked: 140));
    }

    [Theory]
    [InlineData("own demotion, cut off")]
    [InlineData("journal, own demotion, cut off")]
    public void A_demotion_cut_off_waits_for_a_primary_peer(string past) =>
        Refused(ReplicationError.Busy, DemoteItFirst, Decide(Seen(past, Says(Primary)), LongAgo));

    [Theory]
    [InlineData("own demotion, cut off")]
    [InlineData("journal, own demotion, cut off")]
    public void A_demotion_cut_off_needs_force_beside_a_dead_primary(string past) =>
        Refused(ReplicationError.FailedPrecondition, "it may hold newer data", Decide(Seen(past, Down(Primary)), asked: 0));

    [Theory]
    [InlineData("own demotion, cut off")]
    [InlineData("journal, own demotion, cut off")]
    public void A_demotion_cut_off_is_promoted_otherwise(string past)
    {
        foreach (var peer in (PeerStatus[])[Says(Replaying, 10), Says(Nobody, 10), Says(SplitBrain, 10), Down(Nobody), Silent])
            Allowed(Decide(Seen(past, peer), asked: 0));
    }

    [Theory]
    [InlineData("copy")]
    [InlineData("half a copy")]
    [InlineData("journal, copy")]
    public void A_copy_of_a_primary_needs_force_or_waits_under_strictFailover(string past)
    {
        Refused(ReplicationError.FailedPrecondition, "force to fail over without its last writes", Decide(Seen(past, Says(Primary, 0)), asked: 60));
        Refused(ReplicationError.Busy, "strictFailover is set", PromotionRules.Decide(Seen(past, Says(Primary, 0)), heldSince: null, Ago(60), strict: true));
    }

    [Theory]
    [InlineData("copy")]
    [InlineData("half a copy")]
    [InlineData("journal, copy")]
    public void A_copy_of_a_primary_waits_for_a_new_report(string past) =>
        Refused(ReplicationError.Busy, "since a peer that was just demoted goes on saying so", Decide(Seen(past, Says(Primary, 1)), asked: 60));

    [Theory]
    [InlineData("copy")]
    [InlineData("half a copy")]
    [InlineData("journal, copy")]
    public void A_copy_of_a_dead_peer_needs_force(string past)
    {
        const string Disaster = "force fails over to the last state that this site has copied";
        foreach (var own in (MirrorSiteStatus?[])[null, Own(Nobody), Own(Replaying) with { IsUp = false }])
            Refused(ReplicationError.FailedPrecondition, Disaster, Decide(Seen(past, Down(Primary), own), asked: 0));
    }

    [Theory]
    [InlineData("copy", Replaying)]
    [InlineData("half a copy", Copying)]
    [InlineData("journal, copy", Replaying)]
    public void A_copy_of_a_dead_peer_that_seems_to_run_waits_45_s(string past, string own)
    {
        Refused(ReplicationError.Busy, "may still reach its cluster", Decide(Seen(past, Down(Primary), Own(own)), asked: 44));
        Refused(ReplicationError.FailedPrecondition, "force fails over", Decide(Seen(past, Down(Primary), Own(own)), asked: 45));
    }

    [Theory]
    [InlineData("copy")]
    [InlineData("journal, copy")]
    public void A_copy_of_a_silent_peer_waits_45_s(string past)
    {
        Refused(ReplicationError.Busy, "has not reported", Decide(Seen(past, Silent), asked: 44));
        Refused(ReplicationError.FailedPrecondition, "force promotes what this site has copied", Decide(Seen(past, Silent), asked: 45));
    }

    [Theory]
    [InlineData("copy")]
    [InlineData("journal, copy")]
    public void A_copy_of_a_peer_that_has_parted_needs_force(string past)
    {
        Refused(ReplicationError.FailedPrecondition, "force promotes what this site has copied", Decide(Seen(past, Says(SplitBrain, 0)), asked: 60));
        Refused(ReplicationError.Busy, OnItsWay, Decide(Seen(past, Says(SplitBrain, 1)), asked: 60));
    }

    [Theory]
    [InlineData("copy")]
    [InlineData("half a copy")]
    [InlineData("journal, copy")]
    public void A_copy_of_a_peer_with_any_other_error_waits_for_the_last_snapshot(string past)
    {
        foreach (var peer in (PeerStatus[])[TriesAgain(0), Says("error bootstrapping replay", 0), Says("image in transient state", 0)])
            Refused(ReplicationError.Busy, OnItsWay, Decide(Seen(past, peer), LongAgo));
    }

    [Theory]
    [InlineData("copy", Syncing, "3 % copied")]
    [InlineData("copy", Nobody, $"this site's mirror daemon says \"{Nobody}\"")]
    [InlineData("half a copy", Nobody, "the copy has begun")]
    [InlineData("copy", null, "this site's mirror daemon is down")]
    [InlineData("journal, copy", Replaying, $"this site's mirror daemon says \"{Replaying}\"")]
    public void A_copy_waits_for_the_last_snapshot(string past, string? own, string progress) =>
        Refused(ReplicationError.Busy, $"{OnItsWay}: {progress}", Decide(Seen(past, Says(Nobody), own is null ? null : Own(own)), LongAgo));

    private static RelocationDecision Decide(Sighting seen, int asked) => PromotionRules.Decide(seen, heldSince: null, Ago(asked), strict: false);
}
