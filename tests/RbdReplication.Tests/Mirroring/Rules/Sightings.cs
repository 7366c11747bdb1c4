using RbdReplication.Ceph;
using RbdReplication.Core;

namespace RbdReplication.Tests.Mirroring.Rules;

/// <summary>What the rules are asked about: a past of the image, and reports in the words of the mirror daemons.</summary>
internal static class Sightings
{
    public const string Primary = "local image is primary";
    public const string Nobody = "remote image is not primary";
    public const string Copied = "remote image demoted";
    public const string Starting = "starting replay";
    public const string Copying = "bootstrapping";
    public const string Replaying = "replaying";
    public const string Idle = """replaying, {"replay_state":"idle"}""";
    public const string Syncing = """replaying, {"replay_state":"syncing","syncing_percent":3}""";
    public const string SplitBrain = "split-brain";

    /// <summary>When the newest snapshot was taken, if nothing else is said.</summary>
    public const int Age = 500;

    public static readonly DateTimeOffset Now = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    public static DateTimeOffset Ago(int seconds) => Now.AddSeconds(-seconds);

    public static Sighting Seen(string past, PeerStatus peer, MirrorSiteStatus? own = null, int age = Age) => Seen(Past(past, age), peer, own);

    public static Sighting Seen(MirrorChain chain, PeerStatus peer) => Seen(new ImageHistory(chain, null), peer);

    public static Sighting Seen(ImageHistory history, PeerStatus peer, MirrorSiteStatus? own = null) =>
        new(history, own, peer, [new("p", "site-x", "x", MirrorPeerDirection.Both, Now)], HasPeers: true, Now);

    public static Sighting WithoutPeers(this Sighting seen) => seen with { Followers = [], HasPeers = false };

    /// <summary>A peer that is up; null: it has never reported.</summary>
    public static PeerStatus Says(string? words, int age = 1) => View(words is null ? [] : [Report("x", words, age)]);

    /// <summary>A peer that is down, with its last word.</summary>
    public static PeerStatus Down(string words, int age = 100) => View([Report("x", words, age) with { IsUp = false }]);

    public static MirrorSiteStatus Own(string words, int age = 1) => Report("", words, age);

    /// <summary>A peer that has failed and tries again.</summary>
    public static PeerStatus TriesAgain(int age = 1) => View([Report("x", Starting, age) with { State = MirrorStatusState.Error }]);

    public static MirrorSiteStatus OwnTriesAgain => Own(Starting) with { State = MirrorStatusState.Error };

    public static PeerStatus Silent => Says(null);

    private static PeerStatus View(MirrorSiteStatus[] reports) => PeerStatus.From(
        new MirrorGlobalStatus("image", new MirrorImageInfo("id", MirrorImageState.Enabled, IsPrimary: false), reports), new MirrorSites("here", []));

    private static MirrorSiteStatus Report(string site, string words, int age) => new(site, words switch
    {
        Primary => MirrorStatusState.Stopped,
        Replaying or Idle or Syncing => MirrorStatusState.Replaying,
        Starting => MirrorStatusState.StartingReplay,
        Copying => MirrorStatusState.Syncing,
        Nobody or Copied => MirrorStatusState.Unknown,
        _ => MirrorStatusState.Error,
    }, words, Ago(age), true);

    /// <summary>"P1p D2pq P3-": state (P primary, D demoted here), id, peers that need it, "-" for one whose taking was cut off.</summary>
    public static MirrorChain Chain(string chain, int age = 100) => new([.. chain.Split(' ').Select(text =>
        Snapshot((ulong)(text[1] - '0'), text[0] == 'P' ? MirrorSnapshotState.Primary : MirrorSnapshotState.PrimaryDemoted, age) with
        {
            MirrorPeerUuids = [.. text[2..].TrimEnd('-').Select(peer => peer.ToString())],
            IsComplete = !text.EndsWith('-'),
        })]);

    public static MirrorChain HalfRolledBack => new([Copy(1, 100) with { IsComplete = false }, Snapshot(2, MirrorSnapshotState.NonPrimary, 10)]);

