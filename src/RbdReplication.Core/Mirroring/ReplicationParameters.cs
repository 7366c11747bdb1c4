using System.Globalization;
using System.Text.RegularExpressions;
using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>What to do with a clone whose parent is not mirrored.</summary>
public enum FlattenMode
{
    /// <summary>Refuse.</summary>
    Never,

    /// <summary>Copy what it shares with its parent, then mirror it.</summary>
    Force,
}

/// <summary>When the manager takes mirror snapshots of an image.</summary>
/// <param name="Interval">As it was written: a number and m, h or d.</param>
/// <param name="StartTime">Time of day, or date and time, from which intervals are counted, ISO 8601; null for midnight UTC.</param>
public sealed partial record ReplicationSchedule(string Interval, string? StartTime)
{
    /// <summary>Longest interval.</summary>
    public static readonly TimeSpan MaximumInterval = TimeSpan.FromDays(365);

    private static readonly string[] TimeFormats =
    [
        "HH:mm", "HH:mm:ss", "HH:mmzzz", "HH:mm:sszzz", "HH:mmK", "HH:mm:ssK", "yyyy-MM-dd", "yyyy-MM-ddTHH:mm", "yyyy-MM-ddTHH:mmK", "yyyy-MM-ddTHH:mm:ss",
        "yyyy-MM-ddTHH:mm:ssK", "yyyy-MM-ddTHH:mm:ss.FFFFFFFK", "yyyy-MM-dd HH:mm:ss", "yyyy-MM-dd HH:mm:ssK",
    ];

