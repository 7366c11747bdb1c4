using System.Globalization;

namespace RbdReplication.Core;

/// <summary>
/// The object that holds what this site knows of the replication of a group, and its omap keys: this is the only place that knows them. It is
/// beside ceph-csi's object of the group, where every key of ours would be a member. No secret is ever in it.
/// </summary>
public static class GroupStateKeys
{
    /// <summary>Key of the role that is wanted here; the group is replicated as long as it is there.</summary>
    public const string Role = "role";

    /// <summary>Key of the schedule's interval, as it was written in the class.</summary>
    public const string Interval = "interval";

    /// <summary>Key of the schedule's start time, as it was written in the class.</summary>
    public const string StartTime = "start_time";

    /// <summary>Key of the time for which writers may be held, in milliseconds.</summary>
    public const string MaximumHold = "maximum_hold_ms";

    /// <summary>Key of the number that was given last to a generation.</summary>
    public const string Generation = "generation";

    /// <summary>Key of the number of the last generation that was taken.</summary>
    public const string Taken = "taken";

    /// <summary>Key of the time when that one was begun.</summary>
    public const string TakenAt = "taken_at";

    /// <summary>Key of the time when a forced promotion was begun; it is there until that has ended.</summary>
    public const string Failover = "failover";

    /// <summary>Key of the snapshot that all members return to in a forced promotion; absent where they need not.</summary>
    public const string FailoverSnapshot = "failover_snapshot";

    /// <summary>Key of the generation that a forced promotion leaves behind; absent where this site had no part of a later one.</summary>
    public const string FailoverLeft = "failover_left";

    /// <summary>Key of the latest time that the instant can be of which a forced promotion has returned to.</summary>
    public const string FailoverTakenBy = "failover_taken_by";

    /// <summary>What the keys of the forced promotion by which the group is primary have before their names.</summary>
    public const string Last = "last_";

    private const string Primary = "primary";
    private const string Secondary = "secondary";

    /// <summary>The object of a group.</summary>
    public static string ObjectOf(string uuid) => "rbd-replication.group." + uuid;

    /// <summary>A role as it is written.</summary>
    public static string RoleText(WantedRole role) => role == WantedRole.Primary ? Primary : Secondary;

    /// <summary>A time as it is written.</summary>
    public static string TimeText(DateTimeOffset time) => time.ToString("O", CultureInfo.InvariantCulture);

    /// <summary>Takes the state out of the object's keys; null: the group is not replicated.</summary>
    public static GroupState? Read(IReadOnlyDictionary<string, string> keys)
    {
        ArgumentNullException.ThrowIfNull(keys);
        if (!keys.TryGetValue(Role, out var role))
            return null;
        var schedule = keys.TryGetValue(Interval, out var interval) ? new ReplicationSchedule(interval, keys.GetValueOrDefault(StartTime)) : null;
        // What a later release may write as a role makes nothing primary.
        return new GroupState(role == Primary ? WantedRole.Primary : WantedRole.Secondary, schedule, ReadFailover(keys, ""))
        {
            MaximumHold = Number(keys, MaximumHold) is { } milliseconds ? TimeSpan.FromMilliseconds(milliseconds) : GroupState.DefaultHold,
            Generation = Number(keys, Generation) ?? 0,
            Taken = Number(keys, Taken) ?? 0,
            TakenAt = Time(keys, TakenAt),
            LastFailover = ReadFailover(keys, Last),
        };
    }

    private static GroupFailover? ReadFailover(IReadOnlyDictionary<string, string> keys, string prefix) => keys.ContainsKey(prefix + Failover)
        ? new GroupFailover(
            Time(keys, prefix + Failover) ?? DateTimeOffset.UnixEpoch, keys.GetValueOrDefault(prefix + FailoverSnapshot), Number(keys, prefix + FailoverLeft),
            Time(keys, prefix + FailoverTakenBy))
        : null;

    private static DateTimeOffset? Time(IReadOnlyDictionary<string, string> keys, string key) =>
        DateTimeOffset.TryParse(keys.GetValueOrDefault(key), CultureInfo.InvariantCulture, out var time) ? time : null;

    private static long? Number(IReadOnlyDictionary<string, string> keys, string key) =>
        long.TryParse(keys.GetValueOrDefault(key), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
}
