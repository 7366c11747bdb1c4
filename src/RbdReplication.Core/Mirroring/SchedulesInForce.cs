using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Who takes the mirror snapshots of an image that are due.</summary>
public enum SnapshotTaker
{
    /// <summary>The manager's rbd_support module.</summary>
    Manager,

    /// <summary>The servers, as generations of the group that it belongs to.</summary>
    Group,

    /// <summary>The servers, with consistency points.</summary>
    Points,
}

/// <summary>The schedules by which mirror snapshots of an image are due.</summary>
/// <param name="Schedules">The schedules.</param>
/// <param name="Taker">Who takes them.</param>
public sealed record SchedulesInForce(IReadOnlyList<ReplicationSchedule> Schedules, SnapshotTaker Taker)
{
    /// <summary>Those of an image that has none.</summary>
    public static SchedulesInForce None { get; } = new([], SnapshotTaker.Manager);

    /// <summary>Those of many images of a pool, in two reads: a plan of points, else the manager's. Members of groups have theirs from the group.</summary>
    /// <returns>Image id to schedules; an image without any is missing.</returns>
    public static async Task<IReadOnlyDictionary<string, SchedulesInForce>> ListAsync(
        ClusterConnection connection, RadosPool pool, IReadOnlyCollection<string> imageIds, CancellationToken cancellationToken)
    {
        var reading = PointPlans.ListAsync(pool, imageIds, cancellationToken);
        var managers = await SnapshotSchedules.ListInForceAsync(connection, pool, imageIds, cancellationToken).ConfigureAwait(false);
        var found = managers.ToDictionary(entry => entry.Key, entry => new SchedulesInForce(entry.Value, SnapshotTaker.Manager), StringComparer.Ordinal);
        foreach (var (id, plan) in await reading.ConfigureAwait(false))
            found[id] = new([plan.Schedule], SnapshotTaker.Points);
        return found;
    }
}
