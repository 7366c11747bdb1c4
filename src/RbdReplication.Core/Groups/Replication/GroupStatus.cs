namespace RbdReplication.Core;

/// <summary>What a forced promotion at the site that has not the primary would return a group to.</summary>
/// <param name="Generation">The generation; null: none.</param>
/// <param name="Health">Whether that is as it should be.</param>
/// <param name="Message">The same, for people.</param>
public sealed record ReturnPoint(HeldGeneration? Generation, ReplicationHealth Health, string Message);

/// <summary>A replicated volume group as this site sees it.</summary>
/// <param name="Handle">Its handle at this site.</param>
/// <param name="Name">The name that it was asked for by, or that of its RBD group.</param>
/// <param name="Pool">Pool name.</param>
/// <param name="Namespace">Rados namespace; empty for the default one.</param>
/// <param name="Members">Number of its volumes.</param>
/// <param name="State">What is known here of its replication.</param>
/// <param name="ReturnPoint">What a forced promotion would return to; null where that was not asked for.</param>
/// <param name="Health">How well it is replicated: no better than any of its volumes.</param>
/// <param name="Message">What is seen and, where something is wrong, what to do; for people.</param>
public sealed record GroupStatus(
    VolumeHandle Handle, string Name, string Pool, string Namespace, int Members, GroupState State, ReturnPoint? ReturnPoint, ReplicationHealth Health, string Message)
{
    /// <summary>Whether the site that has not the primary could take over now.</summary>
    public FailoverSafety Failover { get; init; } = FailoverSafety.NotReported;

    /// <summary>The newest generation that this site has taken as the primary; null: none, or it is secondary.</summary>
    public HeldGeneration? Newest => State is { Role: WantedRole.Primary, TakenAt: { } takenAt } ? new HeldGeneration(State.Taken, takenAt) : null;

    /// <summary>Judges a group by what is known of it now.</summary>
    /// <param name="handle">Its handle at this site.</param>
    /// <param name="name">The name that it was asked for by, or that of its RBD group.</param>
    /// <param name="pool">Pool name.</param>
    /// <param name="radosNamespace">Rados namespace; empty for the default one.</param>
    /// <param name="members">Number of its volumes.</param>
    /// <param name="volumes">Health of those that are mirrored.</param>
    /// <param name="state">What is known here of its replication.</param>
    /// <param name="returnPoint">What a forced promotion would return to; null where that was not asked for.</param>
    /// <param name="now">The time.</param>
    public static GroupStatus Of(
        VolumeHandle handle, string name, string pool, string radosNamespace, int members, IReadOnlyList<ReplicationHealth> volumes, GroupState state,
        ReturnPoint? returnPoint, DateTimeOffset now)
    {
        var (health, message) = Judge(state, members, now);
        if (returnPoint is not null && state.Failover is null)
        {
            health = health == ReplicationHealth.Healthy ? returnPoint.Health : health;
            message += $"; {returnPoint.Message}";
        }
        if (volumes.Count > 0 && volumes.MaxBy(ReplicationHealthOrder.Severity) is var worst and not ReplicationHealth.Healthy)
        {
            health = worst.Severity() > health.Severity() ? worst : health;
            var ill = volumes.Count(volume => volume == worst);
            message += $"; {ill} of its volumes {VolumeCount.Are(ill)} {worst.Words()}";
        }
        if (state.LastFailover is { } last)
            message += $"; promoted by force at {last.Since:yyyy-MM-dd HH:mm:ss} UTC: {last.Describe()}";
        return new GroupStatus(handle, name, pool, radosNamespace, members, state, returnPoint, health, message);
    }

    /// <summary>The same with what an earlier look at the same group has told and this one does not.</summary>
    internal GroupStatus After(GroupStatus before) =>
        State.Role == WantedRole.Primary && before.State.Role == WantedRole.Primary ? this with { Failover = Failover.AfterGeneration(before.Failover) } : this;

    /// <summary>Says that a generation is late.</summary>
    internal static string NoGeneration(TimeSpan interval) =>
        $"no generation in {ReplicationInfo.LateAfterIntervals} intervals of {interval.TotalMinutes} min; event 2010 in the servers' logs says why, and where there is none no server was called for the group since it started";

    private static (ReplicationHealth, string) Judge(GroupState state, int members, DateTimeOffset now)
    {
        if (state.Failover is { } failover && GroupInfo.Of(failover) is var unfinished)
            return (unfinished.Health, unfinished.Message);
        if (members == 0)
            return (ReplicationHealth.Unknown, GroupInfo.NoVolumes);
        if (state.Role == WantedRole.Secondary)
            return (ReplicationHealth.Healthy, "the copy of the other site");
        if (state.Schedule is null || ReplicationSchedule.ParseInterval(state.Schedule.Interval) is not { } interval)
            return (ReplicationHealth.Degraded, "no schedule, so no generation is taken; set schedulingInterval in the VolumeReplicationClass");
        return state.TakenAt switch
        {
            null => (ReplicationHealth.Degraded, "no generation is taken yet, which takes some seconds after a promotion; else event 2010 in the servers' logs says why"),
            { } taken when now - taken > interval * ReplicationInfo.LateAfterIntervals => (ReplicationHealth.Degraded, $"behind: {NoGeneration(interval)}"),
            _ => (ReplicationHealth.Healthy, "generations are taken on schedule"),
        };
    }
}
