namespace RbdReplication.Core;

/// <summary>Replication of one member of a group.</summary>
/// <param name="Volume">Its handle.</param>
/// <param name="Info">What is seen of it.</param>
public sealed record MemberInfo(string Volume, ReplicationInfo Info);

/// <summary>The newest generation of a group that all peers have whole.</summary>
/// <param name="Number">Its number.</param>
/// <param name="TakenAt">The instant that it is of.</param>
public sealed record HeldGeneration(long Number, DateTimeOffset TakenAt);

/// <summary>The replication of a group, from that of its members.</summary>
public static class GroupInfo
{
    internal const string NoVolumes = "the group has no volumes, so nothing is replicated";

    /// <summary>
    /// The worst health with its volume's words, the instant to which a forced promotion at the peer would return, the longest transfer, and the sum
    /// of the bytes. It is awaited only where nothing worse is seen than that members have just become primary, and the peers have no generation that was
    /// taken here: with one they have followed, and one that has stopped since is not about to begin.
    /// </summary>
    /// <param name="members">Its members.</param>
    /// <param name="held">The generation that the peers have; null: none.</param>
    /// <param name="taken">The number of the last generation that was taken at this site; 0: none.</param>
    public static ReplicationInfo Of(IReadOnlyList<MemberInfo> members, HeldGeneration? held, long taken)
    {
        ArgumentNullException.ThrowIfNull(members);
        if (members.Count == 0)
            return new ReplicationInfo(ReplicationHealth.Unknown, NoVolumes, null, null, 0, IsAwaited: false);
        var worst = members.MaxBy(Weight)!;
        var health = worst.Info.Health;
        var message = AtPeer(held, members.Count);
        if (health != ReplicationHealth.Healthy)
        {
            var ill = members.Count(member => Weight(member) == Weight(worst));
            message = $"{ill} of {VolumeCount.Words(members.Count)} of the group {VolumeCount.Are(ill)} {health.Words()}; volume {worst.Volume}: {worst.Info.Message}; {message}";
        }
        else if (held is null)
        {
            health = ReplicationHealth.Degraded;
        }
        return new ReplicationInfo(
            health, message, held?.TakenAt, members.Max(member => member.Info.LastSyncDuration), members.Sum(member => member.Info.LastSyncBytes),
            worst.Info.IsAwaited && !(held?.Number <= taken));
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

    /// <summary>Which generation the peer has, for people.</summary>
    internal static string AtPeer(HeldGeneration? held, int members) => held is null
        ? "the peer has no generation of the group, to which a forced promotion could return"
        : $"the peer has generation {held.Number} of {(members == 1 ? "its one volume" : $"all {members} volumes")}, as of {held.TakenAt:yyyy-MM-dd HH:mm:ss} UTC";

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
