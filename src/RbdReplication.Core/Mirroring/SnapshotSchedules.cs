using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// The manager's snapshot schedule of one image. Reading goes to the omap object that the manager keeps schedules in, which
/// takes one quick read; changes go through the manager, since only it reloads them.
/// </summary>
public static class SnapshotSchedules
{
    // Object and key format of the manager's rbd_support module: pool number / namespace / image id. Seen on 16.2, 18.2, 20.2.
    private const string ScheduleObject = "rbd_mirror_snapshot_schedule";

    // A manager that has just become active answers like this for up to some seconds.
    private static readonly TimeSpan RetryPause = TimeSpan.FromMilliseconds(250);

    // A standby takes over within this where Ceph's own timers are in force; a caller that waits in vain is told why.
    private static readonly TimeSpan ManagerPatience = TimeSpan.FromSeconds(30);

    /// <summary>Gives the image exactly this schedule: adds it if it is missing and then removes others of the image's own.</summary>
    /// <param name="open">The volume; locked where its schedules are another.</param>
    /// <param name="wanted">The schedule.</param>
    /// <param name="cancellationToken">Ends waiting for a manager that is not ready.</param>
    /// <exception cref="CephException">The manager refuses, or none was ready for half a minute.</exception>
    public static async Task SetAsync(OpenVolume open, ReplicationSchedule wanted, CancellationToken cancellationToken)
    {
        var (connection, image) = (open.Volume.Connection, open.Image);
        if (await IsAsync(connection, image.Pool, image.GetId(), wanted, cancellationToken).ConfigureAwait(false))
            return;
        await open.LockAsync().ConfigureAwait(false);
        var present = await ReadAsync(connection, image, cancellationToken).ConfigureAwait(false);
        var same = present.FirstOrDefault(item => item.Means(wanted));
        // Adding first: there is no moment without any schedule.
        if (same is null)
            await CommandAsync(connection, "add", image.Spec, new Item(wanted.Interval, wanted.StartTime), cancellationToken).ConfigureAwait(false);
        foreach (var other in present.Where(item => item != same))
            await CommandAsync(connection, "remove", image.Spec, other, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Whether the image has exactly this schedule of its own, or with null none.</summary>
    public static async Task<bool> IsAsync(ClusterConnection connection, RadosPool pool, string imageId, ReplicationSchedule? wanted, CancellationToken cancellationToken)
    {
        var present = await ReadAsync(connection, pool, imageId, cancellationToken).ConfigureAwait(false);
        return wanted is null ? present.Count == 0 : present is [var only] && only.Means(wanted);
    }

    /// <summary>Removes all schedules of the image's own, if it has any.</summary>
    /// <param name="open">The volume; locked where it has.</param>
    /// <param name="cancellationToken">Ends waiting for a manager that is not ready.</param>
    /// <exception cref="CephException">The manager refuses, or none was ready for half a minute.</exception>
    public static async Task ClearAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        if (await IsAsync(open.Volume.Connection, open.Image.Pool, open.Image.GetId(), null, cancellationToken).ConfigureAwait(false))
            return;
        await open.LockAsync().ConfigureAwait(false);
        await RemoveAsync(open.Volume.Connection, open.Image, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Removes all schedules of the image's own. To be called while it is still mirrored: afterwards the manager refuses.
    /// </summary>
    public static async Task RemoveAsync(ClusterConnection connection, RbdImage image, CancellationToken cancellationToken)
    {
        foreach (var item in await ReadAsync(connection, image, cancellationToken).ConfigureAwait(false))
            await CommandAsync(connection, "remove", image.Spec, item, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// The schedules in force for many images of a pool, in one read: an image's own, else those of its rados namespace, else
    /// those of the pool. Schedules of the cluster as a whole are not seen.
    /// </summary>
    /// <param name="connection">Connection to the cluster.</param>
    /// <param name="pool">Pool and rados namespace of the images.</param>
    /// <param name="imageIds">The images.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Image id to schedules; an image without any is missing.</returns>
    public static async Task<IReadOnlyDictionary<string, IReadOnlyList<ReplicationSchedule>>> ListInForceAsync(
        ClusterConnection connection, RadosPool pool, IReadOnlyCollection<string> imageIds, CancellationToken cancellationToken)
    {
        var root = await connection.GetPoolAsync(pool.Id, "", cancellationToken).ConfigureAwait(false);
        var poolKey = pool.Id.ToString(CultureInfo.InvariantCulture);
        var namespaceKey = $"{poolKey}/{pool.Namespace}";
        var entries = await root.ReadOmapAsync(
            ScheduleObject, [poolKey, namespaceKey, .. imageIds.Select(id => $"{namespaceKey}/{id}")], cancellationToken).ConfigureAwait(false);
        var found = new Dictionary<string, IReadOnlyList<ReplicationSchedule>>(StringComparer.Ordinal);
        foreach (var id in imageIds)
        {
            string[] levels = [$"{namespaceKey}/{id}", namespaceKey, poolKey];
            var items = levels.Select(level => entries?.GetValueOrDefault(level) is { } json ? Parse(json) : []).FirstOrDefault(items => items.Count > 0);
            if (items is not null)
                found[id] = [.. items.Select(item => new ReplicationSchedule(item.Interval, item.StartTime))];
        }
        return found;
    }

    private static Task<List<Item>> ReadAsync(ClusterConnection connection, RbdImage image, CancellationToken cancellationToken) =>
        ReadAsync(connection, image.Pool, image.GetId(), cancellationToken);

    private static async Task<List<Item>> ReadAsync(ClusterConnection connection, RadosPool pool, string imageId, CancellationToken cancellationToken)
    {
        var root = await connection.GetPoolAsync(pool.Id, "", cancellationToken).ConfigureAwait(false);
        var key = string.Create(CultureInfo.InvariantCulture, $"{pool.Id}/{pool.Namespace}/{imageId}");
        var entries = await root.ReadOmapAsync(ScheduleObject, [key], cancellationToken).ConfigureAwait(false);
        return entries is not null && entries.TryGetValue(key, out var json) ? Parse(json) : [];
    }

    // [{"interval": "5m", "start_time": null}, …]; an entry that cannot be read is left alone.
    private static List<Item> Parse(string json)
    {
        List<Item> items = [];
        try
        {
            using var document = JsonDocument.Parse(json);
            if (document.RootElement.ValueKind != JsonValueKind.Array)
                return items;
            foreach (var element in document.RootElement.EnumerateArray())
            {
                if (element.ValueKind == JsonValueKind.Object && Text(element, "interval") is { } interval)
                    items.Add(new Item(interval, Text(element, "start_time")));
            }
        }
        // A text with half a surrogate pair is no JsonException.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
        }
        return items;
    }

    private static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static async Task CommandAsync(
        ClusterConnection connection, string verb, string imageSpec, Item item, CancellationToken cancellationToken)
    {
        var command = Command(verb, imageSpec, item);
        var started = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                // Waited for to its end: a command whose volume is free again could undo what the next call does.
                await connection.Cluster.MgrCommandAsync(command, CancellationToken.None).ConfigureAwait(false);
                return;
            }
            // No manager was active, or it went away before it answered: the commands can be repeated.
            catch (CephException e) when (e.Errno is Errno.EAGAIN or Errno.EOPNOTSUPP or Errno.ETIMEDOUT
                && Stopwatch.GetElapsedTime(started) < ManagerPatience)
            {
                await Task.Delay(RetryPause, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private static string Command(string verb, string imageSpec, Item item)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("prefix", $"rbd mirror snapshot schedule {verb}");
            json.WriteString("level_spec", imageSpec);
            json.WriteString("interval", item.Interval);
            if (item.StartTime is not null)
                json.WriteString("start_time", ReplicationSchedule.FullStartTime(item.StartTime));
            json.WriteString("format", "json");
            json.WriteEndObject();
        }
        return System.Text.Encoding.UTF8.GetString(buffer.ToArray());
    }

    private sealed record Item(string Interval, string? StartTime)
    {
        // The manager writes 1440m as 1d, and keeps hour, minute and offset of a start time or, after 20.2, the moment in UTC.
        public bool Means(ReplicationSchedule wanted) =>
            Length(Interval) is { } mine && mine == Length(wanted.Interval) && Start(StartTime) == Start(wanted.StartTime);

        private static TimeSpan? Length(string interval) => ReplicationSchedule.ParseInterval(interval);

        private static TimeSpan? Start(string? text) => text is null ? null : ReplicationSchedule.ParseStartTime(text);
    }
}
