using RbdReplication.Ceph;
using RbdReplication.Core;
using static RbdReplication.Tests.Mirroring.Rules.Sightings;

namespace RbdReplication.Tests.Mirroring.Rules;

public sealed class DemotionRulesTests
{
    private const string Parted = "the histories have parted";

    [Theory]
    [InlineData(".rbd.csi.ceph.com/clientAddress/1")]
    [InlineData(".rbd.csi.ceph.com/userID/1")]
    [InlineData(".rbd.csi.ceph.com/userid")]
    public void A_volume_that_a_node_has_is_not_demoted(string key) =>
        Refused(ReplicationError.FailedPrecondition, $"a node still has the volume (image metadata {key})", Unpublished(key, MirrorImageMode.Snapshot));

    [Fact]
    public void Other_metadata_than_a_nodes_is_in_nobodys_way() => Allowed(Unpublished(".rbd.csi.ceph.com/encrypted", MirrorImageMode.Snapshot));

    [Fact]
    public void A_nodes_marks_on_a_journaled_image_may_be_the_peers() =>
        Allowed(Unpublished(".rbd.csi.ceph.com/clientAddress/1", MirrorImageMode.Journal));

    [Theory]
    [InlineData("primary")]
    [InlineData("journal, primary")]
    public void Without_a_peer_nobody_is_waited_for(string past) => Allowed(Before(Seen(past, Silent).WithoutPeers()));

    [Fact]
    public void A_peer_that_is_only_read_from_is_not_waited_for() => Allowed(Before(Seen("primary", Silent) with { Followers = [] }));

    [Theory]
    [InlineData("P1 P2p", Replaying)]
    [InlineData("P1 P2p", Idle)]
    public void A_peer_that_follows_gets_the_demotion_too(string chain, string words)
    {
        Allowed(Before(Seen(Chain(chain), Says(words))));
        Allowed(Before(Seen("journal, primary", Says(words, 0)), asked: 60));
    }

    [Theory]
    [InlineData("primary", Age)]
    [InlineData("journal, primary", 300)]
    public void A_peer_that_has_taken_over_is_left_its_history(string past, int since)
    {
        Allowed(Before(Seen(past, Says(Primary, since - 60)), asked: 300));
        Refused(ReplicationError.Busy, "has not begun to follow", Before(Seen(past, Says(Primary, since - 59)), asked: 300));
    }

    [Fact]
    public void A_peer_that_has_taken_over_is_known_by_the_snapshot_that_it_still_lacks()
    {
        var chain = new MirrorChain([.. Chain("P1p", age: 100).Snapshots, .. Chain("P2p", age: 10).Snapshots]);
        Allowed(Before(Seen(chain, Says(Primary, 40))));
        Refused(ReplicationError.Busy, "has not begun to follow", Before(Seen(chain, Says(Primary, 41))));
    }

    [Theory]
    [InlineData(SplitBrain, "resync the volume there first")]
    [InlineData("error bootstrapping replay", "flattened or removed")]
    public void An_error_of_the_peer_is_answered_with_what_mends_it(string words, string advice)
    {
        foreach (var past in (string[])["primary", "journal, primary"])
            Refused(ReplicationError.FailedPrecondition, advice, Before(Seen(past, Says(words))));
    }

    [Fact]
    public void A_peer_that_has_failed_and_tries_again_is_waited_for()
    {
        foreach (var past in (string[])["primary", "journal, primary"])
            Refused(ReplicationError.Busy, "waiting for what it finds", Before(Seen(past, TriesAgain())));
    }

    [Theory]
    [InlineData("P1p P2p")]
    [InlineData("P1 P2p")]
    public void A_peer_that_is_down_cannot_take_the_last_writes(string chain)
    {
        foreach (var peer in (PeerStatus[])[Down(Replaying), Down(Primary), Silent])
            Refused(ReplicationError.Unavailable, "start it, or demote with force", Before(Seen(Chain(chain), peer)));
        Refused(ReplicationError.Unavailable, "start it", Before(Seen(new ImageHistory(new MirrorChain([]), Journal("", "", new(4, 0))), Down(Replaying))));
    }

