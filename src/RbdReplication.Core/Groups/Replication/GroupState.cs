namespace RbdReplication.Core;

/// <summary>What is known at this site of the replication of a group.</summary>
/// <param name="Role">The role that was last wanted of its members here.</param>
/// <param name="Schedule">When generations are to be taken; null where the class gives no interval.</param>
/// <param name="Failover">A forced promotion that was begun and has not ended; null for none.</param>
public sealed record GroupState(WantedRole Role, ReplicationSchedule? Schedule, GroupFailover? Failover = null)
{
    /// <summary>For how long writers may be held where the class does not say it.</summary>
    public static readonly TimeSpan DefaultHold = TimeSpan.FromSeconds(2);

    /// <summary>For how long writers may be held for a generation, until all members are ready.</summary>
    public TimeSpan MaximumHold { get; init; } = DefaultHold;

    /// <summary>The number that was given last to a generation; 0 before the first.</summary>
    public long Generation { get; init; }

    /// <summary>When the last generation that was taken was begun; null before the first.</summary>
    public DateTimeOffset? TakenAt { get; init; }

    /// <summary>The same, taken as the class says.</summary>
    public GroupState TakenBy(ReplicationParameters parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        return this with { Schedule = parameters.Schedule, MaximumHold = parameters.MaximumHold ?? DefaultHold };
    }

    /// <summary>How long until a generation is due; zero: it is. Null: none is to be taken.</summary>
    public TimeSpan? UntilDue(DateTimeOffset now)
    {
        if (Role != WantedRole.Primary || Failover is not null || Schedule?.LastDue(now) is not { } due)
            return null;
        return TakenAt >= due ? Schedule.UntilNext(now) : TimeSpan.Zero;
    }
}

/// <summary>A forced promotion of a group that was begun and has not ended.</summary>
/// <param name="Since">When it was begun.</param>
/// <param name="SnapshotName">The snapshot, of one generation, that all members return to; null where they need not.</param>
public sealed record GroupFailover(DateTimeOffset Since, string? SnapshotName);
