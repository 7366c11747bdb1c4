using System.Text;
using System.Text.Json;
using RbdReplication.Ceph;

namespace RbdReplication.CephTests.Sandbox;

/// <summary>Everything that a call could change of a volume at one site, as text to compare.</summary>
public static class VolumeState
{
    public static async Task<string> ReadAsync(Site site, TestVolume volume)
    {
        var pool = volume.PoolAt(site);
        var text = new StringBuilder();
        await AddOmapAsync(text, pool, "csi.volume." + volume.Handle.Uuid);
        var directory = await pool.ReadOmapAsync("csi.volumes.default", ["csi.volume.pvc-" + volume.Handle.Uuid], CancellationToken.None);
        text.AppendLine($"directory: {string.Join(", ", directory ?? new Dictionary<string, string>())}");
        try
        {
            await using var image = await volume.OpenAsync(site);
            text.AppendLine($"image {image.GetId()} {await image.GetFeaturesAsync(CancellationToken.None)} parent {await image.GetParentAsync(CancellationToken.None)}");
            text.AppendLine($"metadata: {string.Join(", ", (await image.ListMetadataAsync("", CancellationToken.None)).OrderBy(pair => pair.Key, StringComparer.Ordinal))}");
            var mirroring = await image.Mirroring.GetInfoAsync(CancellationToken.None);
            text.AppendLine($"mirroring: {mirroring}");
            foreach (var snapshot in await image.Mirroring.ListSnapshotsAsync(CancellationToken.None))
                text.AppendLine($"snapshot {snapshot.Id} {snapshot.State}");
            // The mirror daemons come and go on images that are mirrored.
            if (mirroring.State == MirrorImageState.Disabled)
            {
                foreach (var watcher in await image.ListWatchersAsync(CancellationToken.None))
                    text.AppendLine($"watcher client.{watcher.ClientId}");
            }
            text.AppendLine($"schedule: {await ScheduleAsync(site, volume)}");
        }
        catch (CephException e) when (e.Errno == Errno.ENOENT)
        {
            text.AppendLine("no image");
        }
        return text.ToString();
    }

    /// <summary>The schedules of the image that the volume has now, as the manager stores them; null for none.</summary>
    public static async Task<string?> ScheduleAsync(Site site, TestVolume volume)
    {
        var pool = volume.PoolAt(site);
        await using var image = await volume.OpenAsync(site);
        await using var root = await site.Cluster.OpenPoolAsync(pool.Id, "", CancellationToken.None);
        var key = $"{pool.Id}/{pool.Namespace}/{image.GetId()}";
        return (await root.ReadOmapAsync("rbd_mirror_snapshot_schedule", [key], CancellationToken.None))?.GetValueOrDefault(key) is { } json
            ? Schedules(json)
            : null;
    }

    /// <summary>Schedules as the manager stores them, as <c>interval from start time</c>; the manager's JSON has line breaks or not.</summary>
    public static string Schedules(string json)
    {
        using var document = JsonDocument.Parse(json);
        return string.Join(", ", document.RootElement.EnumerateArray()
            .Select(item => $"{item.GetProperty("interval")} from {(item.GetProperty("start_time") is { ValueKind: JsonValueKind.String } start ? start.GetString() : "midnight")}"));
    }

    private static async Task AddOmapAsync(StringBuilder text, RadosPool pool, string name)
    {
        var entries = await pool.ListOmapAsync(name, "", CancellationToken.None);
        text.AppendLine(entries is null ? "no journal object" : $"journal: {string.Join(", ", entries.OrderBy(pair => pair.Key, StringComparer.Ordinal))}");
    }
}