    [Theory]
    [InlineData("P1p P2p", Replaying)]
    [InlineData("P1p P2p", Nobody)]
    [InlineData("P1 P2p", Nobody)]
    [InlineData("P1p", Starting)]
    public void A_peer_that_does_not_follow_yet_is_waited_for(string chain, string words) =>
        Refused(ReplicationError.Busy, "has not begun to follow", Before(Seen(Chain(chain), Says(words))));

    [Theory]
    [InlineData("own demotion")]
    [InlineData("journal, own demotion")]
    public void A_demotion_that_the_peer_holds_is_done(string past)
    {
        foreach (var peer in (PeerStatus[])[Says(Nobody), Says(SplitBrain), Down(Nobody), Silent])
            Allowed(After(Seen(past, peer)));
    }

    [Theory]
    [InlineData("own demotion, nobody followed")]
    [InlineData("own demotion, not copied")]
    public void A_demotion_proves_nothing_without_a_snapshot_before_it_that_nobody_needs(string past) =>
        Refused(ReplicationError.Busy, "waiting for the peer to copy", After(Seen(past, Says(Starting))));

    // librbd removes a snapshot that nobody needs while it takes the next one: a peer that is quick enough leaves the demotion alone there.
    [Theory]
    [InlineData("P1p", 10, true)]
    [InlineData("P1 P2p", 10, true)]
    [InlineData("P1", 10, false)]
    [InlineData("P1p", 31, false)]
    public void A_demotion_alone_is_held_where_the_peer_followed_before(string before, int secondsBefore, bool isHeld)
    {
        var demoted = Seen("own demotion, nobody followed", Says(Starting));
        var primary = Seen(Chain(before), Says(Replaying)) with { At = Ago(Age + secondsBefore) };
        Assert.Equal(isHeld, After(demoted with { AsPrimary = primary }).Refusal is null);
        Assert.NotNull(After(demoted).Refusal);
    }

    [Theory]
    [InlineData("copy")]
    [InlineData("half a copy")]
    [InlineData("peer's demotion")]
    [InlineData("journal, copy")]
    [InlineData("journal, peer's demotion")]
    public void A_copy_of_the_peers_is_demoted_already(string past)
    {
        Assert.False(Past(past).IsDemotedHere);
        Allowed(After(Seen(past, Says(Primary))));
    }

    [Theory]
    [InlineData("own demotion", true)]
    [InlineData("own demotion, cut off", true)]
    [InlineData("journal, own demotion, cut off", true)]
    [InlineData("primary", false)]
    public void Only_a_demotion_that_was_made_here_is_waited_for(string past, bool isHere) => Assert.Equal(isHere, Past(past).IsDemotedHere);

    [Theory]
    [InlineData("own demotion, cut off")]
    [InlineData("journal, own demotion, cut off")]
    public void A_demotion_cut_off_is_made_again(string past)
    {
        foreach (var force in (bool[])[false, true])
            Assert.True(DemotionRules.IsToBeRepeated(Seen(past, Says(Replaying)), force));
        Refused(ReplicationError.Busy, "waiting for the peer to copy", After(Seen(past, Says(Replaying))));
    }

    [Theory]
    [InlineData("own demotion, not copied", Age)]
    [InlineData("journal, own demotion, not replayed", 300)]
    public void A_demotion_of_a_site_that_has_parted_is_done(string past, int since)
    {
        // A primary peer is believed from a report 60 s newer than the demotion on, or than the question where a journal tells no time.
        Allowed(After(Seen(past, Says(Primary, since - 60)), asked: 300));
        Refused(ReplicationError.Busy, "waiting for the peer", After(Seen(past, Says(Primary, since - 59)), asked: 300));
        Allowed(After(Seen(past, Says(Starting), Own(SplitBrain, since - 1)), asked: 300));
        Refused(ReplicationError.Busy, "waiting for the peer", After(Seen(past, Says(Starting), Own(SplitBrain, since)), asked: 300));
        Assert.Contains(Parted, After(Seen(past, Says(Starting), Own(SplitBrain, since - 1)), asked: 300).Reason, StringComparison.Ordinal);
        // Any other error says nothing of what the peer holds.
        foreach (var own in (MirrorSiteStatus[])[OwnTriesAgain, Own("error bootstrapping replay")])
            Refused(ReplicationError.Busy, "waiting for the peer", After(Seen(past, Says(Starting), own), asked: 300));
    }

