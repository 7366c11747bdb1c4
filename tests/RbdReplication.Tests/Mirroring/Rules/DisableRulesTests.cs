using RbdReplication.Ceph;
using RbdReplication.Core;
using static RbdReplication.Tests.Mirroring.Rules.Sightings;

namespace RbdReplication.Tests.Mirroring.Rules;

public sealed class DisableRulesTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void By_force_a_primary_and_a_secondary_are_disabled(bool isPrimary) =>
        Assert.Equal(DisableStep.Disable, DisableRules.Decide(new MirrorImageInfo("id", MirrorImageState.Enabled, isPrimary), force: true));

    [Fact]
    public void A_primary_is_disabled_after_a_look_at_its_past() =>
        Assert.Equal(DisableStep.DisablePrimary, DisableRules.Decide(new MirrorImageInfo("id", MirrorImageState.Enabled, IsPrimary: true), force: false));

    [Theory]
    [InlineData("primary after the peer's demotion", true)]
    [InlineData("primary after the peer's demotion, followed", false)]
    public void After_a_move_a_primary_is_disabled_when_its_snapshots_show_that_the_peer_has_begun_to_follow_whatever_it_says(string past, bool awaits)
    {
        foreach (var peer in (PeerStatus[])[Says(Nobody), Says(Copied), Says(Starting), Says(Primary), Says(Copying), Says(Replaying), Says(Syncing), Silent, TriesAgain()])
            Assert.Equal(awaits, DisableRules.AwaitsFollower(Seen(past, peer, age: 20), Ago(20)));
    }

    [Theory]
    [InlineData("journal, primary after a demotion", true)]
    [InlineData("journal, primary after a demotion, then opened", true)]
    [InlineData("journal, primary after a demotion, being copied", true)]
    [InlineData("journal, primary after a demotion, followed", false)]
    public void By_its_journal_the_peer_follows_when_it_has_replayed_from_it_since_the_move_whatever_it_says(string past, bool awaits)
    {
        foreach (var peer in (PeerStatus[])[Says(Nobody), Says(Replaying), Says(Starting), Says(Primary), Silent])
            Assert.Equal(awaits, DisableRules.AwaitsFollower(Seen(past, peer, age: 20), Ago(20)));
    }

    [Theory]
    [InlineData("primary after the peer's demotion")]
    [InlineData("journal, primary after a demotion")]
    public void A_primary_is_disabled_beside_a_peer_that_does_not_come_to_follow(string past)
    {
        foreach (var peer in (PeerStatus[])[Down(Nobody), Down(Primary), Says(SplitBrain)])
            Assert.False(DisableRules.AwaitsFollower(Seen(past, peer, age: 20), Ago(20)), $"{peer}");
        Assert.False(DisableRules.AwaitsFollower(Seen(past, Says(Nobody), age: 20).WithoutPeers(), Ago(20)));
        Assert.False(DisableRules.AwaitsFollower(Seen(past, Says(Nobody), age: 70), Ago(61)));
    }

    [Theory]
    [InlineData("primary")]
    [InlineData("primary after its own demotion")]
    [InlineData("primary after the peer's demotion, followed")]
    [InlineData("journal, primary")]
    public void A_primary_that_has_not_come_from_the_peer_or_is_followed_again_is_disabled_at_once(string past) =>
        Assert.False(DisableRules.AwaitsFollower(Seen(past, Says(Nobody)), Ago(1)));

    [Fact]
    public void About_a_secondary_the_sites_are_asked() =>
        Assert.Equal(DisableStep.Look, DisableRules.Decide(new MirrorImageInfo("id", MirrorImageState.Enabled, IsPrimary: false), force: false));

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, true)]
    public void What_was_begun_is_disabled_to_the_end(bool isPrimary, bool force) =>
        Assert.Equal(DisableStep.Finish, DisableRules.Decide(new MirrorImageInfo("id", MirrorImageState.Disabling, isPrimary), force));

    [Theory]
    [InlineData(MirrorImageState.Creating)]
    [InlineData(MirrorImageState.Disabled)]
    public void A_state_that_passes_is_waited_for(MirrorImageState state) =>
        Assert.Equal(DisableStep.AwaitState, DisableRules.Decide(new MirrorImageInfo("id", state, IsPrimary: false), force: true));

    [Theory]
    [InlineData(Replaying)]
    [InlineData(Nobody)]
    public void A_secondary_is_disabled_where_the_pool_has_no_peer(string own) =>
        Assert.Equal(DisableStep.Disable, DisableRules.Decide(Seen("copy", Silent, Own(own)).WithoutPeers()));

    [Fact]
    public void A_secondary_that_follows_is_left_to_its_mirror_daemon() =>
        Assert.Equal(DisableStep.LeaveToDaemon, DisableRules.Decide(Seen("copy", Says(Primary), Own(Replaying))));

    [Fact]
    public void Any_other_secondary_is_not_disabled()
    {
        foreach (var own in (MirrorSiteStatus?[])[null, Own(Nobody), Own(Copying), Own(SplitBrain), Own(Replaying) with { IsUp = false }])
            Assert.Equal(DisableStep.Refuse, DisableRules.Decide(Seen("copy", Says(Primary), own)));
    }
}
