using System.Text;
using System.Text.Json;

namespace RbdReplication.Core;

/// <summary>
/// The figures that a replaying mirror daemon puts behind the words of its status. Snapshot mode and journal mode have
/// different ones; absent figures are null.
/// </summary>
public sealed record SyncReport
{
    // A status is written by a daemon of the other cluster: bound what we parse.
    private const int MaximumLength = 64 * 1024;

    /// <summary>Time of the primary's snapshot that the reporting site holds completely.</summary>
    public DateTimeOffset? LocalSnapshotTime { get; init; }

    /// <summary>Time of the primary's newest snapshot.</summary>
    public DateTimeOffset? RemoteSnapshotTime { get; init; }

    /// <summary>Size of the last snapshot in bytes.</summary>
    public long? LastSnapshotBytes { get; init; }

    /// <summary>How long copying the last snapshot took.</summary>
    public TimeSpan? LastSnapshotDuration { get; init; }

    /// <summary><c>idle</c> or <c>syncing</c>.</summary>
    public string? ReplayState { get; init; }

    /// <summary>Finished part of the running copy in percent.</summary>
    public int? SyncingPercent { get; init; }

    /// <summary>Journal mode: entries that the reporting site has not replayed yet; up to 30 s old.</summary>
    public long? EntriesBehindPrimary { get; init; }

    /// <summary>
    /// Time of the newest data that the reporting site holds completely; null where it is not told. Journal mode tells no time: a site that
    /// is not behind held everything when its report was stored.
    /// </summary>
    /// <param name="storedAt">When the report was stored.</param>
    public DateTimeOffset? LastSyncTime(DateTimeOffset storedAt) => LocalSnapshotTime ?? (EntriesBehindPrimary == 0 ? storedAt : null);

    /// <summary>Whether a snapshot is being copied.</summary>
    public bool IsSyncing => ReplayState == "syncing";

    /// <summary>Takes the figures out of a status description; null if it holds none or they cannot be read.</summary>
    public static SyncReport? Parse(string description)
    {
        var start = description.IndexOf('{', StringComparison.Ordinal);
        if (start < 0 || description.Length - start > MaximumLength)
            return null;
        try
        {
            using var json = JsonDocument.Parse(Encoding.UTF8.GetBytes(description[start..]));
            var root = json.RootElement;
            return new SyncReport
            {
                LocalSnapshotTime = Time(root, "local_snapshot_timestamp"),
                RemoteSnapshotTime = Time(root, "remote_snapshot_timestamp"),
                LastSnapshotBytes = Number(root, "last_snapshot_bytes"),
                LastSnapshotDuration = Number(root, "last_snapshot_sync_seconds") is { } seconds and < int.MaxValue ? TimeSpan.FromSeconds(seconds) : null,
                ReplayState = root.TryGetProperty("replay_state", out var state) && state.ValueKind == JsonValueKind.String ? state.GetString() : null,
                SyncingPercent = Number(root, "syncing_percent") is { } percent and <= 100 ? (int)percent : null,
                EntriesBehindPrimary = Number(root, "entries_behind_primary"),
            };
        }
        // A text with half a surrogate pair is found only when it is read, and is no JsonException.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>The words in front of the figures: <c>replaying</c>, <c>split-brain</c> and the like.</summary>
    public static string Words(string description)
    {
        var end = description.AsSpan().IndexOfAny(',', '{');
        return (end < 0 ? description : description[..end]).Trim();
    }

    private static DateTimeOffset? Time(JsonElement root, string name) =>
        // Zero stands for "none yet"; the largest second that .NET can hold is in the year 9999.
        Number(root, name) is { } seconds and > 0 and <= 253402300799 ? DateTimeOffset.FromUnixTimeSeconds(seconds) : null;

    // Ceph writes whole figures as 81920 in one release and 81920.0 in another.
    private static long? Number(JsonElement root, string name) =>
        root.ValueKind == JsonValueKind.Object && root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number
        && value.TryGetDouble(out var number) && number is >= 0 and < long.MaxValue
            ? (long)number
            : null;
}
