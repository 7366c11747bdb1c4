using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// The plans of consistency points, by image: one object for each pool and rados namespace, so that a listing reads those of many images at once. This
/// is the only place that knows its keys. Whoever changes a plan holds the volume's lock.
/// </summary>
public static class PointPlans
{
    /// <summary>The object.</summary>
    public const string ObjectName = "rbd-replication.points";

    private static string TakenKey(string imageId) => imageId + "/taken_at";

    /// <summary>The plan of an image; null for none. One read.</summary>
    public static Task<PointPlan?> ReadAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(open);
        return ReadAsync(open.Volume.Pool, open.Image.GetId(), cancellationToken);
    }

    /// <summary>The same of an image that is not open.</summary>
    public static async Task<PointPlan?> ReadAsync(RadosPool pool, string imageId, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(pool);
        var keys = await pool.ReadOmapAsync(ObjectName, [imageId, TakenKey(imageId)], cancellationToken).ConfigureAwait(false);
        return keys?.GetValueOrDefault(imageId) is { } text && Parse(text) is { } plan ? plan with { TakenAt = Time(keys.GetValueOrDefault(TakenKey(imageId))) } : null;
    }

    /// <summary>The plans of those of the images that have one. One read.</summary>
    public static async Task<IReadOnlyDictionary<string, PointPlan>> ListAsync(RadosPool pool, IReadOnlyCollection<string> imageIds, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(pool);
        var keys = await pool.ReadOmapAsync(ObjectName, imageIds, cancellationToken).ConfigureAwait(false);
        return (keys ?? new Dictionary<string, string>())
            .Select(key => (Id: key.Key, Plan: Parse(key.Value))).Where(entry => entry.Plan is not null).ToDictionary(entry => entry.Id, entry => entry.Plan!);
    }

    /// <summary>Gives an image this plan.</summary>
    public static async Task SetAsync(OpenVolume open, PointPlan wanted, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(wanted);
        if (await ReadAsync(open, cancellationToken).ConfigureAwait(false) is { } present && present.Means(wanted))
            return;
        await open.LockAsync().ConfigureAwait(false);
        await WriteAsync(open, new ObjectWrite().SetOmap(open.Image.GetId(), Text(wanted))).ConfigureAwait(false);
    }

    /// <summary>Takes its plan from an image, if it has one.</summary>
    public static async Task RemoveAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        if (await ReadAsync(open, cancellationToken).ConfigureAwait(false) is null)
            return;
        await open.LockAsync().ConfigureAwait(false);
        var id = open.Image.GetId();
        await WriteAsync(open, new ObjectWrite().RemoveOmap([id, TakenKey(id)]).EvenIfFull()).ConfigureAwait(false);
    }

    /// <summary>Says that the point which was due is taken. Where the plan has become another one meanwhile, nothing is written.</summary>
    internal static async Task SetTakenAsync(OpenVolume open, PointPlan plan, DateTimeOffset begun)
    {
        var id = open.Image.GetId();
        try
        {
            await WriteAsync(open, new ObjectWrite().AssertOmap(id, Text(plan)).SetOmap(TakenKey(id), begun.ToString("O", CultureInfo.InvariantCulture))).ConfigureAwait(false);
        }
        catch (CephException e) when (e.Errno is Errno.ECANCELED or Errno.ENOENT)
        {
        }
    }

    private static Task WriteAsync(OpenVolume open, ObjectWrite write) => open.Volume.Pool.WriteAsync(ObjectName, write, CancellationToken.None);

    private static string Text(PointPlan plan) =>
        JsonSerializer.Serialize(new PointPlanJson(plan.Schedule.Interval, plan.Schedule.StartTime, plan.Keep), PointPlanContext.Default.PointPlanJson);

    // One that cannot be read is a later release's, and nothing is done by it.
    private static PointPlan? Parse(string text)
    {
        try
        {
            return JsonSerializer.Deserialize(text, PointPlanContext.Default.PointPlanJson) is { Interval: not null, Keep: > 0 } plan
                ? new PointPlan(new ReplicationSchedule(plan.Interval, plan.StartTime), plan.Keep)
                : null;
        }
        // A text with half a surrogate pair is no JsonException.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private static DateTimeOffset? Time(string? text) => DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, out var time) ? time : null;
}

/// <summary>A plan as it is written.</summary>
internal sealed record PointPlanJson(string? Interval, string? StartTime, int Keep);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(PointPlanJson))]
internal sealed partial class PointPlanContext : JsonSerializerContext;
