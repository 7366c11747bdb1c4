using CsCheck;
using RbdReplication.Core;

namespace RbdReplication.Tests;

public sealed class SyncReportTests
{
    [Fact]
    public void The_figures_of_snapshot_mode_are_read()
    {
        var report = SyncReport.Parse(
            """replaying, {"bytes_per_second":0.0,"bytes_per_snapshot":81920.0,"last_snapshot_bytes":81920,"last_snapshot_sync_seconds":3,"local_snapshot_timestamp":1684675261,"remote_snapshot_timestamp":1684675321,"replay_state":"idle"}""");
        Assert.NotNull(report);
        Assert.Equal(1684675261, report.LocalSnapshotTime?.ToUnixTimeSeconds());
        Assert.Equal(1684675321, report.RemoteSnapshotTime?.ToUnixTimeSeconds());
        Assert.Equal(81920, report.LastSnapshotBytes);
        Assert.Equal(TimeSpan.FromSeconds(3), report.LastSnapshotDuration);
        Assert.False(report.IsSyncing);
        Assert.Null(report.EntriesBehindPrimary);
    }

    [Fact]
    public void A_running_copy_tells_how_far_it_is()
    {
        var report = SyncReport.Parse(
            """replaying, {"replay_state":"syncing","remote_snapshot_timestamp":5,"seconds_until_synced":0,"syncing_percent":28,"syncing_snapshot_timestamp":5}""");
        Assert.True(report?.IsSyncing);
        Assert.Equal(28, report?.SyncingPercent);
        Assert.Null(report?.LocalSnapshotTime);
    }

    [Fact]
    public void The_figures_of_journal_mode_are_read()
    {
        var report = SyncReport.Parse(
            """replaying, {"bytes_per_second":0.0,"entries_behind_primary":17,"entries_per_second":0.0,"non_primary_position":{},"primary_position":{"entry_tid":3,"object_number":3,"tag_tid":6}}""");
        Assert.Equal(17, report?.EntriesBehindPrimary);
        Assert.Null(report?.LocalSnapshotTime);
    }

    [Theory]
    [InlineData("")]
    [InlineData("local image is primary")]
    [InlineData("remote image demoted")]
    [InlineData("a text, with a comma")]
    [InlineData("replaying, {")]
    [InlineData("replaying, {\"replay_state\":\"idle\"")]
    [InlineData("replaying, {} x")]
    [InlineData("replaying, []")]
    public void A_description_without_figures_has_no_report(string description) => Assert.Null(SyncReport.Parse(description));

    [Theory]
    [InlineData("""{"local_snapshot_timestamp":"1684675261","last_snapshot_bytes":true,"replay_state":5,"syncing_percent":null,"entries_behind_primary":[],"last_snapshot_sync_seconds":{}}""")]
    [InlineData("""{"local_snapshot_timestamp":0,"last_snapshot_bytes":-1,"syncing_percent":101,"entries_behind_primary":-5,"last_snapshot_sync_seconds":-1}""")]
    [InlineData("""{"local_snapshot_timestamp":1e300,"last_snapshot_bytes":1e19,"syncing_percent":1e9,"entries_behind_primary":1e400,"last_snapshot_sync_seconds":1e18}""")]
    [InlineData("""{"local_snapshot_timestamp":253402300800,"last_snapshot_sync_seconds":99999999999}""")]
    public void Figures_that_cannot_be_are_absent(string json) => Assert.Equal(new SyncReport(), SyncReport.Parse("replaying, " + json));

    [Fact]
    public void Whole_numbers_may_be_written_with_a_fraction() =>
        Assert.Equal(81920, SyncReport.Parse("""replaying, {"last_snapshot_bytes":81920.0}""")?.LastSnapshotBytes);

    [Fact]
    public void A_huge_or_deep_description_is_no_report()
    {
        Assert.Null(SyncReport.Parse("replaying, {\"x\":\"" + new string('x', 1024 * 1024) + "\"}"));
        Assert.Null(SyncReport.Parse("replaying, {\"x\":" + new string('[', 10_000)));
    }

    [Fact]
    public void A_description_that_is_cut_off_anywhere_is_never_a_failure()
    {
        const string Whole = """replaying, {"last_snapshot_bytes":81920,"local_snapshot_timestamp":1684675261,"replay_state":"idle"}""";
        Gen.Select(Gen.Int[0, Whole.Length], Gen.String).Sample((length, tail) => _ = SyncReport.Parse(Whole[..length] + tail));
    }

    [Theory]
    [InlineData("replaying, {\"a\":1}", "replaying")]
    [InlineData("split-brain", "split-brain")]
    [InlineData("", "")]
    [InlineData(" {}", "")]
    public void The_words_stand_in_front_of_the_figures(string description, string words) => Assert.Equal(words, SyncReport.Words(description));
}
