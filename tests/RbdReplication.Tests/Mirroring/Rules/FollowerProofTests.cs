using RbdReplication.Core;
using static RbdReplication.Tests.Mirroring.Rules.Sightings;

namespace RbdReplication.Tests.Mirroring.Rules;

public sealed class FollowerProofTests
{
    [Theory]
    // chain when first asked, chain now, the peer's words, follows
    [InlineData("P1p", "P1p", Replaying, false)]
    [InlineData("P1p", "P1p P2p", Replaying, false)]
    [InlineData("P1p", "P1 P2p", Nobody, true)]
    [InlineData("P1p", "P2p", Nobody, true)]
    [InlineData("P1 P2p", "P1 P2p", Replaying, true)]
    // A snapshot on which nobody ever stood looks like one that the peer has completed.
    [InlineData("P1 P2p", "P1 P2p", Nobody, false)]
    [InlineData("P1", "P1", Replaying, false)]
    // Taking the newest was cut off.
    [InlineData("P1p", "P1 P2p-", Replaying, false)]
    [InlineData("P1p", "P1 P2", Replaying, false)]
    // librbd takes a lagging peer off those in the middle, never off the oldest.
    [InlineData("P1p P2p", "P1p P2 P3p", Replaying, false)]
    // Of the term before.
    [InlineData("P1p D2p", "P1p D2p P3p", Replaying, false)]
    [InlineData("P1p D2p P3p", "P1p D2p P3 P4p", Primary, true)]
    // librbd removes what nobody needs, those before the term as well.
    [InlineData("P1 D2 P3p", "P4p", Nobody, true)]
    // Demoted and promoted meanwhile, by another tool.
    [InlineData("P1p", "P1 D2p P3p", Nobody, false)]
    // A second peer whose site is gone stays on all of them.
    [InlineData("P1pq", "P1q P2pq", Replaying, true)]
    [InlineData("P1q", "P1q P2q", Replaying, false)]
    public void A_peer_follows_when_the_snapshots_prove_it(string before, string now, string words, bool follows) =>
        Assert.Equal(follows, FollowerProof.PeerFollows(Seen(Chain(now), Says(words)), Chain(before), Now));

    [Theory]
    [InlineData("P1p", "P1 P2p", true)]
    [InlineData("P1p", "P2p", true)]
    [InlineData("P1p", "P1p P2p", false)]
    [InlineData("P1", "P1 P2p", false)]
    [InlineData("P1p", "P1 P2p-", false)]
    [InlineData("P1p", "P1 D2p P3p", false)]
    public void The_snapshots_show_a_follower_by_one_that_it_stood_on_and_has_left(string before, string now, bool shows) =>
        Assert.Equal(shows, Chain(now).ShowsFollowerSince(Chain(before), ["p"]));

    [Theory]
    [InlineData(3, Nobody, 0, 0, false)]
    [InlineData(4, Nobody, 0, 0, true)]
    [InlineData(3, Replaying, 60, 0, true)]
    [InlineData(3, Replaying, 60, 1, false)]
    [InlineData(3, Nobody, 60, 0, false)]
    public void A_peer_follows_when_the_journal_or_a_report_proves_it(
        int tag, string words, int askedSecondsAgo, int reportAge, bool follows)
    {
        var seen = Seen(new ImageHistory(new MirrorChain([]), Journal("", "", new((ulong)tag, 7))), Says(words, reportAge));
        Assert.Equal(follows, FollowerProof.PeerFollows(seen, seen.Chain, Ago(askedSecondsAgo)));
    }

    [Theory]
    [InlineData("P1p", true)]
    [InlineData("P1 P2p", true)]
    [InlineData("P1p P2p", false)]
    [InlineData("P1p P2p-", true)]
    [InlineData("P1 P2", true)]
    public void A_snapshot_is_taken_where_none_can_prove_it(string chain, bool isTaken) =>
        Assert.Equal(isTaken ? ProofSnapshot.First : ProofSnapshot.None, Next(Seen(Chain(chain), Says(Nobody)), waited: 0, hasNudged: false));

    [Fact]
    public void One_more_is_taken_once_after_4_s()
    {
        var seen = Seen(Chain("P1p P2p"), Says(Nobody));
        Assert.Equal(ProofSnapshot.None, Next(seen, waited: 3.9, hasNudged: false));
        Assert.Equal(ProofSnapshot.Nudge, Next(seen, waited: 4, hasNudged: false));
        Assert.Equal(ProofSnapshot.None, Next(seen, waited: 9, hasNudged: true));
    }

    [Fact]
    public void No_snapshot_is_taken_for_nobody() =>
        Assert.Equal(ProofSnapshot.None, Next(Seen(Chain("P1"), Silent).WithoutPeers(), waited: 9, hasNudged: false));

    [Fact]
    public void A_peer_that_is_down_is_not_waited_for()
    {
        Assert.False(FollowerProof.IsWorthWaitingFor(Seen("primary", Down(Replaying))));
        foreach (var peer in (PeerStatus[])[Says(Nobody), Says(SplitBrain), Silent])
            Assert.True(FollowerProof.IsWorthWaitingFor(Seen("primary", peer)));
    }

    private static ProofSnapshot Next(Sighting seen, double waited, bool hasNudged) =>
        FollowerProof.NextSnapshot(seen, TimeSpan.FromSeconds(waited), hasNudged);
}
