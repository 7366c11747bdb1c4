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
    [InlineData("journal, peer's demotion", PeerRole.NotPrimary, 29, 0, "Busy")]
    [InlineData("journal, peer's demotion", PeerRole.NotPrimary, 31, 0, Allowed)]
    [InlineData("journal, peer's demotion", PeerRole.Primary, 500, 0, "Busy")]
    [InlineData("journal, peer's demotion", PeerRole.Down, 0, 500, Allowed)]
    [InlineData("journal, own demotion", PeerRole.NotPrimary, 119, 0, "Busy")]
    [InlineData("journal, own demotion", PeerRole.NotPrimary, 121, 0, Allowed)]
    [InlineData("journal, own demotion", PeerRole.Down, 0, 100, "FailedPrecondition")]
    [InlineData("journal, own demotion, not replayed", PeerRole.NotPrimary, 500, 0, "Busy")]
    [InlineData("journal, own demotion, cut off", PeerRole.NotPrimary, 0, 0, Allowed)]
    [InlineData("journal", PeerRole.NotPrimary, 500, 0, "Busy")]
    [InlineData("journal", PeerRole.Primary, 59, 0, "Busy")]
    [InlineData("journal", PeerRole.Primary, 61, 0, "FailedPrecondition")]
    [InlineData("journal", PeerRole.Down, 0, 40, "FailedPrecondition")]
    public void An_unforced_promotion_is_answered(string chain, PeerRole peer, int askedSecondsAgo, int reportAge, string answer) =>
        Assert.Equal(answer, Name(PromotionRules.Decide(
            Seen(chain, Peer(peer, reportAge)), heldSince: null, Now.AddSeconds(-askedSecondsAgo), strict: false)));

    [Theory]
    [InlineData("remote image is not primary", Allowed)]
    [InlineData("replaying", "Busy")]
    public void A_demotion_that_the_peer_will_not_copy_by_itself_can_be_taken_back(string words, string answer) =>
        Assert.Equal(answer, Name(PromotionRules.Decide(
            Seen("own demotion, not copied", Says(words == "replaying" ? MirrorStatusState.Replaying : MirrorStatusState.Unknown, words, 1)),
            heldSince: null, Now.AddSeconds(-150), strict: false)));

    [Theory]
    [InlineData("peer's demotion", Allowed)]
    [InlineData("own demotion", Allowed)]
    [InlineData("own demotion, not copied", Allowed)]
    [InlineData("own demotion, cut off", Allowed)]
    [InlineData("copy", "FailedPrecondition")]
    [InlineData("journal, own demotion", Allowed)]
    [InlineData("journal", "FailedPrecondition")]
    public void Without_a_peer_nobody_else_can_be_primary(string chain, string answer) =>
        Assert.Equal(answer, Name(PromotionRules.Decide(
            Seen(chain, Peer(PeerRole.Silent, 0)) with { Followers = [], HasPeers = false }, heldSince: null, Now, strict: false)));

    [Theory]
    // chain, peer, seconds since the daemon is waited for, answer
    [InlineData("peer's demotion, copied 59 s ago", PeerRole.NotPrimary, 44, "Busy")]
    [InlineData("peer's demotion, copied 59 s ago", PeerRole.NotPrimary, 45, Allowed)]
    [InlineData("peer's demotion", PeerRole.Down, 44, "Busy")]
    [InlineData("peer's demotion", PeerRole.Down, 45, Allowed)]
    [InlineData("own demotion", PeerRole.NotPrimary, 0, Allowed)]
    [InlineData("copy", PeerRole.Down, 0, "FailedPrecondition")]
    public void A_mirror_daemon_that_is_not_done_with_the_peers_demotion_is_waited_for(string chain, PeerRole peer, int heldSecondsAgo, string answer) =>
        Assert.Equal(answer, Name(PromotionRules.Decide(
            Seen(chain, Peer(peer, 1)), Now.AddSeconds(-heldSecondsAgo), Now.AddMinutes(-5), strict: false)));

    [Fact]
    public void An_interrupted_forced_promotion_is_recognised()
    {
        Assert.True(Chain("half rolled back").IsHalfRolledBack);
        Assert.False(Chain("half a copy").IsHalfRolledBack);
    }

    [Fact]
    public void A_living_primary_peer_is_waited_for_under_strictFailover() =>
        Assert.Equal("Busy", Name(PromotionRules.Decide(
            Seen("copy", Peer(PeerRole.Primary, 0)), heldSince: null, Now.AddMinutes(-5), strict: true)));

    [Fact]
    public void A_dead_peer_whose_cluster_still_seems_to_be_followed_is_waited_for_less_than_a_minute()
    {
        var own = new MirrorSiteStatus("", MirrorStatusState.Replaying, "replaying", Now, true);
        Assert.Equal("Busy", Name(PromotionRules.Decide(Seen("copy", Peer(PeerRole.Down, 40), own), heldSince: null, Now.AddSeconds(-44), strict: false)));
        Assert.Equal("FailedPrecondition", Name(PromotionRules.Decide(Seen("copy", Peer(PeerRole.Down, 40), own), heldSince: null, Now.AddSeconds(-45), strict: false)));
    }

    [Theory]
    // chain when first asked, chain now, peer, follows
    [InlineData("P1p", "P1p", PeerRole.Following, false)]
    [InlineData("P1p", "P1p P2p", PeerRole.Following, false)]
    [InlineData("P1p", "P1 P2p", PeerRole.NotPrimary, true)]
    [InlineData("P1p", "P2p", PeerRole.NotPrimary, true)]
    [InlineData("P1 P2p", "P1 P2p", PeerRole.Following, true)]
    // A snapshot on which nobody ever stood looks like one that the peer has completed.
    [InlineData("P1 P2p", "P1 P2p", PeerRole.NotPrimary, false)]
    [InlineData("P1", "P1", PeerRole.Following, false)]
    // Taking the newest was cut off.
    [InlineData("P1p", "P1 P2p-", PeerRole.Following, false)]
    [InlineData("P1p", "P1 P2", PeerRole.Following, false)]
    // librbd takes a lagging peer off those in the middle, never off the oldest.
    [InlineData("P1p P2p", "P1p P2 P3p", PeerRole.Following, false)]
    // Of the term before.
    [InlineData("P1p D2p", "P1p D2p P3p", PeerRole.Following, false)]
    [InlineData("P1p D2p P3p", "P1p D2p P3 P4p", PeerRole.Primary, true)]
    // librbd removes what nobody needs, those before the term as well.
    [InlineData("P1 D2 P3p", "P4p", PeerRole.NotPrimary, true)]
    // Demoted and promoted meanwhile, by another tool.
    [InlineData("P1p", "P1 D2p P3p", PeerRole.NotPrimary, false)]
    // A second peer whose site is gone stays on all of them.
    [InlineData("P1pq", "P1q P2pq", PeerRole.Following, true)]
    [InlineData("P1q", "P1q P2q", PeerRole.Following, false)]
    public void A_peer_follows_when_the_snapshots_prove_it(string before, string now, PeerRole peer, bool follows)
    {
        var seen = Seen(Parse(now), Peer(peer, 10));
        Assert.Equal(follows, FollowerProof.PeerFollows(seen, Parse(before), Now));
    }

    [Theory]
    [InlineData("P1p", true)]
    [InlineData("P1 P2p", true)]
    [InlineData("P1p P2p", false)]
    [InlineData("P1p P2p-", true)]
    [InlineData("P1 P2", true)]
    public void One_more_snapshot_is_taken_only_where_none_can_prove_that_the_peer_follows(string chain, bool needs) =>
        Assert.Equal(needs, FollowerProof.NeedsProof(Seen(Parse(chain), Peer(PeerRole.NotPrimary, 10))));

    [Theory]
    [InlineData(PeerRole.Following, "P1 P2p", Allowed)]
    [InlineData(PeerRole.Following, "P1p P2p", "Busy")]
    [InlineData(PeerRole.NotPrimary, "P1p P2p", "Busy")]
    [InlineData(PeerRole.Down, "P1 P2p", "Unreachable")]
    [InlineData(PeerRole.Down, "P1p P2p", "Unreachable")]
    [InlineData(PeerRole.Silent, "P1p P2p", "Unreachable")]
    [InlineData(PeerRole.Failed, "P1p P2p", "FailedPrecondition")]
    [InlineData(PeerRole.Primary, "P1p P2p", Allowed)]
    public void A_demotion_needs_a_peer_that_follows_or_one_that_has_taken_over(PeerRole peer, string chain, string answer) =>
        Assert.Equal(answer, Name(DemotionRules.Before(Seen(Parse(chain, age: 90), Peer(peer, 10)), Parse(chain, age: 90), Now)));

    [Theory]
    [InlineData("split-brain", "resync the volume there first")]
    [InlineData("error bootstrapping replay", "flattened or removed")]
    public void An_error_of_the_peer_is_answered_with_what_mends_it(string words, string advice)
    {
        var peer = Peer(PeerRole.Failed, 10) with { Report = new MirrorSiteStatus("x", MirrorStatusState.Error, words, Now, true) };
        Assert.Contains(advice, DemotionRules.Before(Seen(Parse("P1p"), peer), Parse("P1p"), Now).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void A_peer_that_was_primary_before_this_site_was_promoted_has_not_taken_over() =>
        Assert.Equal("Busy", Name(DemotionRules.Before(Seen(Parse("P1p", age: 60), Peer(PeerRole.Primary, 10)), Parse("P1p"), Now)));

    [Theory]
    // peer, seconds since first asked, age of the report, answer
    [InlineData(PeerRole.Following, 59, 0, "Busy")]
    [InlineData(PeerRole.Following, 61, 0, Allowed)]
    [InlineData(PeerRole.NotPrimary, 61, 0, "Busy")]
    [InlineData(PeerRole.Primary, 59, 0, "Busy")]
    [InlineData(PeerRole.Primary, 61, 0, Allowed)]
    [InlineData(PeerRole.Down, 61, 0, "Unreachable")]
    public void A_journaled_image_is_demoted_on_a_report_that_is_new_enough(PeerRole peer, int askedSecondsAgo, int reportAge, string answer) =>
        Assert.Equal(answer, Name(DemotionRules.Before(Seen("journal, primary", Peer(peer, reportAge)), new MirrorChain([]), Now.AddSeconds(-askedSecondsAgo))));

    [Theory]
    [InlineData(4, PeerRole.NotPrimary, Allowed)]
    [InlineData(3, PeerRole.NotPrimary, "Busy")]
    [InlineData(4, PeerRole.Down, "Unreachable")]
    public void A_journaled_image_is_demoted_at_once_where_the_peer_has_replayed_what_was_written_since_it_is_primary(int tag, PeerRole peer, string answer)
    {
        var seen = Seen("journal", Peer(peer, 1)) with { History = new ImageHistory(new MirrorChain([]), Journal("", "", new((ulong)tag, 7))) };
        Assert.Equal(answer, Name(DemotionRules.Before(seen, new MirrorChain([]), Now)));
    }

    [Fact]
    public void A_pool_without_peers_is_demoted_at_once() =>
        Assert.Equal(Allowed, Name(DemotionRules.Before(
            Seen(Parse("P1"), Peer(PeerRole.Silent, 0)) with { Followers = [], HasPeers = false }, Parse("P1"), Now)));

    [Theory]
    [InlineData("own demotion", PeerRole.NotPrimary, Allowed)]
    [InlineData("own demotion", PeerRole.Down, Allowed)]
    [InlineData("own demotion, not copied", PeerRole.Following, "Busy")]
    [InlineData("own demotion, not copied", PeerRole.NotPrimary, "Busy")]
    [InlineData("own demotion, not copied", PeerRole.Failed, "Busy")]
    [InlineData("own demotion, not copied", PeerRole.Down, "Unreachable")]
    [InlineData("own demotion, nobody followed", PeerRole.NotPrimary, "Busy")]
    [InlineData("own demotion, cut off", PeerRole.Following, "Busy")]
    [InlineData("copy", PeerRole.Primary, Allowed)]
    [InlineData("journal, own demotion", PeerRole.Down, Allowed)]
    [InlineData("journal, own demotion, not replayed", PeerRole.NotPrimary, "Busy")]
    [InlineData("journal, own demotion, not replayed", PeerRole.Down, "Unreachable")]
    [InlineData("journal, own demotion, cut off", PeerRole.NotPrimary, "Busy")]
    [InlineData("journal, peer's demotion", PeerRole.NotPrimary, Allowed)]
    [InlineData("journal", PeerRole.Primary, Allowed)]
    public void A_demotion_is_done_when_the_peer_holds_it(string chain, PeerRole peer, string answer) =>
        Assert.Equal(answer, Name(DemotionRules.After(Seen(chain, Peer(peer, 1)), Now, justDemoted: false)));

    // librbd removes a snapshot that nobody needs while it takes the next one: a peer that is quick enough leaves the demotion alone there.
    [Theory]
    [InlineData("P1p", 10, Allowed)]
    [InlineData("P1 P2p", 10, Allowed)]
    [InlineData("P1", 10, "Busy")]
    [InlineData("P1p", 31, "Busy")]
    public void A_demotion_that_stands_alone_is_held_where_the_peer_followed_right_before_it(string before, int secondsBefore, string answer)
    {
        var demoted = Seen(new MirrorChain([Snapshot(9, MirrorSnapshotState.PrimaryDemoted, 100, peers: ["p"])]), Peer(PeerRole.NotPrimary, 1));
        var primary = Seen(Parse(before), Peer(PeerRole.Following, 1)) with { At = Now.AddSeconds(-100 - secondsBefore) };
        Assert.Equal(answer, Name(DemotionRules.After(demoted with { AsPrimary = primary }, Now, justDemoted: false)));
        Assert.Equal("Busy", Name(DemotionRules.After(demoted, Now, justDemoted: false)));
    }

    [Theory]
    [InlineData("remote image demoted", 469, Allowed)]
    [InlineData("remote image demoted", 471, "Busy")]
    [InlineData("remote image is not primary", 1, "Busy")]
    public void A_demotion_is_done_when_the_peer_says_that_it_has_copied_it(string words, int reportAge, string answer) =>
        Assert.Equal(answer, Name(DemotionRules.After(Seen("own demotion, not copied", Says(MirrorStatusState.Unknown, words, reportAge)), Now, justDemoted: false)));

    [Theory]
    // A primary peer is believed from a report 60 s newer than the demotion on, or than the question where a journal tells no time.
    [InlineData("own demotion, not copied", 600, 539, Allowed)]
    [InlineData("own demotion, not copied", 600, 541, "Busy")]
    [InlineData("journal, own demotion, not replayed", 100, 39, Allowed)]
    [InlineData("journal, own demotion, not replayed", 100, 41, "Busy")]
    public void A_demotion_of_a_site_whose_peer_has_taken_over_is_done(string chain, int askedSecondsAgo, int reportAge, string answer) =>
        Assert.Equal(answer, Name(DemotionRules.After(Seen(chain, Peer(PeerRole.Primary, reportAge)), Now.AddSeconds(-askedSecondsAgo), justDemoted: false)));

    [Theory]
    [InlineData(MirrorStatusState.Unknown, "remote image is not primary", 379, true)]
    [InlineData(MirrorStatusState.Unknown, "remote image is not primary", 381, false)]
    [InlineData(MirrorStatusState.Replaying, """replaying, {"replay_state":"idle"}""", 379, true)]
    [InlineData(MirrorStatusState.Replaying, """replaying, {"replay_state":"idle"}""", 381, false)]
    [InlineData(MirrorStatusState.Replaying, """replaying, {"replay_state":"syncing","syncing_percent":3}""", 0, false)]
    [InlineData(MirrorStatusState.Stopped, "local image is primary", 0, false)]
    public void A_demotion_that_the_peer_will_not_copy_by_itself_is_made_anew(MirrorStatusState state, string words, int reportAge, bool missed)
    {
        var peer = Says(state, words, reportAge);
        Assert.Equal(missed, DemotionRules.IsMissed(Seen("own demotion, not copied", peer)));
        Assert.False(DemotionRules.IsMissed(Seen("own demotion", peer)));
    }

    [Theory]
    [InlineData(MirrorStatusState.Replaying, true, true, "LeaveToDaemon")]
    [InlineData(MirrorStatusState.Replaying, false, true, "Refuse")]
    [InlineData(MirrorStatusState.Unknown, true, true, "Refuse")]
    [InlineData(MirrorStatusState.Unknown, true, false, "Disable")]
    public void A_secondary_is_disabled_at_its_own_site_only_where_there_is_no_other(MirrorStatusState state, bool isUp, bool hasPeers, string step) =>
        Assert.Equal(step, DisableRules.Decide(Seen("copy", Peer(PeerRole.Silent, 0), new MirrorSiteStatus("", state, "", Now, isUp)) with { HasPeers = hasPeers }).ToString());

    private static Sighting Seen(string name, PeerView peer, MirrorSiteStatus? own = null) => new(History(name), own, peer, Followers, HasPeers: true, Now);

    private static Sighting Seen(MirrorChain chain, PeerView peer) => new(new ImageHistory(chain, null), null, peer, Followers, HasPeers: true, Now);

    private static MirrorPeerSite[] Followers => [new("p", "site-x", "x", MirrorPeerDirection.Both, Now)];

    private static PeerView Says(MirrorStatusState state, string words, int reportAge)
    {
        var report = new MirrorSiteStatus("x", state, words, Now.AddSeconds(-reportAge), true);
        return PeerView.From(
            new MirrorGlobalStatus("image", new MirrorImageInfo("id", MirrorImageState.Enabled, IsPrimary: false), [report]), new MirrorSites("here", []));
    }

    // "P1p D2pq P3-": state (P primary, D demoted here), id, peers that need it, "-" for one whose taking was cut off.
    private static MirrorChain Parse(string chain, int age = 100) => new([.. chain.Split(' ').Select(text =>
    {
        var peers = text[2..].TrimEnd('-').Select(peer => peer.ToString()).ToArray();
        return Snapshot((ulong)(text[1] - '0'), text[0] == 'P' ? MirrorSnapshotState.Primary : MirrorSnapshotState.PrimaryDemoted, age, peers, complete: !text.EndsWith('-'));
    })]);

    private static ImageHistory History(string name) => new(Chain(name), name switch
    {
        "journal" => Journal("x", "x"),
        "journal, primary" => Journal("", ""),
        "journal, peer's demotion" => Journal(ImageJournal.Nobody, "x"),
        "journal, own demotion" => Journal(ImageJournal.Nobody, "", replayed: new(4, 0)),
        "journal, own demotion, not replayed" => Journal(ImageJournal.Nobody, "", replayed: new(3, 7)),
        "journal, own demotion, cut off" => Journal(ImageJournal.Nobody, "", replayed: new(3, 7)) with { Written = new(3, 7) },
        _ => null,
    });

    private static ImageJournal Journal(string owner, string before, JournalPosition? replayed = null) =>
        new(4, owner, before, new JournalPosition(4, 0), new Dictionary<string, JournalPosition?> { ["x"] = replayed });

    private static MirrorChain Chain(string name) => new(name switch
    {
        "peer's demotion" => [Snapshot(1, MirrorSnapshotState.NonPrimaryDemoted, 61, from: "x")],
        "peer's demotion, copied 59 s ago" => [Snapshot(1, MirrorSnapshotState.NonPrimaryDemoted, 59, from: "x")],
        "peer's demotion, stamped in the future" => [Snapshot(1, MirrorSnapshotState.NonPrimaryDemoted, -30, from: "x")],
        "own demotion" => [Snapshot(1, MirrorSnapshotState.Primary, 600), Snapshot(2, MirrorSnapshotState.PrimaryDemoted, 500, peers: ["p"])],
        "own demotion, nobody followed" => [Snapshot(2, MirrorSnapshotState.PrimaryDemoted, 500, peers: ["p"])],
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
