using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Gets the progress of copying what a clone shares with its parent.</summary>
/// <param name="clone">The clone.</param>
/// <param name="parent">Its parent, as <c>pool/image</c> or <c>pool/namespace/image</c>.</param>
/// <param name="percent">Finished part, in steps of ten; 0 at the start.</param>
public delegate void FlattenReport(Volume clone, string parent, int percent);

/// <summary>Clones: the peer can only copy them if it has their parent too, so a parent stays mirrored as long as one of them is.</summary>
internal static class CloneParent
{
    private const int Done = 100;

    /// <summary>Makes sure that mirroring can be enabled on an image that may be a clone. Opens it for writing if it is flattened.</summary>
    /// <param name="open">The volume.</param>
    /// <param name="operation">What is done, to follow "cannot".</param>
    /// <param name="flatten">Whether to make it independent.</param>
    /// <param name="report">Gets the progress of that.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ReplicationException">
    /// NotConfigured: the parent is in the trash or not mirrored, which a person can mend. FailedPrecondition: it is gone.
    /// </exception>
    public static async Task PrepareAsync(OpenVolume open, string operation, FlattenMode flatten, FlattenReport report, CancellationToken cancellationToken)
    {
        if (await open.Image.GetParentAsync(cancellationToken).ConfigureAwait(false) is not { } parent)
            return;
        if (flatten == FlattenMode.Force)
        {
            // What would be refused afterwards is refused before hours of copying.
            await PoolMode.RequireImageByImageAsync(open, operation, cancellationToken).ConfigureAwait(false);
            await open.ForWritingAsync(cancellationToken).ConfigureAwait(false);
            await FlattenAsync(open, parent, report, cancellationToken).ConfigureAwait(false);
            return;
        }
        if (parent.IsInTrash)
            throw Refused(open, operation, ReplicationError.NotConfigured, parent, "is in the trash");
        try
        {
            if (!await IsMirroredAsync(open, parent.PoolId, parent.Namespace, parent.ImageId, cancellationToken).ConfigureAwait(false))
                throw Refused(open, operation, ReplicationError.NotConfigured, parent, "is not mirrored");
        }
        catch (CephException e) when (e.Errno == Errno.ENOENT)
        {
            throw Refused(open, operation, ReplicationError.FailedPrecondition, parent, "does not exist any more");
        }
    }

    /// <summary>Makes sure that mirroring can be disabled on an image that may be a parent.</summary>
    /// <exception cref="ReplicationException">FailedPrecondition: names its clones that are mirrored.</exception>
    public static async Task RequireNoMirroredCloneAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        List<string> mirrored = [];
        foreach (var clone in await open.Image.ListDescendantsAsync(cancellationToken).ConfigureAwait(false))
        {
            try
            {
                if (await IsMirroredAsync(open, clone.PoolId, clone.Namespace, clone.ImageId, cancellationToken).ConfigureAwait(false))
                    mirrored.Add(clone.Spec);
            }
            catch (CephException e) when (e.Errno == Errno.ENOENT)
            {
                // Removed meanwhile.
            }
        }
        if (mirrored.Count > 0)
            throw open.Refused("disable", ReplicationError.FailedPrecondition, $"mirrored clones need it at the peer: {string.Join(", ", mirrored)}; disable replication of those first, or flatten them");
    }

    // Where the call's time ends meanwhile, librbd goes on and the volume stays taken; a retry then finds no parent.
    private static Task FlattenAsync(OpenVolume open, ImageParent parent, FlattenReport report, CancellationToken cancellationToken) =>
        FlattenAsync(open, parent.ToString(), report).WaitAsync(cancellationToken);

    private static async Task FlattenAsync(OpenVolume open, string parent, FlattenReport report)
    {
        var steps = new ProgressSteps(TimeProvider.System, TimeSpan.Zero, percent => report(open.Volume, parent, percent));
        report(open.Volume, parent, 0);
        await open.Image.FlattenAsync(
            part =>
            {
                // librbd counts the objects that it has begun with: only its return says that all are done.
                if (part < 1)
                    steps.Take(part);
            },
            CancellationToken.None).ConfigureAwait(false);
        report(open.Volume, parent, Done);
    }

    private static async Task<bool> IsMirroredAsync(OpenVolume open, long poolId, string radosNamespace, string imageId, CancellationToken cancellationToken)
    {
        var pool = await open.Volume.Connection.GetPoolAsync(poolId, radosNamespace, cancellationToken).ConfigureAwait(false);
        await using var image = await RbdImage.OpenByIdAsync(pool, imageId, readOnly: true, cancellationToken).ConfigureAwait(false);
        return (await image.Mirroring.GetInfoAsync(cancellationToken).ConfigureAwait(false)).State == MirrorImageState.Enabled;
    }

    private static ReplicationException Refused(OpenVolume open, string operation, ReplicationError error, ImageParent parent, string reason) =>
        open.Refused(
            operation, error,
            $"it is a clone of {parent}, which {reason}; enable replication of the parent first, or set flattenMode to force in the class to make it independent");
}
