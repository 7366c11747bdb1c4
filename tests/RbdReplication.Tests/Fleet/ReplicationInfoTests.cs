using RbdReplication.Ceph;
using RbdReplication.Core;

namespace RbdReplication.Tests;

public sealed class ReplicationInfoTests
{
    private const string PeerUuid = "5a6f3f8e-0000-0000-0000-000000000000";

    private static readonly DateTimeOffset Now = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);

    private static readonly MirrorSites Sites = new("site-a", [new MirrorPeerSite("1", "site-b", PeerUuid, MirrorPeerDirection.Both, Now)]);

    private static readonly MirrorSiteStatus Primary = Report("", MirrorStatusState.Stopped, "local image is primary");

    private static MirrorSiteStatus Report(string uuid, MirrorStatusState state, string description, bool up = true, int age = 5) =>
        new(uuid, state, description, Now.AddSeconds(-age), up);

    private static MirrorSiteStatus Peer(MirrorStatusState state, string description, bool up = true, int age = 5) => Report(PeerUuid, state, description, up, age);

    private static readonly ReplicationSchedule[] EveryFiveMinutes = [new("5m", null)];

    private static ReplicationInfo Of(params MirrorSiteStatus[] reports) => Of(EveryFiveMinutes, reports);

    private static ReplicationInfo Of(ReplicationSchedule[] schedules, params MirrorSiteStatus[] reports) => ReplicationInfo.Of(
        new ImageReports(Status(reports), Sites, schedules), Now.AddMinutes(-10), Now);

    private static string Figures(DateTimeOffset held, DateTimeOffset newest, string state = "idle") =>
        $$"""replaying, {"local_snapshot_timestamp":{{held.ToUnixTimeSeconds()}},"remote_snapshot_timestamp":{{newest.ToUnixTimeSeconds()}},"replay_state":"{{state}}","last_snapshot_bytes":81920,"last_snapshot_sync_seconds":2}""";

    [Fact]
    public void A_peer_that_follows_is_healthy_with_time_size_and_duration()
    {
        var info = Of(Primary, Peer(MirrorStatusState.Replaying, Figures(Now.AddMinutes(-4), Now.AddMinutes(-4))));
        Assert.Equal(ReplicationHealth.Healthy, info.Health);
        Assert.Equal((Now.AddMinutes(-4), 81920, TimeSpan.FromSeconds(2)), (info.LastSyncTime, info.LastSyncBytes, info.LastSyncDuration));
        Assert.Contains("site-b", info.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("idle", "no snapshot in 2 intervals of 5 min")]
    [InlineData("syncing", "a copy takes longer than the interval of 5 min")]
    public void A_peer_that_lags_by_more_than_two_intervals_is_degraded_and_the_message_says_why(string state, string reason)
    {
        Assert.Equal(ReplicationHealth.Healthy, Of(Primary, Peer(MirrorStatusState.Replaying, Figures(Now.AddMinutes(-10), Now, state))).Health);
        var late = Of(Primary, Peer(MirrorStatusState.Replaying, Figures(Now.AddMinutes(-11), Now.AddMinutes(-1), state)));
        Assert.Equal((ReplicationHealth.Degraded, Now.AddMinutes(-11)), (late.Health, late.LastSyncTime));
        Assert.Contains(reason, late.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(SnapshotTaker.Group, "no generation in 2 intervals of 5 min")]
    [InlineData(SnapshotTaker.Points, "no consistency point in 2 intervals of 5 min; event 2013")]
    public void The_lateness_of_what_the_servers_take_is_put_down_to_them(SnapshotTaker taker, string reason)
    {
        var reports = Status(Primary, Peer(MirrorStatusState.Replaying, Figures(Now.AddMinutes(-11), Now.AddMinutes(-11))));
        var late = ReplicationInfo.Of(new ImageReports(reports, Sites, EveryFiveMinutes, taker), Now.AddHours(-1), Now);
        Assert.Equal(ReplicationHealth.Degraded, late.Health);
        Assert.Contains(reason, late.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("manager", late.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_a_schedule_that_can_be_seen_a_lag_of_two_hours_is_degraded_and_a_smaller_one_is_remarked_on()
    {
        var recent = Of([], Primary, Peer(MirrorStatusState.Replaying, Figures(Now.AddHours(-2), Now.AddHours(-2))));
        var old = Of([], Primary, Peer(MirrorStatusState.Replaying, Figures(Now.AddMinutes(-121), Now.AddMinutes(-121))));
        Assert.Equal((ReplicationHealth.Healthy, ReplicationHealth.Degraded), (recent.Health, old.Health));
        Assert.All([recent, old], info => Assert.StartsWith("no snapshot schedule", info.Message, StringComparison.Ordinal));
    }

    [Fact]
    public void Two_primaries_are_an_error_and_never_healthy()
    {
        var info = Of(Primary, Peer(MirrorStatusState.Stopped, "local image is primary"));
        Assert.Equal(ReplicationHealth.Error, info.Health);
        Assert.Contains("both sites are primary", info.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_peer_that_was_demoted_a_moment_ago_is_not_taken_for_a_second_primary()
    {
        var reports = new ImageReports(Status(Primary, Peer(MirrorStatusState.Stopped, "local image is primary")), Sites, []);
        Assert.Equal(ReplicationHealth.Degraded, ReplicationInfo.Of(reports, Now.AddSeconds(-50), Now).Health);
        Assert.Equal(ReplicationHealth.Error, ReplicationInfo.Of(reports, primarySince: null, Now).Health);
    }

    [Theory]
    [InlineData("split-brain")]
    [InlineData("split-brain detected")]
    [InlineData("error bootstrapping replay")]
    public void A_peer_in_error_is_an_error_with_its_words(string words)
    {
        var info = Of(Primary, Peer(MirrorStatusState.Error, words));
        Assert.Equal(ReplicationHealth.Error, info.Health);
        Assert.Contains(words, info.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_following_peer_without_a_local_snapshot_time_yet_is_healthy_without_a_sync_time()
    {
        var info = Of(Primary, Peer(MirrorStatusState.Replaying, $$"""replaying, {"remote_snapshot_timestamp":{{Now.ToUnixTimeSeconds()}},"replay_state":"idle"}"""));
        Assert.Equal((ReplicationHealth.Healthy, null), (info.Health, info.LastSyncTime));
    }

    [Fact]
    public void A_peer_whose_daemon_is_down_is_degraded_and_keeps_its_last_sync_time()
    {
        var info = Of(Primary, Peer(MirrorStatusState.Replaying, """replaying, {"local_snapshot_timestamp":1684675261,"replay_state":"idle"}""", up: false));
        Assert.Equal(ReplicationHealth.Degraded, info.Health);
        Assert.Equal(1684675261, info.LastSyncTime?.ToUnixTimeSeconds());
        Assert.Contains("site-b is down", info.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_report_that_is_too_old_is_degraded() =>
        Assert.Equal(ReplicationHealth.Degraded, Of(Primary, Peer(MirrorStatusState.Replaying, "replaying", age: 600)).Health);

    [Fact]
    public void A_peer_that_has_not_reported_is_degraded_and_named()
    {
        var info = Of(Primary);
        Assert.Equal(ReplicationHealth.Degraded, info.Health);
        Assert.Contains("site-b has not reported yet", info.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_peer_that_does_not_follow_is_waited_for_in_the_first_minutes_only()
    {
        MirrorSiteStatus[][] normal = [[Primary], [Primary, Peer(MirrorStatusState.Unknown, "remote image is not primary")]];
        foreach (var reports in normal)
        {
            Assert.True(Since(TimeSpan.FromMinutes(4), reports).IsAwaited);
            Assert.False(Since(TimeSpan.FromMinutes(5), reports).IsAwaited);
            Assert.False(Since(null, reports).IsAwaited);
        }
        MirrorSiteStatus[][] other =
        [
            [Primary, Peer(MirrorStatusState.Error, "split-brain")],
            [Primary, Peer(MirrorStatusState.Unknown, "remote image is not primary", up: false)],
            [Report("", MirrorStatusState.Error, "failed")],
            [Primary, Peer(MirrorStatusState.Syncing, "bootstrapping")],
        ];
        foreach (var reports in other)
            Assert.False(Since(TimeSpan.FromSeconds(1), reports).IsAwaited);
    }

    [Fact]
    public void A_pool_without_a_peer_that_copies_is_an_error_at_once()
    {
        MirrorSites[] lone = [new("site-a", []), new("site-a", [new MirrorPeerSite("1", "site-b", PeerUuid, MirrorPeerDirection.Receive, Now)])];
        foreach (var sites in lone)
        {
            var info = ReplicationInfo.Of(new ImageReports(Status(Primary), sites, EveryFiveMinutes), Now.AddSeconds(-1), Now);
            Assert.Equal((ReplicationHealth.Error, false), (info.Health, info.IsAwaited));
            Assert.Contains("no peer that copies from this site", info.Message, StringComparison.Ordinal);
        }
    }

    private static ReplicationInfo Since(TimeSpan? age, MirrorSiteStatus[] reports) => ReplicationInfo.Of(new ImageReports(Status(reports), Sites, EveryFiveMinutes), Now - age, Now);

    private static MirrorGlobalStatus Status(params MirrorSiteStatus[] reports) => new("image", new MirrorImageInfo("id", MirrorImageState.Enabled, IsPrimary: true), reports);

    [Fact]
    public void In_journal_mode_the_sync_time_is_that_of_a_report_without_entries_behind()
    {
        var done = Of(Primary, Peer(MirrorStatusState.Replaying, """replaying, {"entries_behind_primary":0,"primary_position":{}}"""));
        var behind = Of(Primary, Peer(MirrorStatusState.Replaying, """replaying, {"entries_behind_primary":12,"primary_position":{}}"""));
        Assert.Equal((ReplicationHealth.Healthy, Now.AddSeconds(-5)), (done.Health, done.LastSyncTime));
        Assert.Null(behind.LastSyncTime);
        Assert.Contains("entries behind: 12", behind.Message, StringComparison.Ordinal);
    }
}