    public static ImageHistory Past(string past, int age = Age) => new(past switch
    {
        "primary" => Chain("P1p", age),
        "primary after the peer's demotion" => new([Copy(1, age) with { State = MirrorSnapshotState.NonPrimaryDemoted, MirrorPeerUuids = ["p"] }, .. Chain("P2p", age).Snapshots]),
        "primary after the peer's demotion, followed" => new([Copy(1, age) with { State = MirrorSnapshotState.NonPrimaryDemoted }, .. Chain("P2p", age).Snapshots]),
        "primary after its own demotion" => Chain("P1 D2p P3p", age),
        "peer's demotion" => new([Copy(1, age) with { State = MirrorSnapshotState.NonPrimaryDemoted }]),
        "own demotion" => Chain("P1 D2p", age),
        "own demotion, not copied" => Chain("P1p D2p", age),
        "own demotion, nobody followed" => Chain("D2p", age),
        "own demotion, cut off" => Chain("P1 D2p-", age),
        "copy" => new([Copy(1, age)]),
        "half a first copy" => new([Copy(1, age) with { IsComplete = false }]),
        "half a copy" => new([Copy(1, age), Copy(2, 10) with { IsComplete = false }]),
        _ => new([]),
    }, past switch
    {
        "journal, primary" => Journal("", "", null),
        "journal, primary after a demotion" => Journal("", ImageJournal.Nobody, new(3, 7)) with { PromotionTag = 4 },
        "journal, primary after a demotion, being copied" => Journal("", ImageJournal.Nobody, new(4, 0)) with { PromotionTag = 4, Copying = new HashSet<string> { "x" } },
        "journal, primary after a demotion, then opened" => Journal("", "", new(2, 7)) with { PromotionTag = 3, Written = new(3, 0) },
        "journal, primary after a demotion, followed" => Journal("", "", new(3, 0)) with { PromotionTag = 3, Written = new(3, 0) },
        "journal, copy" => Journal("x", "x", null),
        "journal, half a first copy" => Journal("x", "", null) with { NewestTag = 0, Written = null },
        "journal, peer's demotion" => Journal(ImageJournal.Nobody, "x", null),
        "journal, own demotion" => Journal(ImageJournal.Nobody, "", new(4, 0)),
        "journal, own demotion, not replayed" => Journal(ImageJournal.Nobody, "", new(3, 7)),
        "journal, primary, first copy" => Journal("", "", new(4, 0)) with { Copying = new HashSet<string> { "x" } },
        "journal, own demotion, first copy" => Journal(ImageJournal.Nobody, "", new(4, 0)) with { Copying = new HashSet<string> { "x" } },
        "journal, own demotion, cut off" => Journal(ImageJournal.Nobody, "", new(3, 7)) with { Written = new(3, 7) },
        _ => null,
    });

    /// <summary>Of the newest tag, 4, one entry is written here.</summary>
    public static ImageJournal Journal(string owner, string before, JournalPosition? replayed) =>
        new(4, owner, before, new JournalPosition(4, 0), new Dictionary<string, JournalPosition?> { ["x"] = replayed });

    private static MirrorSnapshot Copy(ulong id, int age) =>
        Snapshot(id, MirrorSnapshotState.NonPrimary, age) with { PrimaryMirrorUuid = "x", PrimarySnapshotId = id };

    private static MirrorSnapshot Snapshot(ulong id, MirrorSnapshotState state, int age) =>
        new(id, state, IsComplete: true, "", MirrorSnapshot.NoSnapshot, [], 0, Ago(age));

    public static void Allowed(RelocationDecision decision) => Assert.True(decision.Refusal is null, $"{decision.Refusal}: {decision.Reason}");

    public static void Refused(ReplicationError error, string reason, RelocationDecision decision)
    {
        Assert.Equal(error, decision.Refusal);
        Assert.Contains(reason, decision.Reason, StringComparison.Ordinal);
    }
}
