using RbdReplication.Ceph.Interop;

namespace RbdReplication.Ceph;

/// <summary>Making clones of user snapshots. They are of clone format 2, which asks nothing of the parent, so that it may be a secondary.</summary>
public static class SnapshotClone
{
    // RBD_IMAGE_OPTION_… of librbd.h.
    private const int FeaturesOption = 1;
    private const int DataPoolOption = 10;
    private const int CloneFormatOption = 12;

    private const ulong CloneFormat = 2;

    // What a client may ask for. The others belong to mirroring, or librbd sets them by itself.
    private const ImageFeatures Passed =
        ImageFeatures.Layering | ImageFeatures.ExclusiveLock | ImageFeatures.ObjectMap | ImageFeatures.FastDiff | ImageFeatures.DeepFlatten;

    /// <summary>
    /// Clones a snapshot of an image into the same pool. librbd copies the image's metadata, too. Wraps <c>rbd_clone3</c>.
    /// </summary>
    /// <param name="pool">Pool and rados namespace.</param>
    /// <param name="parentName">Name of the image.</param>
    /// <param name="snapshotName">A user snapshot of it.</param>
    /// <param name="name">Name of the clone.</param>
    /// <param name="shape">What it is to have of the image.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="CephException">ENOENT: no such image or snapshot. EEXIST: there is an image of this name.</exception>
    public static async Task CreateAsync(RadosPool pool, string parentName, string snapshotName, string name, CloneShape shape, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(pool);
        ArgumentNullException.ThrowIfNull(shape);
        var dataPool = await DataPoolAsync(pool, shape.DataPoolId, cancellationToken).ConfigureAwait(false);
        var features = (shape.Features & Passed) | ImageFeatures.Layering;
        await NativeCall.BlockingAsync(
            "rbd_clone3", pool.SpecOf(name), pool.Handle, pool.Cluster.Threads.Changes,
            () => Clone(pool, parentName, snapshotName, name, features, dataPool), cancellationToken).WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    private static long Clone(RadosPool pool, string parentName, string snapshotName, string name, ImageFeatures features, string? dataPool)
    {
        Librbd.ImageOptionsCreate(out var options);
        try
        {
            var result = Librbd.ImageOptionsSetUint64(options, CloneFormatOption, CloneFormat);
            if (result >= 0)
                result = Librbd.ImageOptionsSetUint64(options, FeaturesOption, (ulong)features);
            if (result >= 0 && dataPool is not null)
                result = Librbd.ImageOptionsSetString(options, DataPoolOption, dataPool);
            return result < 0 ? result : Librbd.Clone3(pool.Handle, parentName, snapshotName, pool.Handle, name, options);
        }
        finally
        {
            Librbd.ImageOptionsDestroy(options);
        }
    }

    private static async Task<string?> DataPoolAsync(RadosPool pool, long id, CancellationToken cancellationToken)
    {
        if (id == pool.Id)
            return null;
        await using var dataPool = await pool.Cluster.OpenPoolAsync(id, "", cancellationToken).ConfigureAwait(false);
        return dataPool.Name;
    }
}

/// <summary>What a clone has of its image, beside the data.</summary>
/// <param name="Features">The image's features.</param>
/// <param name="DataPoolId">Number of the pool that its data is in.</param>
public sealed record CloneShape(ImageFeatures Features, long DataPoolId)
{
    /// <summary>Reads it; it comes with the open image and costs no round trip.</summary>
    public static async Task<CloneShape> OfAsync(RbdImage image, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(image);
        return new CloneShape(await image.GetFeaturesAsync(cancellationToken).ConfigureAwait(false), image.GetDataPoolId());
    }
}
