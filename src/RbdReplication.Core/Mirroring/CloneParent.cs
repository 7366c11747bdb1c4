using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Gets the progress of copying what a clone shares with its parent.</summary>
/// <param name="clone">The clone.</param>
/// <param name="parent">Its parent.</param>
/// <param name="percent">Finished part, in steps of ten; 0 at the start.</param>
public delegate void FlattenReport(Volume clone, ImageParent parent, int percent);

/// <summary>Clones: the peer can only copy them if it has their parent too.</summary>
internal static class CloneParent
{
    private const int PercentStep = 10;
    private const int Done = 100;

    /// <summary>Makes sure that mirroring can be enabled on an image that may be a clone.</summary>
    /// <exception cref="ReplicationException">FailedPrecondition: the parent is in the trash, not mirrored or gone.</exception>
    public static async Task PrepareAsync(OpenVolume open, FlattenMode flatten, FlattenReport report, CancellationToken cancellationToken)
    {
        if (await open.Image.GetParentAsync(cancellationToken).ConfigureAwait(false) is not { } parent)
            return;
        if (flatten == FlattenMode.Force)
        {
            await FlattenAsync(open, parent, report, cancellationToken).ConfigureAwait(false);
            return;
        }
        if (parent.IsInTrash)
            throw Refused(open, parent, "is in the trash");
        if (!await IsMirroredAsync(open, parent, cancellationToken).ConfigureAwait(false))
            throw Refused(open, parent, "is not mirrored");
    }

    // Where the call's time ends meanwhile, librbd goes on and the volume stays taken; a retry then finds no parent.
    private static Task FlattenAsync(OpenVolume open, ImageParent parent, FlattenReport report, CancellationToken cancellationToken) =>
        FlattenAsync(open, parent, report).WaitAsync(cancellationToken);

    private static async Task FlattenAsync(OpenVolume open, ImageParent parent, FlattenReport report)
    {
        var reported = 0;
        report(open.Volume, parent, reported);
        await open.Image.FlattenAsync(
            part =>
            {
                var percent = (int)(part * 100) / PercentStep * PercentStep;
                // librbd counts the objects that it has begun with: only its return says that all are done.
                if (percent <= reported || percent >= Done)
                    return;
                reported = percent;
                report(open.Volume, parent, percent);
            },
            CancellationToken.None).ConfigureAwait(false);
        report(open.Volume, parent, Done);
    }

    private static async Task<bool> IsMirroredAsync(OpenVolume open, ImageParent parent, CancellationToken cancellationToken)
    {
        try
        {
            var pool = await open.Volume.Connection.GetPoolAsync(parent.PoolId, parent.Namespace, cancellationToken).ConfigureAwait(false);
            await using var image = await RbdImage.OpenByIdAsync(pool, parent.ImageId, readOnly: true, cancellationToken).ConfigureAwait(false);
            return (await image.Mirroring.GetInfoAsync(cancellationToken).ConfigureAwait(false)).State == MirrorImageState.Enabled;
        }
        catch (CephException e) when (e.Errno == Errno.ENOENT)
        {
            throw Refused(open, parent, "does not exist any more");
        }
    }

    private static ReplicationException Refused(OpenVolume open, ImageParent parent, string reason) =>
        open.Refused(
            "enable", ReplicationError.FailedPrecondition,
            $"it is a clone of {parent}, which {reason}; enable replication of the parent first, or set flattenMode to force in the class to make it independent");
}
