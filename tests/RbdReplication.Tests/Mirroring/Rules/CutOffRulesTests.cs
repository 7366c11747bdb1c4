using RbdReplication.Ceph;
using RbdReplication.Core;
using static RbdReplication.Tests.Mirroring.Rules.Sightings;

namespace RbdReplication.Tests.Mirroring.Rules;

public sealed class CutOffRulesTests
{
    [Theory]
    [InlineData(true, ImageFeatures.NonPrimary, true)]
    [InlineData(true, ImageFeatures.NonPrimary | ImageFeatures.Journaling, true)]
    [InlineData(true, ImageFeatures.Journaling, false)]
    [InlineData(false, ImageFeatures.NonPrimary, false)]
    public void A_primary_that_is_read_only_is_between_two_steps(bool isPrimary, ImageFeatures features, bool isCutOff) =>
        Assert.Equal(isCutOff, CutOffRules.IsReadOnlyPrimary(isPrimary, features));

    [Fact]
    public void A_mix_of_two_points_in_time_is_rolled_back_by_force_and_not_promoted_without()
    {
        foreach (var chain in (MirrorChain[])[HalfRolledBack, new([.. HalfRolledBack.Snapshots, .. HalfRolledBack.Snapshots.TakeLast(1)])])
        {
            Refused(ReplicationError.FailedPrecondition, "promote it by force, which finishes that", CutOffRules.Rollback(chain, force: false));
            Allowed(CutOffRules.Rollback(chain, force: true));
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_mix_that_was_copied_over_since_is_not_promoted_at_all(bool force) =>
        Refused(ReplicationError.Damaged, "which was gone on with since", CutOffRules.Rollback(new([.. HalfRolledBack.Snapshots, .. Past("copy").Chain.Snapshots]), force));

    [Theory]
    [InlineData("copy")]
    [InlineData("half a copy")]
    [InlineData("peer's demotion")]
    [InlineData("own demotion, cut off")]
    [InlineData("journal, copy")]
    public void No_other_past_is_taken_for_such_a_mix(string past)
    {
        Allowed(CutOffRules.Rollback(Past(past).Chain, force: false));
        Assert.Empty(Past(past).Chain.UnfinishedRollback);
    }

    [Theory]
    [InlineData("primary", true)]
    [InlineData("own demotion", false)]
    [InlineData("copy", false)]
    [InlineData("nothing", false)]
    public void A_snapshot_of_a_primary_is_left_where_enabling_was_cut_off(string past, bool isHalf) =>
        Assert.Equal(isHalf, CutOffRules.IsHalfEnabled(Past(past).Chain));
}
