using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// What is reported about one mirrored image, not judged yet: <see cref="ImageStatus"/> and <see cref="ReplicationInfo"/> are made from it.
/// </summary>
/// <param name="Status">What the sites last reported.</param>
/// <param name="Sites">Names of the sites.</param>
/// <param name="Schedules">Snapshot schedules in force at this site.</param>
/// <param name="Taker">Who takes the snapshots that are due by them.</param>
public sealed record ImageReports(
    MirrorGlobalStatus Status, MirrorSites Sites, IReadOnlyList<ReplicationSchedule> Schedules, SnapshotTaker Taker = SnapshotTaker.Manager);