    [Fact]
    public void A_demotion_is_done_when_the_peer_says_so()
    {
        Allowed(After(Seen("own demotion, not copied", Says(Copied, Age - 30))));
        Refused(ReplicationError.Busy, "waiting for the peer", After(Seen("own demotion, not copied", Says(Copied, Age - 29))));
        Refused(ReplicationError.Busy, "waiting for the peer", After(Seen("own demotion, not copied", Says(Nobody))));
    }

    [Theory]
    [InlineData(Nobody, Age - 120, true)]
    [InlineData(Nobody, Age - 119, false)]
    [InlineData(Idle, Age - 120, true)]
    [InlineData(Idle, Age - 119, false)]
    [InlineData(Syncing, 0, false)]
    [InlineData(Primary, 0, false)]
    public void A_demotion_that_the_peer_misses_is_made_again(string words, int reportAge, bool isMissed)
    {
        var seen = Seen("own demotion, not copied", Says(words, reportAge));
        Assert.Equal(isMissed, DemotionRules.IsToBeRepeated(seen, force: false));
        Assert.False(DemotionRules.IsToBeRepeated(seen, force: true));
        Assert.False(DemotionRules.IsToBeRepeated(Seen("own demotion", Says(words, reportAge)), force: false));
    }

    [Fact]
    public void A_demotion_in_a_journal_is_never_missed() =>
        Assert.False(DemotionRules.IsToBeRepeated(Seen("journal, own demotion, not replayed", Says(Nobody, 0)), force: false));

    [Fact]
    public void A_demotion_in_a_journal_waits_for_the_peers_first_copy() =>
        Refused(ReplicationError.Busy, "first copy has to be complete", Before(Seen("journal, primary, first copy", Says(Replaying, 0))));

    [Theory]
    [InlineData("error bootstrapping replay")]
    [InlineData(Nobody)]
    [InlineData(Copying)]
    public void A_demotion_before_the_peers_first_copy_was_complete_is_made_again(string words)
    {
        var seen = Seen("journal, own demotion, first copy", Says(words, 0));
        Assert.True(DemotionRules.IsToBeRepeated(seen, force: false));
        Assert.False(DemotionRules.IsToBeRepeated(seen, force: true));
        Refused(ReplicationError.Busy, "waiting for the peer", After(seen));
        foreach (var peer in (PeerStatus[])[Down(Replaying), Silent, Says(Primary, 0)])
            Assert.False(DemotionRules.IsToBeRepeated(Seen("journal, own demotion, first copy", peer), force: false));
    }

    [Theory]
    [InlineData("own demotion, not copied")]
    [InlineData("journal, own demotion, not replayed")]
    public void A_demotion_waits_for_a_peer_that_is_down(string past)
    {
        foreach (var peer in (PeerStatus[])[Down(Replaying), Silent])
            Refused(ReplicationError.Unavailable, "start its mirror daemon", After(Seen(past, peer)));
    }

    [Theory]
    [InlineData("own demotion, not copied", Replaying)]
    [InlineData("own demotion, not copied", SplitBrain)]
    [InlineData("journal, own demotion, not replayed", Nobody)]
    public void A_demotion_waits_for_the_copy(string past, string words) =>
        Refused(ReplicationError.Busy, "waiting for the peer to copy", After(Seen(past, Says(words))));

    [Theory]
    [InlineData("primary")]
    [InlineData("journal, primary")]
    public void A_demotion_of_this_moment_is_waited_for_until_it_is_seen(string past)
    {
        Refused(ReplicationError.Busy, "not seen yet", DemotionRules.After(Seen(past, Says(Replaying)), Now, justDemoted: true));
        Allowed(DemotionRules.After(Seen("own demotion", Says(Replaying)), Now, justDemoted: true));
    }

    private static RelocationDecision Unpublished(string key, MirrorImageMode mode) =>
        DemotionRules.Unpublished(new Dictionary<string, string> { [key] = "" }, mode);

    private static RelocationDecision Before(Sighting seen, int asked = 0) => DemotionRules.Before(seen, seen.Chain, Ago(asked));

    private static RelocationDecision After(Sighting seen, int asked = 0) => DemotionRules.After(seen, Ago(asked), justDemoted: false);
}
