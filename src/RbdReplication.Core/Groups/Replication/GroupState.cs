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

    /// <summary>The number of the last generation that was taken; 0 before the first.</summary>
    public long Taken { get; init; }

    /// <summary>When that one was begun; null before the first.</summary>
    public DateTimeOffset? TakenAt { get; init; }

    /// <summary>The forced promotion by which the group is primary here, with the snapshot that was returned to; null: it is so by a planned one, or secondary.</summary>
    public GroupFailover? LastFailover { get; init; }

    /// <summary>
    /// Since when the other site has parted from this one by a forced promotion here; null: it has not. What it had before it throws away when it follows again.
    /// </summary>
    public DateTimeOffset? PartedAt => LastFailover is { SnapshotName: not null } last ? last.Since : null;

    /// <summary>The same, with generations as the class says: when, and for how long writers may be held.</summary>
    public GroupState ScheduledBy(ReplicationParameters parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        return this with { Schedule = parameters.Schedule, MaximumHold = parameters.MaximumHold ?? DefaultHold };
    }

    /// <summary>How long until a generation is due; zero: it is. Null: none is to be taken.</summary>
    public TimeSpan? UntilDue(DateTimeOffset now) => Role == WantedRole.Primary && Failover is null ? Schedule?.UntilDue(TakenAt, now) : null;
}

/// <summary>A forced promotion of a group.</summary>
/// <param name="Since">When it was begun.</param>
/// <param name="SnapshotName">The snapshot, of one generation, that all members return to; null where they need not.</param>
/// <param name="LeftBehind">The newest generation that this site had a part of, where that is a later one; null where it had none.</param>
/// <param name="TakenBy">Of one that has ended: the latest time that the instant can be of which all members have returned to; null where they need not.</param>
public sealed record GroupFailover(DateTimeOffset Since, string? SnapshotName, long? LeftBehind = null, DateTimeOffset? TakenBy = null)
{
    /// <summary>To which instant it has gone, and what it has left behind, for people.</summary>
    public string Describe()
    {
        if (SnapshotName is null)
            return "its volumes were left as they were, as this site held what the application had left when it was stopped";
        var to = GenerationName.Parse(SnapshotName) is { } generation ? $"generation {generation.Number} (snapshot {SnapshotName})" : SnapshotName;
        var time = TakenBy is { } takenBy ? $", taken no later than {takenBy:yyyy-MM-dd HH:mm:ss} UTC" : "";
        var part = LeftBehind is { } number ? $", of which this site had a part as far as generation {number}" : "";
        return $"its volumes were returned to {to}{time}; what was written later was left behind{part}";
    }
}
