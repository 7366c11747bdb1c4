using RbdReplication.Ceph;
using RbdReplication.Core;

namespace RbdReplication.Tests.Fleet;

/// <summary>A test for each row of the table in docs/page.md.</summary>
public sealed class FailoverSafetyTests
{
    private const string Primary = "local image is primary";
    private static readonly DateTimeOffset Now = new(2026, 11, 28, 12, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset Synced = Now.AddMinutes(-3);

    private static FailoverSafety Judge(MirrorSiteStatus? own, MirrorSiteStatus? peer, MirrorImageState state = MirrorImageState.Enabled) => ImageStatus.Of(
        "10226b8b4567",
        new ImageReports(
            new MirrorGlobalStatus("csi-vol-1", new MirrorImageInfo("global", state, IsPrimary: false), [.. new[] { own, peer }.OfType<MirrorSiteStatus>()]),
            new MirrorSites("site-a", [new MirrorPeerSite("1", "site-b", "uuid-b", MirrorPeerDirection.Both, Now)]), [new("5m", null)]),
        Now).Failover;

    private static MirrorSiteStatus Own(MirrorStatusState state, string words, bool isUp = true) => new("", state, words, Now.AddSeconds(-10), isUp);

    private static MirrorSiteStatus Peer(MirrorStatusState state, string words, bool isUp = true) => new("uuid-b", state, words, Now.AddSeconds(-10), isUp);

    private static string Idle(DateTimeOffset synced) =>
        $$"""replaying, {"local_snapshot_timestamp":{{synced.ToUnixTimeSeconds()}},"remote_snapshot_timestamp":{{synced.ToUnixTimeSeconds()}},"replay_state":"idle"}""";

    private static void Is(bool? isSafe, DateTimeOffset? instant, string words, FailoverSafety seen)
    {
        Assert.Equal((isSafe, instant), (seen.IsSafe, seen.Instant));
        Assert.Contains(words, seen.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void A_peer_that_is_in_step_can_take_over_at_the_instant_of_its_last_sync() =>
        Is(true, Synced, "a forced promotion at site-b would return to 2026-11-28 11:57:00 UTC", Judge(Own(MirrorStatusState.Stopped, Primary), Peer(MirrorStatusState.Replaying, Idle(Synced))));

    [Fact]
    public void A_peer_that_is_behind_is_not_safe_and_the_instant_is_told() =>
        Is(false, Now.AddHours(-2), "behind", Judge(Own(MirrorStatusState.Stopped, Primary), Peer(MirrorStatusState.Replaying, Idle(Now.AddHours(-2)))));

    [Fact]
    public void A_peer_without_a_whole_copy_is_not_known_to_be_safe() =>
        Is(null, null, "not reported up to which time", Judge(Own(MirrorStatusState.Stopped, Primary), Peer(MirrorStatusState.Syncing, "bootstrapping, IMAGE_COPY/COPY_OBJECT 3%")));

    [Fact]
    public void A_peer_whose_daemon_is_down_or_silent_is_not_safe()
    {
        Is(false, Synced, "is down", Judge(Own(MirrorStatusState.Stopped, Primary), Peer(MirrorStatusState.Replaying, Idle(Synced), isUp: false)));
        Is(false, null, "has not reported yet", Judge(Own(MirrorStatusState.Stopped, Primary), null));
    }

    [Fact]
    public void Two_primaries_and_a_split_brain_are_not_safe_at_either_site()
    {
        Is(false, null, "both sites are primary", Judge(Own(MirrorStatusState.Stopped, Primary), Peer(MirrorStatusState.Stopped, Primary)));
        Is(false, null, "split-brain", Judge(Own(MirrorStatusState.Stopped, Primary), Peer(MirrorStatusState.Error, "split-brain")));
        Is(false, null, "split-brain", Judge(Own(MirrorStatusState.Error, "split-brain"), Peer(MirrorStatusState.Stopped, Primary)));
    }

    [Fact]
    public void A_copy_here_that_follows_can_take_over() =>
        Is(true, Synced, "a forced promotion here would return to 2026-11-28 11:57:00 UTC", Judge(Own(MirrorStatusState.Replaying, Idle(Synced)), Peer(MirrorStatusState.Stopped, Primary)));

    [Fact]
    public void A_copy_here_can_take_over_from_a_site_that_is_lost_and_says_what_to_make_sure_of() =>
        Is(true, Synced, "make sure that nothing writes there any more", Judge(Own(MirrorStatusState.Replaying, Idle(Synced)), Peer(MirrorStatusState.Stopped, Primary, isUp: false)));

    [Fact]
    public void A_copy_here_whose_own_daemon_is_down_or_looks_for_the_peer_is_not_known()
    {
        Is(null, Synced, "this site's mirror daemon is down", Judge(Own(MirrorStatusState.Replaying, Idle(Synced), isUp: false), Peer(MirrorStatusState.Stopped, Primary)));
        Is(null, null, "about to follow", Judge(Own(MirrorStatusState.StartingReplay, "starting replay"), Peer(MirrorStatusState.Stopped, Primary, isUp: false)));
    }

    [Fact]
    public void All_of_the_data_of_a_peer_that_was_demoted_is_here_once_the_daemon_says_so()
    {
        Is(true, null, "loses nothing", Judge(Own(MirrorStatusState.Unknown, "remote image demoted"), Peer(MirrorStatusState.Unknown, "remote image is not primary")));
        Is(null, null, "no site is known to be primary", Judge(Own(MirrorStatusState.Unknown, "remote image is not primary"), Peer(MirrorStatusState.Unknown, "remote image is not primary")));
    }

    [Fact]
    public void Journal_mode_tells_the_time_only_where_nothing_is_behind()
    {
        Is(true, Now.AddSeconds(-10), "would return to", Judge(Own(MirrorStatusState.Stopped, Primary), Peer(MirrorStatusState.Replaying, """replaying, {"entries_behind_primary":0}""")));
        Is(true, null, "would lack the last 7 journal entries", Judge(Own(MirrorStatusState.Stopped, Primary), Peer(MirrorStatusState.Replaying, """replaying, {"entries_behind_primary":7}""")));
    }

    [Fact]
    public void Of_an_image_that_is_being_enabled_or_whose_role_does_not_show_nothing_is_known()
    {
        Is(null, null, "mirroring is in state", Judge(null, null, MirrorImageState.Disabling));
        Is(null, null, "has not reported this image", Judge(null, Peer(MirrorStatusState.Unknown, "remote image is not primary")));
    }

    private static readonly GroupState PrimaryGroup = new(WantedRole.Primary, new("5m", null)) { Generation = 4, Taken = 4, TakenAt = Now.AddMinutes(-4) };

    private static FailoverSafety Of(GroupState state, ReturnPoint? point, params ImageStatus[] members) => FailoverSafety.Of(
        GroupStatus.Of(
            new VolumeHandle("site-a", 2, "5a2b3c4d-1e2f-4a5b-8c9d-0e1f2a3b4c5d"), "shop", "replicapool", "", 2, [.. members.Select(member => member.Health)], state, point, Now),
        members);

    private static ImageStatus Member(DateTimeOffset synced, FailoverSafety? failover = null) =>
        new("csi-vol-1", "id", ImageRole.Primary, ReplicationHealth.Healthy, "following", synced, Now - synced, null, null, [], "in step")
        {
            Failover = failover ?? new(true, synced, "fine"),
        };

    [Fact]
    public void A_group_is_safe_where_its_newest_generation_has_come_to_the_peer_as_a_whole()
    {
        Is(true, PrimaryGroup.TakenAt, "generation 4", Of(PrimaryGroup, null, Member(Synced), Member(Now.AddMinutes(-4))));
        Is(null, null, "status with --generations", Of(PrimaryGroup, null, Member(Synced), Member(Now.AddMinutes(-5))));
    }

    [Fact]
    public void A_group_is_no_safer_than_any_of_its_volumes()
    {
        Is(false, null, "image csi-vol-1: the peer is down", Of(PrimaryGroup, null, Member(Synced), Member(Synced, new(false, Synced, "the peer is down"))));
        Is(false, null, "1 volume of the group is not mirrored", Of(PrimaryGroup, null, Member(Synced)));
        Is(false, null, "has not ended", Of(PrimaryGroup with { Failover = new(Now, null) }, null, Member(Synced), Member(Synced)));
    }

    [Fact]
    public void The_generation_that_a_secondary_group_has_is_told_by_its_snapshots_alone()
    {
        var secondary = new GroupState(WantedRole.Secondary, null);
        Is(null, null, "--generations", Of(secondary, null, Member(Synced), Member(Synced)));
        Is(true, Synced, "would return to generation 3", Of(secondary, new(new(3, Synced), ReplicationHealth.Healthy, "a forced promotion here would return to generation 3"), Member(Synced), Member(Synced)));
        Is(false, null, "would be refused", Of(secondary, new(null, ReplicationHealth.Degraded, "a forced promotion here would be refused"), Member(Synced), Member(Synced)));
    }
}
