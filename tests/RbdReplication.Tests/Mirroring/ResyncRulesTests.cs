using RbdReplication.Ceph;
using RbdReplication.Core;

namespace RbdReplication.Tests.Mirroring;

/// <summary>Every row of the table "Resync" in docs/relocation.md.</summary>
public sealed class ResyncRulesTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    private const string Nobody = "remote image is not primary";
    private const string Copied = "remote image demoted";
    private const string Primary = "local image is primary";
    private const string Replaying = "replaying";

    [Theory]
    // chain, own words, peer's words, age of both reports, seconds since first asked, answer
    [InlineData("peer's demotion", Nobody, Nobody, 5, 0, "Ready")]
    [InlineData("peer's demotion", Nobody, null, 5, 0, "Ready")]
    [InlineData("peer's demotion", Nobody, Primary, 41, 0, "Ready")]
    [InlineData("peer's demotion", Nobody, Primary, 39, 0, "Busy")]
    [InlineData("own demotion", Nobody, Nobody, 5, 36, "Ready")]
    [InlineData("own demotion", Nobody, Nobody, 5, 34, "Busy")]
    [InlineData("own demotion", Nobody, Copied, 5, 36, "Ready")]
    [InlineData("own demotion", Primary, Replaying, 5, 36, "Busy")]
    [InlineData("own demotion", Nobody, Primary, 5, 36, "Busy")]
    [InlineData("own demotion", Nobody, null, 5, 36, "Unreachable")]
    [InlineData("own demotion", Replaying, Nobody, 5, 500, "Busy")]
    [InlineData("own demotion, not copied", "bootstrapping", Primary, 5, 500, "Busy")]
    [InlineData("copy", "bootstrapping", Primary, 5, 500, "Follow")]
    [InlineData("own demotion", Replaying, Nobody, 101, 500, "Busy")]
    [InlineData("own demotion, not copied", Nobody, Replaying, 5, 500, "Busy")]
    [InlineData("own demotion, not copied", Nobody, Nobody, 5, 500, "Busy")]
    [InlineData("own demotion, not copied", Nobody, Copied, 5, 500, "Ready")]
    [InlineData("own demotion, cut off", Nobody, Nobody, 5, 500, "Busy")]
    [InlineData("copy", null, Primary, 5, 500, "Unreachable")]
    [InlineData("copy", Replaying, Primary, 5, 0, "Follow")]
    [InlineData("copy", Nobody, Nobody, 5, 500, "Busy")]
    [InlineData("copy", "starting replay", Primary, 5, 500, "Busy")]
    // Just demoted after a forced failover: nothing is copied yet, and the daemon has not looked.
    [InlineData("own demotion, not copied", Primary, Primary, 5, 500, "Busy")]
    [InlineData("journal", Replaying, Primary, 5, 0, "Follow")]
    [InlineData("journal", Nobody, Nobody, 5, 500, "Busy")]
    [InlineData("journal, own demotion", Nobody, Nobody, 5, 36, "Ready")]
    [InlineData("journal, own demotion", Nobody, Nobody, 5, 34, "Busy")]
    [InlineData("journal, own demotion", Nobody, Primary, 5, 500, "Busy")]
    [InlineData("journal, own demotion", Replaying, Primary, 5, 36, "Busy")]
    // The daemons of two sites that have parted say the same once both are demoted.
    [InlineData("journal, own demotion, not replayed", Nobody, Nobody, 5, 500, "Busy")]
    [InlineData("journal, peer's demotion", Nobody, Nobody, 5, 0, "Ready")]
    [InlineData("journal, peer's demotion", Nobody, Primary, 5, 66, "Busy")]
    public void A_secondary_is_ready_or_waited_for(string chain, string? own, string? peer, int reportAge, int askedSecondsAgo, string answer) =>
        Assert.Equal(answer, Answer(Seen(chain, own, peer, reportAge), askedSecondsAgo, force: true));

    [Theory]
    // peer's words, age of the reports, seconds since first asked, force, answer
    [InlineData(Primary, 5, 36, false, "FailedPrecondition")]
    [InlineData(Primary, 5, 36, true, "CopyAnew")]
    // The peer was perhaps demoted a moment ago: the request would be left lying.
    [InlineData(Primary, 5, 34, true, "Busy")]
    [InlineData(Nobody, 5, 36, true, "FailedPrecondition")]
    [InlineData(null, 5, 36, true, "FailedPrecondition")]
    public void A_split_brain_is_ended_by_force_and_with_a_primary_to_copy_from(string? peer, int reportAge, int askedSecondsAgo, bool force, string answer)
    {
        foreach (var (chain, words) in ((string, string)[])[("own demotion", "split-brain"), ("copy", "split-brain"), ("journal, own demotion, not replayed", "split-brain detected")])
            Assert.Equal(answer, Answer(Seen(chain, words, peer, reportAge), askedSecondsAgo, force));
    }

    [Theory]
    [InlineData(539, "CopyAnew")]
    [InlineData(541, "Busy")]
    public void A_running_copy_is_never_started_over(int reportAge, string answer) =>
        Assert.Equal(answer, Answer(Seen("copy", "split-brain", Primary, 0, ownAge: reportAge), 500, force: true));

    [Fact]
    public void An_error_from_before_the_demotion_is_not_believed() =>
        Assert.Equal("Busy", Answer(Seen("own demotion", "split-brain", Primary, 0, ownAge: 100), 500, force: true));

    [Fact]
    public void An_error_that_is_no_split_brain_ends_by_itself() =>
        Assert.Equal("Unreachable", Answer(Seen("copy", "error bootstrapping replay", Primary, 5), 500, force: true));

    [Fact]
    public void Without_a_peer_there_is_nothing_to_wait_for() =>
        Assert.Equal("Ready", Answer(Seen("own demotion", Nobody, null, 5) with { HasPeers = false, Followers = [] }, 0, force: false));

    private static string Answer(Sighting seen, int askedSecondsAgo, bool force)
    {
        var decision = ResyncRules.Decide(seen, createdAt: Now.AddSeconds(-600), Now.AddSeconds(-askedSecondsAgo), force);
        return decision.Step == ResyncStep.Refuse ? decision.Refusal.ToString() : decision.Step.ToString();
    }

    // All demotions are 100 s old.
    private static Sighting Seen(string chain, string? own, string? peer, int reportAge, int? ownAge = null)
    {
        List<MirrorSiteStatus> reports = [];
        if (own is not null)
            reports.Add(Report("", own, ownAge ?? reportAge));
        if (peer is not null)
            reports.Add(Report("x", peer, reportAge));
        var status = new MirrorGlobalStatus("image", new MirrorImageInfo("id", MirrorImageState.Enabled, IsPrimary: false), reports);
        return new Sighting(
            new ImageHistory(Chain(chain), Journal(chain)), status.Local, PeerView.From(status, new MirrorSites("here", [])),
            [new("p", "site-x", "x", MirrorPeerDirection.Both, Now)], HasPeers: true, Now);
    }

    private static MirrorSiteStatus Report(string site, string words, int age) => new(site, words switch
    {
        Primary => MirrorStatusState.Stopped,
        Replaying => MirrorStatusState.Replaying,
        "starting replay" => MirrorStatusState.StartingReplay,
        "bootstrapping" => MirrorStatusState.Syncing,
        Nobody or Copied => MirrorStatusState.Unknown,
        _ => MirrorStatusState.Error,
    }, words, Now.AddSeconds(-age), true);

    private static ImageJournal? Journal(string name) => name switch
    {
        "journal" => Journal("x", "x", null),
        "journal, own demotion" => Journal(ImageJournal.Nobody, "", new(4, 0)),
        "journal, own demotion, not replayed" => Journal(ImageJournal.Nobody, "", new(3, 7)),
        "journal, peer's demotion" => Journal(ImageJournal.Nobody, "x", null),
        _ => null,
    };

    private static ImageJournal Journal(string owner, string before, JournalPosition? replayed) =>
        new(4, owner, before, new JournalPosition(4, 0), new Dictionary<string, JournalPosition?> { ["x"] = replayed });

    private static MirrorChain Chain(string name) => new(name switch
    {
        "peer's demotion" => [Snapshot(1, MirrorSnapshotState.NonPrimaryDemoted)],
        "own demotion" => [Snapshot(1, MirrorSnapshotState.Primary), Snapshot(2, MirrorSnapshotState.PrimaryDemoted, ["p"])],
        "own demotion, not copied" => [Snapshot(1, MirrorSnapshotState.Primary, ["p"]), Snapshot(2, MirrorSnapshotState.PrimaryDemoted, ["p"])],
        "own demotion, cut off" => [Snapshot(1, MirrorSnapshotState.Primary), Snapshot(2, MirrorSnapshotState.PrimaryDemoted, ["p"]) with { IsComplete = false }],
        "copy" => [Snapshot(1, MirrorSnapshotState.NonPrimary)],
        _ => [],
    });

    private static MirrorSnapshot Snapshot(ulong id, MirrorSnapshotState state, string[]? peers = null) =>
        new(id, state, true, "", MirrorSnapshot.NoSnapshot, peers ?? [], 0, Now.AddSeconds(-100));
}
