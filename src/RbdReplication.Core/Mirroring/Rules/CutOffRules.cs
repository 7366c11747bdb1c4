using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>What an operation leaves behind that was cut off between the steps that librbd makes of it (16.2).</summary>
public static class CutOffRules
{
    /// <summary>
    /// Whether an image calls itself primary and refuses every write. A promotion takes the promotion snapshot first and makes the image
    /// writable second; a demotion makes it read-only first and takes the demotion snapshot second. Nothing can have been written to it in
    /// between, and no snapshot can be taken for a proof. So demoting it goes on to the end, and promoting it, which librbd refuses, takes
    /// a demotion and a promotion, which lose nothing.
    /// </summary>
    /// <param name="isPrimary">Whether the image is primary.</param>
    /// <param name="features">Its features.</param>
    public static bool IsReadOnlyPrimary(bool isPrimary, ImageFeatures features) => isPrimary && features.HasFlag(ImageFeatures.NonPrimary);

    /// <summary>
    /// Whether an image may be promoted where a forced promotion was cut off while it rolled back: by force, which goes on with that. Whoever asks without
    /// is told to force it, as somebody has done before.
    /// </summary>
    /// <param name="chain">Its mirror snapshots.</param>
    /// <param name="force">Whether it is forced.</param>
    public static RelocationDecision Rollback(MirrorChain chain, bool force) =>
        !chain.IsHalfRolledBack ? RelocationDecision.Allow("no rollback was cut off")
        : chain.UnfinishedRollback.Count == 0 ? RelocationDecision.Refuse(
            ReplicationError.Damaged,
            "an interrupted forced promotion has left a mix of two points in time, which was gone on with since; do not use this image: resync it from a good site or restore it")
        : force ? RelocationDecision.Allow("it is rolled back from where that was cut off")
        : RelocationDecision.Refuse(
            ReplicationError.FailedPrecondition,
            "an interrupted forced promotion has left a mix of two points in time; promote it by force, which finishes that, or resync it from a good site");

    /// <summary>
    /// Whether enabling was cut off on an image that counts as not mirrored: a mirror snapshot is left, which nothing removes, so that the
    /// image cannot be deleted. Enabled to the end it can be disabled.
    /// </summary>
    public static bool IsHalfEnabled(MirrorChain chain) => chain.Newest is { State: MirrorSnapshotState.Primary };
}
