using RbdReplication.Ceph;
using RbdReplication.Core;

namespace RbdReplication.Tests.Mirroring;

/// <summary>Every row of the decision table in docs/relocation.md.</summary>
public sealed class RelocationRulesTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    private const string Allowed = "allowed";

    [Theory]
    // chain, peer, seconds since first asked, age of the report, answer
    [InlineData("peer's demotion, copied 59 s ago", PeerRole.Primary, 0, 10, Allowed)]
    [InlineData("peer's demotion", PeerRole.NotPrimary, 35, 6, "Busy")]
    [InlineData("peer's demotion", PeerRole.NotPrimary, 35, 4, Allowed)]
    [InlineData("peer's demotion", PeerRole.Following, 35, 6, "Busy")]
    [InlineData("peer's demotion", PeerRole.Primary, 500, 1, "Busy")]
    [InlineData("peer's demotion", PeerRole.Down, 0, 500, Allowed)]
    [InlineData("peer's demotion", PeerRole.Silent, 44, 0, "Busy")]
    [InlineData("peer's demotion", PeerRole.Silent, 45, 0, Allowed)]
    [InlineData("peer's demotion, stamped in the future", PeerRole.NotPrimary, 0, 1, "Busy")]
    [InlineData("own demotion", PeerRole.Primary, 500, 1, "Busy")]
    [InlineData("own demotion", PeerRole.NotPrimary, 119, 0, "Busy")]
    [InlineData("own demotion", PeerRole.NotPrimary, 140, 21, "Busy")]
    [InlineData("own demotion", PeerRole.NotPrimary, 140, 19, Allowed)]
    [InlineData("own demotion", PeerRole.Down, 0, 100, "FailedPrecondition")]
    [InlineData("own demotion", PeerRole.Failed, 500, 1, "FailedPrecondition")]
    [InlineData("own demotion", PeerRole.Silent, 44, 0, "Busy")]
    [InlineData("own demotion", PeerRole.Silent, 45, 0, "FailedPrecondition")]
    [InlineData("own demotion, not copied", PeerRole.Following, 500, 1, "Busy")]
    [InlineData("own demotion, not copied", PeerRole.NotPrimary, 500, 1, "Busy")]
    [InlineData("own demotion, cut off", PeerRole.Following, 0, 10, Allowed)]
    [InlineData("own demotion, cut off", PeerRole.Down, 0, 100, Allowed)]
    [InlineData("own demotion, cut off", PeerRole.Primary, 500, 1, "Busy")]
    [InlineData("copy", PeerRole.Primary, 59, 0, "Busy")]
    [InlineData("copy", PeerRole.Primary, 61, 0, "FailedPrecondition")]
    [InlineData("copy", PeerRole.Down, 0, 40, "FailedPrecondition")]
    [InlineData("copy", PeerRole.Silent, 44, 0, "Busy")]
    [InlineData("copy", PeerRole.Silent, 45, 0, "FailedPrecondition")]
    [InlineData("copy", PeerRole.NotPrimary, 500, 0, "Busy")]
    [InlineData("half a copy", PeerRole.NotPrimary, 500, 0, "Busy")]
    [InlineData("journal", PeerRole.NotPrimary, 59, 0, "Busy")]
    [InlineData("journal", PeerRole.NotPrimary, 61, 0, Allowed)]
    [InlineData("journal", PeerRole.Primary, 59, 0, "Busy")]
    [InlineData("journal", PeerRole.Primary, 61, 0, "FailedPrecondition")]
    [InlineData("journal", PeerRole.Down, 0, 40, "FailedPrecondition")]
    public void An_unforced_promotion_is_answered(string chain, PeerRole peer, int askedSecondsAgo, int reportAge, string answer) =>
        Assert.Equal(answer, Name(RelocationRules.Promotion(
            Chain(chain), heldSince: null, null, Peer(peer, reportAge), Now.AddSeconds(-askedSecondsAgo), Now, strict: false)));

    [Theory]
    // chain, peer, seconds since the daemon is waited for, answer
    [InlineData("peer's demotion, copied 59 s ago", PeerRole.NotPrimary, 44, "Busy")]
    [InlineData("peer's demotion, copied 59 s ago", PeerRole.NotPrimary, 45, Allowed)]
    [InlineData("peer's demotion", PeerRole.Down, 44, "Busy")]
    [InlineData("peer's demotion", PeerRole.Down, 45, Allowed)]
    [InlineData("own demotion", PeerRole.NotPrimary, 0, Allowed)]
    [InlineData("copy", PeerRole.Down, 0, "FailedPrecondition")]
    public void A_mirror_daemon_that_is_not_done_with_the_peers_demotion_is_waited_for(string chain, PeerRole peer, int heldSecondsAgo, string answer) =>
        Assert.Equal(answer, Name(RelocationRules.Promotion(
            Chain(chain), Now.AddSeconds(-heldSecondsAgo), null, Peer(peer, 1), Now.AddMinutes(-5), Now, strict: false)));

    [Fact]
    public void An_interrupted_forced_promotion_is_recognised()
    {
        Assert.True(Chain("half rolled back").IsHalfRolledBack);
        Assert.False(Chain("half a copy").IsHalfRolledBack);
    }

    [Fact]
    public void A_living_primary_peer_is_waited_for_under_strictFailover() =>
        Assert.Equal("Busy", Name(RelocationRules.Promotion(
            Chain("copy"), heldSince: null, null, Peer(PeerRole.Primary, 0), Now.AddMinutes(-5), Now, strict: true)));

    [Fact]
    public void A_dead_peer_whose_cluster_still_seems_to_be_followed_is_waited_for_less_than_a_minute()
    {
        var own = new MirrorSiteStatus("", MirrorStatusState.Replaying, "replaying", Now, true);
        Assert.Equal("Busy", Name(RelocationRules.Promotion(Chain("copy"), heldSince: null, own, Peer(PeerRole.Down, 40), Now.AddSeconds(-44), Now, strict: false)));
        Assert.Equal("FailedPrecondition", Name(RelocationRules.Promotion(Chain("copy"), heldSince: null, own, Peer(PeerRole.Down, 40), Now.AddSeconds(-45), Now, strict: false)));
    }

    [Theory]
    [InlineData(PeerRole.Following, true, Allowed)]
    [InlineData(PeerRole.Following, false, "Busy")]
    [InlineData(PeerRole.NotPrimary, false, "Busy")]
    [InlineData(PeerRole.Down, true, "Unreachable")]
    [InlineData(PeerRole.Down, false, "Unreachable")]
    [InlineData(PeerRole.Silent, false, "Unreachable")]
    [InlineData(PeerRole.Failed, false, "FailedPrecondition")]
    [InlineData(PeerRole.Primary, false, Allowed)]
    public void A_demotion_needs_a_peer_that_follows_or_one_that_has_taken_over(PeerRole peer, bool follows, string answer)
    {
        var awaited = Snapshot(1, MirrorSnapshotState.Primary, 90, peers: ["p"]);
        Assert.Equal(answer, Name(RelocationRules.BeforeDemotion(true, Peer(peer, 10), awaited, follows, Now)));
    }

    [Fact]
    public void A_peer_that_was_primary_before_this_site_was_promoted_has_not_taken_over() =>
        Assert.Equal("Busy", Name(RelocationRules.BeforeDemotion(
            true, Peer(PeerRole.Primary, 10), Snapshot(1, MirrorSnapshotState.Primary, 60, peers: ["p"]), false, Now)));

    [Fact]
    public void A_pool_without_peers_is_demoted_at_once() =>
        Assert.Equal(Allowed, Name(RelocationRules.BeforeDemotion(false, Peer(PeerRole.Silent, 0), null, false, Now)));

    [Theory]
    [InlineData("own demotion", PeerRole.NotPrimary, Allowed)]
    [InlineData("own demotion", PeerRole.Down, Allowed)]
    [InlineData("own demotion, not copied", PeerRole.Following, "Busy")]
    [InlineData("own demotion, not copied", PeerRole.NotPrimary, "Busy")]
    [InlineData("own demotion, not copied", PeerRole.Failed, "Busy")]
    [InlineData("own demotion, not copied", PeerRole.Down, "Unreachable")]
    [InlineData("own demotion, cut off", PeerRole.Following, "Busy")]
    [InlineData("copy", PeerRole.Primary, Allowed)]
    public void A_demotion_is_done_when_the_peer_holds_it(string chain, PeerRole peer, string answer) =>
        Assert.Equal(answer, Name(RelocationRules.AfterDemotion(Chain(chain), true, null, Peer(peer, 1), Now)));

    [Theory]
    [InlineData(MirrorStatusState.Unknown, "remote image is not primary", 379, true)]
    [InlineData(MirrorStatusState.Unknown, "remote image is not primary", 381, false)]
    [InlineData(MirrorStatusState.Replaying, """replaying, {"replay_state":"idle"}""", 379, true)]
    [InlineData(MirrorStatusState.Replaying, """replaying, {"replay_state":"idle"}""", 381, false)]
    [InlineData(MirrorStatusState.Replaying, """replaying, {"replay_state":"syncing","syncing_percent":3}""", 0, false)]
    [InlineData(MirrorStatusState.Stopped, "local image is primary", 0, false)]
    public void A_demotion_that_the_peer_will_not_copy_by_itself_is_made_anew(MirrorStatusState state, string words, int reportAge, bool missed)
    {
        var report = new MirrorSiteStatus("x", state, words, Now.AddSeconds(-reportAge), true);
        var peer = PeerView.From(
            new MirrorGlobalStatus("image", new MirrorImageInfo("id", MirrorImageState.Enabled, IsPrimary: false), [report]), new MirrorSites("here", []));
        Assert.Equal(missed, RelocationRules.IsDemotionMissed(Chain("own demotion, not copied"), peer));
        Assert.False(RelocationRules.IsDemotionMissed(Chain("own demotion"), peer));
    }

    [Theory]
    [InlineData(PeerRole.Following, 59, 0, false)]
    [InlineData(PeerRole.Following, 61, 0, true)]
    [InlineData(PeerRole.NotPrimary, 61, 0, false)]
    public void A_journal_is_followed_when_a_report_that_is_new_enough_says_so(PeerRole peer, int askedSecondsAgo, int reportAge, bool follows) =>
        Assert.Equal(follows, RelocationRules.FollowsJournal(Peer(peer, reportAge), Now.AddSeconds(-askedSecondsAgo)));

    private static MirrorChain Chain(string name) => new(name switch
    {
        "peer's demotion" => [Snapshot(1, MirrorSnapshotState.NonPrimaryDemoted, 61, from: "x")],
        "peer's demotion, copied 59 s ago" => [Snapshot(1, MirrorSnapshotState.NonPrimaryDemoted, 59, from: "x")],
        "peer's demotion, stamped in the future" => [Snapshot(1, MirrorSnapshotState.NonPrimaryDemoted, -30, from: "x")],
        "own demotion" => [Snapshot(2, MirrorSnapshotState.PrimaryDemoted, 500, peers: ["p"])],
        "own demotion, not copied" =>
            [Snapshot(1, MirrorSnapshotState.Primary, 600, peers: ["p"]), Snapshot(2, MirrorSnapshotState.PrimaryDemoted, 500, peers: ["p"])],
        "own demotion, cut off" =>
            [Snapshot(1, MirrorSnapshotState.Primary, 600), Snapshot(2, MirrorSnapshotState.PrimaryDemoted, 500, peers: ["p"], complete: false)],
        "copy" => [Snapshot(1, MirrorSnapshotState.NonPrimary, 100, from: "x")],
        "half a copy" => [Snapshot(1, MirrorSnapshotState.NonPrimary, 100, from: "x"), Snapshot(2, MirrorSnapshotState.NonPrimary, 10, from: "x", complete: false)],
        "half rolled back" => [Snapshot(1, MirrorSnapshotState.NonPrimary, 100, from: "x", complete: false), Snapshot(2, MirrorSnapshotState.NonPrimary, 10)],
        _ => [],
    });

    private static MirrorSnapshot Snapshot(
        ulong id, MirrorSnapshotState state, int age, string[]? peers = null, string from = "", bool complete = true) =>
        new(id, state, complete, from, from.Length > 0 ? id : MirrorSnapshot.NoSnapshot, peers ?? [], 0, Now.AddSeconds(-age));

    private static PeerView Peer(PeerRole role, int reportAge) =>
        new(role, "site-x", role == PeerRole.Silent ? null : new MirrorSiteStatus("x", MirrorStatusState.Unknown, "", Now.AddSeconds(-reportAge), role != PeerRole.Down));

    private static string Name(RelocationDecision decision) => decision.Refusal?.ToString() ?? Allowed;
}
