using RbdReplication.Ceph;
using RbdReplication.Core;
using static RbdReplication.Tests.Mirroring.Rules.Sightings;

namespace RbdReplication.Tests.Mirroring.Rules;

public sealed class DisableRulesTests
{
    [Theory]
    [InlineData(true, false)]
    [InlineData(true, true)]
    [InlineData(false, true)]
    public void A_primary_is_disabled_and_by_force_a_secondary(bool isPrimary, bool force) =>
        Assert.Equal(DisableStep.Disable, DisableRules.Decide(new MirrorImageInfo("id", MirrorImageState.Enabled, isPrimary), force));

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
