namespace RbdReplication.Core;

/// <summary>When consistency points of a volume are to be taken, which are its syncs then, and how many are kept.</summary>
/// <param name="Schedule">When.</param>
/// <param name="Keep">How many are kept.</param>
/// <param name="TakenAt">When the last that was due was begun; null before the first.</param>
public sealed record PointPlan(ReplicationSchedule Schedule, int Keep, DateTimeOffset? TakenAt = null)
{
    /// <summary>How long until one is due; zero: it is. Null: the schedule cannot be read.</summary>
    public TimeSpan? UntilDue(DateTimeOffset now) => Schedule.UntilDue(TakenAt, now);

    /// <summary>Whether it is the same plan, whatever was taken by it.</summary>
    public bool Means(PointPlan other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return Schedule == other.Schedule && Keep == other.Keep;
    }
}
