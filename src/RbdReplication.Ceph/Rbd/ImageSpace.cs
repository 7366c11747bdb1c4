using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using RbdReplication.Ceph.Interop;

namespace RbdReplication.Ceph;

/// <summary>What one open image takes up in its pool.</summary>
public sealed class ImageSpace
{
    private readonly RbdImage _image;

    internal ImageSpace(RbdImage image) => _image = image;

    private BlockingCalls Threads => _image.Pool.Cluster.Threads.Reclaims;

    /// <summary>
    /// Removes the objects that hold nothing but zeros, each by itself and in one step of its OSD, so that what is read stays the same
    /// whoever writes meanwhile. Needs an image opened for writing. Where the image has the feature, librbd takes its exclusive lock, and ends
    /// when another client, a promotion or a demotion takes that away. Wraps <c>rbd_sparsify_with_progress</c>.
    /// </summary>
    /// <param name="goesOn">
    /// Gets the part that was begun with, from 0 to 1, on a thread of librbd, and says whether to go on; what it throws is lost.
    /// </param>
    /// <param name="cancellationToken">Ends the wait; <paramref name="goesOn"/> ends the work.</param>
    /// <exception cref="CephException">
    /// ECANCELED: <paramref name="goesOn"/> has said no. EROFS: the image is a secondary. ERESTART, EBUSY, EOPNOTSUPP: another client has taken
    /// the lock.
    /// </exception>
    public async Task SparsifyAsync(Func<double, bool> goesOn, CancellationToken cancellationToken)
    {
        var info = new ImageInfoLayout();
        await _image.LookUpAsync("rbd_stat", () => Stat(out info), cancellationToken).ConfigureAwait(false);
        await _image.CallAsync("rbd_sparsify_with_progress", Threads, () => Sparsify((nuint)info.ObjectBytes, goesOn), cancellationToken).ConfigureAwait(false);
    }

    private unsafe long Stat(out ImageInfoLayout info)
    {
        fixed (ImageInfoLayout* target = &info)
            return Librbd.Stat(_image.Handle, target, (nuint)sizeof(ImageInfoLayout));
    }

    // It may have waited for its thread.
    private unsafe long Sparsify(nuint objectBytes, Func<double, bool> goesOn) => goesOn(0)
        ? ProgressCallback.Run(goesOn, (callback, argument) => Librbd.SparsifyWithProgress(_image.Handle, objectBytes, callback, argument))
        : -(int)Errno.ECANCELED;

    /// <summary>
    /// Bytes of the objects that exist, in whole objects, what is shared with a parent left out. Null where librbd would have to ask for each
    /// object: without fast-diff, or where that cannot be relied on (20 s for 512 GiB, against milliseconds with it).
    /// Wraps <c>rbd_get_flags</c> and <c>rbd_diff_iterate2</c>.
    /// </summary>
    public async Task<long?> GetUsedBytesAsync(CancellationToken cancellationToken)
    {
        if (!(await _image.GetFeaturesAsync(cancellationToken).ConfigureAwait(false)).HasFlag(ImageFeatures.FastDiff))
            return null;
        var size = await _image.GetSizeBytesAsync(cancellationToken).ConfigureAwait(false);
        ulong flags = 0;
        await _image.LookUpAsync("rbd_get_flags", () => Librbd.GetFlags(_image.Handle, out flags), cancellationToken).ConfigureAwait(false);
        if (((ImageFlags)flags & (ImageFlags.ObjectMapInvalid | ImageFlags.FastDiffInvalid)) != ImageFlags.None)
            return null;
        long used = 0;
        // That of a snapshot may still be invalid, upon which librbd counts: so not on a thread for look-ups.
        await _image.CallAsync("rbd_diff_iterate2", Threads, () => Count(size, out used), cancellationToken).ConfigureAwait(false);
        return used;
    }

    private unsafe long Count(ulong size, out long used)
    {
        long sum = 0;
        var result = Librbd.DiffIterate2(_image.Handle, null, 0, size, includeParent: 0, wholeObject: 1, &OnExtent, &sum);
        used = sum;
        return result;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static unsafe int OnExtent(ulong offset, nuint length, int exists, void* sum)
    {
        if (exists != 0)
            *(long*)sum += (long)length;
        return 0;
    }
}
