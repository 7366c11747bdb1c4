using System.Globalization;
using RbdReplication.Ceph;
using RbdReplication.Core;

namespace RbdReplication.Tests;

public sealed class ReplicationParametersTests
{
    private static ReplicationParameters Parse(params (string Key, string Value)[] parameters) =>
        ReplicationParameters.Parse(parameters.ToDictionary(pair => pair.Key, pair => pair.Value));

    private static string Refused(params (string Key, string Value)[] parameters)
    {
        var e = Assert.Throws<ReplicationException>(() => Parse(parameters));
        Assert.Equal(ReplicationError.InvalidArgument, e.Error);
        return e.Message;
    }

    [Fact]
    public void Without_parameters_images_are_mirrored_by_snapshots_without_a_schedule()
    {
        var parameters = Parse();
        Assert.Equal((MirrorImageMode.Snapshot, null, FlattenMode.Never, false), (parameters.Mode, parameters.Schedule, parameters.Flatten, parameters.Force));
        Assert.Empty(parameters.UnknownKeys);
    }

    [Theory]
    [InlineData("snapshot", MirrorImageMode.Snapshot)]
    [InlineData("journal", MirrorImageMode.Journal)]
    public void A_mode_is_chosen(string text, MirrorImageMode mode) => Assert.Equal(mode, Parse(("mirroringMode", text)).Mode);

