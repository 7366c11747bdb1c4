namespace RbdReplication.Core;

/// <summary>Replication of one member of a group.</summary>
/// <param name="Volume">Its handle.</param>
/// <param name="Info">What is seen of it.</param>
public sealed record MemberInfo(string Volume, ReplicationInfo Info);

/// <summary>The replication of a group, from that of its members.</summary>
public static class GroupInfo
{
    /// <summary>
    /// The worst health with its volume's words, the oldest time, which is the newest that the peer holds of all members, the longest transfer, and
    /// the sum of the bytes. It is awaited only where nothing worse is seen than that members have just become primary.
    /// </summary>
    public static ReplicationInfo Of(IReadOnlyList<MemberInfo> members)
    {
        ArgumentNullException.ThrowIfNull(members);
        if (members.Count == 0)
            return new ReplicationInfo(ReplicationHealth.Unknown, "the group has no volumes, so nothing is replicated", null, null, 0, IsAwaited: false);
        var worst = members.MaxBy(Weight)!;
        var same = members.Count(member => Weight(member) == Weight(worst));
        var isAwaited = worst.Info.IsAwaited;
        var time = members.Any(member => member.Info.LastSyncTime is null) ? null : members.Min(member => member.Info.LastSyncTime);
        var oldest = time is null ? worst : members.First(member => member.Info.LastSyncTime == time);
        var message = worst.Info.Health == ReplicationHealth.Healthy
            ? $"all {members.Count} volumes of the group are replicated; furthest behind is volume {oldest.Volume}: {oldest.Info.Message}"
            : $"{same} of {members.Count} volumes of the group are no better than volume {worst.Volume}: {worst.Info.Message}";
        return new ReplicationInfo(
            worst.Info.Health, message, time, members.Max(member => member.Info.LastSyncDuration), members.Sum(member => member.Info.LastSyncBytes), isAwaited);
    }

    /// <summary>That of a group whose promotion by force has not ended: its volumes may be of different instants.</summary>
    public static ReplicationInfo Of(GroupFailover failover)
    {
        ArgumentNullException.ThrowIfNull(failover);
        return new ReplicationInfo(
            ReplicationHealth.Error,
            $"a forced promotion that was begun at {failover.Since:yyyy-MM-dd HH:mm:ss} UTC has not ended, so the volumes of the group may be of different instants: do not use them; PromoteVolume finishes it",
            null, null, 0, IsAwaited: false);
    }

    // One that has just become primary passes by itself, and is told only where nothing else is to be.
    private static int Weight(MemberInfo member) => member.Info switch
    {
        { Health: ReplicationHealth.Error } => 4,
        { IsAwaited: true } => 1,
        { Health: ReplicationHealth.Degraded } => 3,
        { Health: ReplicationHealth.Unknown } => 2,
        _ => 0,
    };
}
