using RbdReplication.Ceph;
using RbdReplication.Core;

namespace RbdReplication.Tests.Fleet;

/// <summary>The reports are those that Ceph 16.2.15 gives in each situation.</summary>
public sealed class ImageStatusTests
{
    private const string Primary = "local image is primary";
    private static readonly DateTimeOffset Now = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);
    private static readonly ReplicationSchedule[] EveryFiveMinutes = [new("5m", null)];

    [Fact]
    public void A_primary_whose_peer_holds_the_last_snapshot_is_healthy_and_tells_its_lag()
    {
        var status = Judge(Own(MirrorStatusState.Stopped, Primary), Peer(MirrorStatusState.Replaying, Idle(Now.AddMinutes(-3))), EveryFiveMinutes);
        Assert.Equal((ImageRole.Primary, ReplicationHealth.Healthy, TimeSpan.FromMinutes(3)), (status.Role, status.Health, status.Lag));
        Assert.Equal("following", status.Peer);
    }

    [Theory]
    [InlineData(10, ReplicationHealth.Healthy)]
    [InlineData(11, ReplicationHealth.Degraded)]
    public void A_primary_is_behind_when_two_intervals_and_a_report_have_passed(int minutes, ReplicationHealth expected)
    {
        var status = Judge(Own(MirrorStatusState.Stopped, Primary), Peer(MirrorStatusState.Replaying, Idle(Now.AddMinutes(-minutes))), EveryFiveMinutes);
        Assert.Equal(expected, status.Health);
        Assert.Equal(expected == ReplicationHealth.Degraded, status.Message.StartsWith("behind: ", StringComparison.Ordinal));
    }

    [Fact]
    public void Of_several_schedules_the_shortest_counts()
    {
        var status = Judge(
            Own(MirrorStatusState.Stopped, Primary), Peer(MirrorStatusState.Replaying, Idle(Now.AddMinutes(-20))), [new("1d", null), new("5m", null)]);
        Assert.Equal(ReplicationHealth.Degraded, status.Health);
    }

    [Fact]
    public void The_figures_of_the_last_sync_are_those_of_the_site_that_copies()
    {
        const string figures = "replaying, {\"last_snapshot_bytes\":81920,\"last_snapshot_sync_seconds\":3,\"replay_state\":\"idle\"}";
        var primary = Judge(Own(MirrorStatusState.Stopped, Primary), Peer(MirrorStatusState.Replaying, figures), EveryFiveMinutes);
        Assert.Equal((ImageRole.Primary, 81920L, TimeSpan.FromSeconds(3)), (primary.Role, primary.LastSyncBytes, primary.LastSyncDuration));
        var secondary = Judge(Own(MirrorStatusState.Replaying, figures), Peer(MirrorStatusState.Stopped, Primary), []);
        Assert.Equal((ImageRole.Secondary, 81920L, TimeSpan.FromSeconds(3)), (secondary.Role, secondary.LastSyncBytes, secondary.LastSyncDuration));
        Assert.Equal((TimeSpan.FromMinutes(5), (TimeSpan?)null), (primary.ScheduleInterval, secondary.ScheduleInterval));
    }

    [Fact]
    public void Journal_mode_needs_no_schedule()
    {
        var status = Judge(Own(MirrorStatusState.Stopped, Primary), Peer(MirrorStatusState.Replaying, "replaying, {\"entries_behind_primary\":0}"), []);
        Assert.Equal(ReplicationHealth.Healthy, status.Health);
        Assert.NotNull(status.LastSyncTime);
    }

    [Fact]
    public void After_a_forced_promotion_nobody_is_told_to_promote_while_the_peer_is_gone()
    {
        var status = Judge(
            Own(MirrorStatusState.StoppingReplay, "orphan (force promoting)"), Peer(MirrorStatusState.Stopped, Primary, isUp: false), EveryFiveMinutes);
        Assert.Equal((ImageRole.Unknown, ReplicationHealth.Degraded), (status.Role, status.Health));
        Assert.StartsWith("a forced promotion was made here", status.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Two_primaries_are_an_error_at_both_sites()
    {
        var status = Judge(Own(MirrorStatusState.Stopped, Primary), Peer(MirrorStatusState.Stopped, Primary), EveryFiveMinutes);
        Assert.Equal((ImageRole.Primary, ReplicationHealth.Error), (status.Role, status.Health));
        Assert.Contains("demote", status.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_primary_whose_daemon_starts_replay_in_vain_is_still_primary_after_its_peer_died()
    {
        var status = Judge(
            Own(MirrorStatusState.StartingReplay, "starting replay"), Peer(MirrorStatusState.Replaying, Idle(Now.AddMinutes(-1)), isUp: false), EveryFiveMinutes);
        Assert.Equal((ImageRole.Primary, ReplicationHealth.Degraded, "down"), (status.Role, status.Health, status.Peer));
    }

    [Fact]
    public void A_secondary_whose_daemon_starts_replay_in_vain_is_still_secondary_after_its_peer_died()
    {
        var status = Judge(Own(MirrorStatusState.StartingReplay, "starting replay"), Peer(MirrorStatusState.Stopped, Primary, isUp: false), []);
        Assert.Equal((ImageRole.Secondary, ReplicationHealth.Degraded), (status.Role, status.Health));
    }

    [Fact]
    public void A_secondary_in_split_brain_says_that_a_resync_discards_its_data()
    {
        var status = Judge(Own(MirrorStatusState.Error, "split-brain"), Peer(MirrorStatusState.Stopped, Primary), []);
        Assert.Equal((ImageRole.Secondary, ReplicationHealth.Error), (status.Role, status.Health));
        Assert.Contains("discards this site's data", status.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void With_no_primary_anywhere_it_says_promote()
    {
        var status = Judge(Own(MirrorStatusState.Unknown, "remote image is not primary"), Peer(MirrorStatusState.Unknown, "remote image demoted"), []);
        Assert.Equal((ImageRole.Secondary, ReplicationHealth.Degraded), (status.Role, status.Health));
        Assert.Contains("promote the volume", status.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_site_whose_own_daemon_is_down_is_told_so()
    {
        var status = Judge(Own(MirrorStatusState.Replaying, Idle(Now.AddHours(-1)), isUp: false), Peer(MirrorStatusState.Stopped, Primary), []);
        Assert.Equal((ImageRole.Secondary, ReplicationHealth.Degraded), (status.Role, status.Health));
        Assert.Contains("mirror daemon is down", status.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_librbd_makes_up_for_a_missing_report_is_no_report()
    {
        var madeUp = new MirrorSiteStatus("", MirrorStatusState.Unknown, "status not found", DateTimeOffset.UnixEpoch, false);
        var status = Judge(madeUp, Peer(MirrorStatusState.Stopped, Primary), []);
        Assert.Equal(ImageRole.Secondary, status.Role);
        Assert.Contains("has not reported", status.Message, StringComparison.Ordinal);
    }

    private static ImageStatus Judge(MirrorSiteStatus own, MirrorSiteStatus peer, IReadOnlyList<ReplicationSchedule> schedules) => ImageStatus.Of(
        "10226b8b4567",
        new ImageReports(
            new MirrorGlobalStatus("csi-vol-1", new MirrorImageInfo("global", MirrorImageState.Enabled, IsPrimary: false), [own, peer]),
            new MirrorSites("site-a", [new MirrorPeerSite("1", "site-b", "uuid-b", MirrorPeerDirection.Both, Now)]), schedules),
        Now);

    private static MirrorSiteStatus Own(MirrorStatusState state, string words, bool isUp = true) => new("", state, words, Now.AddSeconds(-10), isUp);

    private static MirrorSiteStatus Peer(MirrorStatusState state, string words, bool isUp = true) => new("uuid-b", state, words, Now.AddSeconds(-10), isUp);

    private static string Idle(DateTimeOffset synced) =>
        $$"""replaying, {"local_snapshot_timestamp":{{synced.ToUnixTimeSeconds()}},"remote_snapshot_timestamp":{{synced.ToUnixTimeSeconds()}},"replay_state":"idle"}""";
}