    [Theory]
    [InlineData("mirroringMode", "")]
    [InlineData("mirroringMode", "Snapshot")]
    [InlineData("mirroringMode", "pool")]
    [InlineData("flattenMode", "")]
    [InlineData("flattenMode", "always")]
    [InlineData("force", "yes")]
    [InlineData("force", "")]
    [InlineData("strictFailover", "2")]
    [InlineData("schedulingInterval", "")]
    [InlineData("schedulingInterval", "5")]
    [InlineData("schedulingInterval", "m")]
    [InlineData("schedulingInterval", "0m")]
    [InlineData("schedulingInterval", "000h")]
    [InlineData("schedulingInterval", "0d")]
    [InlineData("schedulingInterval", "-5m")]
    [InlineData("schedulingInterval", "5s")]
    [InlineData("schedulingInterval", "5M")]
    [InlineData("schedulingInterval", "5 m")]
    [InlineData("schedulingInterval", " 5m")]
    [InlineData("schedulingInterval", "5m\n")]
    [InlineData("schedulingInterval", "1.5h")]
    [InlineData("schedulingInterval", "1h30m")]
    [InlineData("schedulingInterval", "٥m")]
    [InlineData("schedulingInterval", "366d")]
    [InlineData("schedulingInterval", "8761h")]
    [InlineData("schedulingInterval", "525601m")]
    [InlineData("schedulingInterval", "9223372036854775807d")]
    [InlineData("schedulingInterval", "99999999999999999999999999999999m")]
    public void A_value_that_is_not_allowed_is_named_with_its_key_and_what_is_allowed(string key, string value)
    {
        var message = Refused((key, value));
        Assert.Contains(key, message, StringComparison.Ordinal);
        Assert.Contains($"\"{value}\"", message, StringComparison.Ordinal);
        Assert.Contains("must be", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("1m", 1)]
    [InlineData("007m", 7)]
    [InlineData("2h", 120)]
    [InlineData("1d", 1440)]
    [InlineData("365d", 525600)]
    [InlineData("525600m", 525600)]
    public void An_interval_is_a_number_of_minutes_hours_or_days(string text, int minutes)
    {
        Assert.Equal(TimeSpan.FromMinutes(minutes), ReplicationSchedule.ParseInterval(text));
        Assert.Equal(new ReplicationSchedule(text, null), Parse(("schedulingInterval", text)).Schedule);
    }

    [Theory]
    [InlineData("14:00", 14, 0, 0)]
    [InlineData("16:18:43", 16, 18, 0)]
    [InlineData("14:00:00-05:00", 14, 0, -5)]
    [InlineData("01:00+02:00", 1, 0, 2)]
    [InlineData("14:30Z", 14, 30, 0)]
    [InlineData("2026-11-23", 0, 0, 0)]
    [InlineData("2026-11-23T16:18", 16, 18, 0)]
    [InlineData("2026-11-23T16:18:43+02:00", 16, 18, 2)]
    [InlineData("2026-11-23T16:18:43.123Z", 16, 18, 0)]
    [InlineData("2026-11-23 16:18:43", 16, 18, 0)]
    public void A_start_time_is_a_moment_of_the_day_whatever_else_it_says(string text, int hour, int minute, int offset)
    {
        Assert.Equal(new TimeSpan((hour - offset + 24) % 24, minute, 0), ReplicationSchedule.ParseStartTime(text));
        Assert.Equal(new ReplicationSchedule("1h", text), Parse(("schedulingInterval", "1h"), ("schedulingStartTime", text)).Schedule);
    }

    [Theory]
    [InlineData("14:00", "1970-01-01T14:00:00+00:00")]
    [InlineData("14:00:00-05:00", "1970-01-01T14:00:00-05:00")]
    [InlineData("01:00+02:00", "1970-01-01T01:00:00+02:00")]
    [InlineData("2026-11-23", "2026-11-23T00:00:00+00:00")]
    [InlineData("2026-11-23T16:18:43+02:00", "2026-11-23T16:18:43+02:00")]
    [InlineData("2026-11-23 16:18:00", "2026-11-23T16:18:00+00:00")]
    [InlineData("no time at all", "no time at all")]
    public void A_start_time_is_sent_as_a_full_date_and_time(string text, string sent) => Assert.Equal(sent, ReplicationSchedule.FullStartTime(text));

    [Theory]
    [InlineData("")]
    [InlineData("noon")]
    [InlineData("25:00")]
    [InlineData("14:60")]
    [InlineData("2026-13-01")]
    [InlineData("14:00:00\n")]
    public void A_start_time_that_is_none_is_refused(string text) =>
        Assert.Contains("schedulingStartTime", Refused(("schedulingInterval", "1h"), ("schedulingStartTime", text)), StringComparison.Ordinal);

    [Fact]
    public void A_start_time_needs_an_interval() =>
        Assert.Contains("needs schedulingInterval", Refused(("schedulingStartTime", "14:00")), StringComparison.Ordinal);

    [Theory]
    [InlineData("1 t T TRUE true True", true)]
    [InlineData("0 f F FALSE false False", false)]
    public void A_flag_has_the_spellings_of_ceph_csi(string spellings, bool value) =>
        Assert.All(spellings.Split(' '), spelling => Assert.Equal(value, Parse(("force", spelling)).Force));

    [Fact]
    public void Unknown_keys_are_listed_in_order_and_change_nothing()
    {
        var parameters = Parse(("zeta", "1"), ("MirroringMode", "journal"), ("mirroringMode", "journal"));
        Assert.Equal(MirrorImageMode.Journal, parameters.Mode);
        Assert.Equal(["MirroringMode", "zeta"], parameters.UnknownKeys);
    }

    [Fact]
    public void A_long_value_is_cut_in_the_message() =>
        Assert.InRange(Refused(("mirroringMode", new string('x', 100_000))).Length, 1, 300);

    [Theory]
    // interval, start time, now, seconds until the manager takes the next
    [InlineData("1m", null, "2026-11-26T10:00:57Z", 3)]
    [InlineData("1m", null, "2026-11-26T10:00:00Z", 60)]
    [InlineData("1h", "14:30:00", "2026-11-26T10:29:00Z", 60)]
    [InlineData("1d", "14:00:00", "2026-11-26T13:59:50Z", 10)]
    // Managers up to 20.2 add the offset, later ones subtract it.
    [InlineData("1d", "14:00:00-05:00", "2026-11-26T08:59:50Z", 10)]
    [InlineData("1d", "14:00:00-05:00", "2026-11-26T18:59:50Z", 10)]
    [InlineData("1d", "1970-01-01T14:00:00+00:00", "2026-11-26T13:59:50Z", 10)]
    public void The_managers_next_snapshot_is_known(string interval, string? start, string now, int seconds) =>
        Assert.Equal(TimeSpan.FromSeconds(seconds), new ReplicationSchedule(interval, start).UntilNext(DateTimeOffset.Parse(now, CultureInfo.InvariantCulture)));

    [Fact]
    public void A_schedule_that_cannot_be_read_is_never_due() => Assert.Null(new ReplicationSchedule("soon", null).UntilNext(DateTimeOffset.UnixEpoch));

    [Theory]
    [InlineData("1", 1)]
    [InlineData("30", 30)]
    public void So_many_points_are_kept(string text, int number) =>
        Assert.Equal(number, Parse(("consistencyPoints", text), ("schedulingInterval", "5m")).ConsistencyPoints);

    [Theory]
    [InlineData("0")]
    [InlineData("31")]
    [InlineData("-1")]
    [InlineData("")]
    [InlineData(" 3")]
    [InlineData("3.0")]
    [InlineData("three")]
    [InlineData("99999999999999999999")]
    public void A_number_of_points_is_from_1_to_30(string text) =>
        Assert.Contains($"parameter consistencyPoints is \"{text}\", and must be a number from 1 to 30", Refused(("consistencyPoints", text), ("schedulingInterval", "5m")), StringComparison.Ordinal);

    [Fact]
    public void Points_need_a_schedule_and_snapshot_mode()
    {
        const string Needs = "parameter consistencyPoints needs schedulingInterval, by which the points are taken, and mirroringMode snapshot";
        Assert.Equal(Needs, Refused(("consistencyPoints", "3")));
        Assert.Equal(Needs, Refused(("consistencyPoints", "3"), ("schedulingInterval", "5m"), ("mirroringMode", "journal")));
        Assert.Null(Parse(("schedulingInterval", "5m")).ConsistencyPoints);
    }
}