    /// <summary>Length of the interval; null if it is none between a minute and <see cref="MaximumInterval"/>.</summary>
    public static TimeSpan? ParseInterval(string text)
    {
        var match = IntervalPattern().Match(text);
        if (!match.Success || !long.TryParse(match.Groups[1].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            return null;
        long minutes = match.Groups[2].Value switch { "d" => 24 * 60, "h" => 60, _ => 1 };
        // The manager divides by the interval: one of zero stops the snapshots of the whole cluster, and so does one
        // that Python's timedelta cannot hold.
        var maximum = (long)MaximumInterval.TotalMinutes / minutes;
        return number < 1 || number > maximum ? null : TimeSpan.FromMinutes(number * minutes);
    }

    /// <summary>The shortest interval of some schedules; null if there is none.</summary>
    public static TimeSpan? ShortestInterval(IReadOnlyList<ReplicationSchedule> schedules) => schedules.Count == 0
        ? null
        : schedules.Min(schedule => ParseInterval(schedule.Interval) ?? MaximumInterval);

    /// <summary>
    /// How long until the manager takes the next snapshot: it counts intervals from the start time on 1970-01-01. Where that has an
    /// offset managers up to 20.2 add it, and later ones subtract it: the earlier of the two. Null for an interval that cannot be read.
    /// </summary>
    public TimeSpan? UntilNext(DateTimeOffset now)
    {
        if (ParseInterval(Interval) is not { } interval)
            return null;
        var start = StartTime is null ? null : Parse(StartTime);
        var (time, offset) = (start?.TimeOfDay ?? TimeSpan.Zero, start?.Offset ?? TimeSpan.Zero);
        return new[] { time + offset, time - offset }.Min(from => UntilNext(now - DateTimeOffset.UnixEpoch - from, interval));
    }

    /// <summary>When the manager was last due to take one, by the same count.</summary>
    public DateTimeOffset? LastDue(DateTimeOffset now) => ParseInterval(Interval) is { } interval ? now + UntilNext(now) - interval : null;

    /// <summary>How long until the next is due, where it is not the manager that takes them; zero: it is. Null for an interval that cannot be read.</summary>
    /// <param name="takenAt">When the last was begun; null before the first.</param>
    /// <param name="now">The time.</param>
    public TimeSpan? UntilDue(DateTimeOffset? takenAt, DateTimeOffset now) =>
        LastDue(now) is not { } due ? null : takenAt >= due ? UntilNext(now) : TimeSpan.Zero;

    private static TimeSpan UntilNext(TimeSpan sinceStart, TimeSpan interval) => interval - new TimeSpan(sinceStart.Ticks % interval.Ticks);

    /// <summary>Time of day in UTC of a start time, in whole minutes: all that every manager keeps of it; null if it is no time.</summary>
    public static TimeSpan? ParseStartTime(string text) => Parse(text) is { } time ? new TimeSpan(time.UtcDateTime.Hour, time.UtcDateTime.Minute, 0) : null;

    /// <summary>
    /// A start time as a full ISO 8601 date and time, all that managers after 20.2 take. A time of day gets the day from which
    /// managers up to 20.2 count all intervals, so it means what it meant.
    /// </summary>
    public static string FullStartTime(string text) => Parse(text) is { } time
        ? (DatePattern().IsMatch(text) ? time : At1970(time)).ToString("yyyy-MM-ddTHH:mm:sszzz", CultureInfo.InvariantCulture)
        : text;

    private static DateTimeOffset At1970(DateTimeOffset time) => new(new DateTime(1970, 1, 1) + time.TimeOfDay, time.Offset);

    private static DateTimeOffset? Parse(string text) =>
        DateTimeOffset.TryParseExact(text, TimeFormats, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : null;

    [GeneratedRegex(@"\A([0-9]{1,18})([mhd])\z", RegexOptions.CultureInvariant)]
    private static partial Regex IntervalPattern();

    [GeneratedRegex(@"\A[0-9]{4}-", RegexOptions.CultureInvariant)]
    private static partial Regex DatePattern();
}

/// <summary>The parameters of a VolumeReplicationClass, validated.</summary>
/// <param name="Mode">How to mirror.</param>
/// <param name="Schedule">When to take mirror snapshots; null where the class gives no interval.</param>
/// <param name="Flatten">What to do with clones.</param>
/// <param name="Force">Whether to disable even a secondary image.</param>
/// <param name="StrictFailover">Whether an unforced promote waits for a living primary peer instead of asking for force.</param>
/// <param name="UnknownKeys">Keys that mean nothing here.</param>
public sealed partial record ReplicationParameters(
    MirrorImageMode Mode, ReplicationSchedule? Schedule, FlattenMode Flatten, bool Force, bool StrictFailover, IReadOnlyList<string> UnknownKeys)
{
    private const string ModeKey = "mirroringMode";
    private const string IntervalKey = "schedulingInterval";
    private const string StartTimeKey = "schedulingStartTime";
    private const string FlattenKey = "flattenMode";
    private const string ForceKey = "force";
    private const string StrictKey = "strictFailover";
    private const string HoldKey = "maximumHold";
    private const string PointsKey = "consistencyPoints";
    private static readonly TimeSpan ShortestHold = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestHold = TimeSpan.FromSeconds(30);

    /// <summary>All keys that mean something.</summary>
    public static IReadOnlyList<string> KnownKeys { get; } = [ModeKey, IntervalKey, StartTimeKey, FlattenKey, ForceKey, StrictKey, HoldKey, PointsKey];

    /// <summary>For how long writers may be held for a generation of a group; null where the class does not say it.</summary>
    public TimeSpan? MaximumHold { get; init; }

    /// <summary>How many consistency points of a volume are kept, each of whose syncs on schedule takes one; null: the syncs are the manager's, without points.</summary>
    public int? ConsistencyPoints { get; init; }

    /// <summary>Validates the parameters of a request.</summary>
    /// <exception cref="ReplicationException">InvalidArgument: names the key, the value and what is allowed.</exception>
    public static ReplicationParameters Parse(IReadOnlyDictionary<string, string> parameters)
    {
        var mode = Value(parameters, ModeKey) switch
        {
            null or "snapshot" => MirrorImageMode.Snapshot,
            "journal" => MirrorImageMode.Journal,
            var other => throw Invalid(ModeKey, other, "snapshot or journal"),
        };
        var flatten = Value(parameters, FlattenKey) switch
        {
            null or "never" => FlattenMode.Never,
            "force" => FlattenMode.Force,
            var other => throw Invalid(FlattenKey, other, "never or force"),
        };
        var schedule = ParseSchedule(parameters);
        return new ReplicationParameters(
            mode, schedule, flatten, Flag(parameters, ForceKey), Flag(parameters, StrictKey),
            [.. parameters.Keys.Where(key => !KnownKeys.Contains(key)).Order(StringComparer.Ordinal)])
        {
            MaximumHold = ParseHold(Value(parameters, HoldKey)),
            ConsistencyPoints = ParsePoints(Value(parameters, PointsKey), mode, schedule),
        };
    }

    private static int? ParsePoints(string? text, MirrorImageMode mode, ReplicationSchedule? schedule)
    {
        if (text is null)
            return null;
        if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number is < 1 or > PointRules.MaximumKept)
            throw Invalid(PointsKey, text, $"a number from 1 to {PointRules.MaximumKept}");
        return mode == MirrorImageMode.Snapshot && schedule is not null
            ? number
            : throw new ReplicationException(ReplicationError.InvalidArgument, $"parameter {PointsKey} needs {IntervalKey}, by which the points are taken, and {ModeKey} snapshot");
    }

    private static TimeSpan? ParseHold(string? text)
    {
        if (text is null)
            return null;
        var match = HoldPattern().Match(text);
        var number = match.Success ? int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture) : 0;
        var hold = match.Groups[2].Value == "s" ? TimeSpan.FromSeconds(number) : TimeSpan.FromMilliseconds(number);
        return hold >= ShortestHold && hold <= LongestHold ? hold : throw Invalid(HoldKey, text, "a number and ms or s, from 100ms to 30s, for example 2s");
    }

    [GeneratedRegex(@"\A([0-9]{1,5})(ms|s)\z", RegexOptions.CultureInvariant)]
    private static partial Regex HoldPattern();

    private static ReplicationSchedule? ParseSchedule(IReadOnlyDictionary<string, string> parameters)
    {
        var interval = Value(parameters, IntervalKey);
        var start = Value(parameters, StartTimeKey);
        if (interval is not null && ReplicationSchedule.ParseInterval(interval) is null)
            throw Invalid(IntervalKey, interval, "a number from 1 and m, h or d, at most 365d, for example 5m");
        if (start is not null && interval is null)
            throw new ReplicationException(ReplicationError.InvalidArgument, $"parameter {StartTimeKey} needs {IntervalKey}");
        if (start is not null && ReplicationSchedule.ParseStartTime(start) is null)
            throw Invalid(StartTimeKey, start, "a time of day or a date and time in ISO 8601, for example 14:00:00-05:00");
        return interval is null ? null : new ReplicationSchedule(interval, start);
    }

    // The spellings that Go's strconv.ParseBool takes: what users of ceph-csi may have in their classes.
    private static bool Flag(IReadOnlyDictionary<string, string> parameters, string key) => Value(parameters, key) switch
    {
        null or "0" or "f" or "F" or "false" or "FALSE" or "False" => false,
        "1" or "t" or "T" or "true" or "TRUE" or "True" => true,
        var other => throw Invalid(key, other, "true or false"),
    };

    private static string? Value(IReadOnlyDictionary<string, string> parameters, string key) => parameters.GetValueOrDefault(key);

    private static ReplicationException Invalid(string key, string value, string allowed) =>
        new(ReplicationError.InvalidArgument, $"parameter {key} is \"{Shown(value)}\", and must be {allowed}");

    private static string Shown(string value) => value.Length <= 64 ? value : value[..64] + "…";
}
