namespace RbdReplication.Core;

/// <summary>What is known at this site of the replication of a group.</summary>
/// <param name="Role">The role that was last wanted of its members here.</param>
/// <param name="Schedule">When generations are to be taken; null where the class gives no interval.</param>
/// <param name="Generation">Number of the newest generation; 0 before the first.</param>
/// <param name="Failover">A forced promotion that was begun and has not ended; null for none.</param>
public sealed record GroupState(WantedRole Role, ReplicationSchedule? Schedule, long Generation = 0, GroupFailover? Failover = null);

/// <summary>A forced promotion of a group that was begun and has not ended.</summary>
/// <param name="Since">When it was begun.</param>
/// <param name="SnapshotName">The snapshot, of one generation, that all members return to; null where they need not.</param>
public sealed record GroupFailover(DateTimeOffset Since, string? SnapshotName);
