using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.KubernetesTests.Clusters;

namespace RbdReplication.KubernetesTests.Sites;

/// <summary>A claim that is mirrored by snapshots moves.</summary>
public sealed class MoveTests(TwoClusters clusters, TwoSites sites) : VolumeProcedure(clusters, sites)
{
    [Fact]
    public async Task A_claim_moves_there_and_back_with_every_write_and_is_let_go_right_after() => await LetGoAsync(await MoveAsync("snapshot", Features));
}

/// <summary>A claim that is mirrored by its journal moves.</summary>
public sealed class JournalMoveTests(TwoClusters clusters, TwoSites sites) : VolumeProcedure(clusters, sites)
{
    [Fact]
    public async Task A_claim_in_journal_mode_moves_there_and_back_with_every_write_and_is_let_go_right_after() =>
        await LetGoAsync(await MoveAsync("journal", Features | ImageFeatures.Journaling));
}
