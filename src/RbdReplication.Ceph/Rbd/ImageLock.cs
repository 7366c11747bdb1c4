using RbdReplication.Ceph.Interop;

namespace RbdReplication.Ceph;

/// <summary>
/// The exclusive lock of one image that is open for writing, without which no client writes to it where it has the feature. Of others librbd says EINVAL.
/// </summary>
public sealed class ImageLock
{
    private const int FirstOwners = 1;
    private const int MaximumOwners = 1 << 10;

    private readonly RbdImage _image;

    internal ImageLock(RbdImage image) => _image = image;

    /// <summary>
    /// Takes the lock as whoever writes does, by a write of nothing, and keeps it until another client asks for it. <c>rbd_lock_acquire</c>
    /// is no choice: it makes the writes of others fail with EROFS. Wraps <c>rbd_aio_discard</c>.
    /// </summary>
    /// <param name="cancellationToken">Ends the wait; the request goes on, and the lock is ours when the owner gives it up.</param>
    /// <exception cref="CephException">EROFS: a secondary, or its owner does not give it up to anybody.</exception>
    public Task TakeAsync(CancellationToken cancellationToken) => NativeCall.RunAsync(
        ClientLibrary.Rbd, "rbd_aio_discard", _image.Spec, _image.Handle, completion => Librbd.AioDiscard(_image.Handle, 0, 0, completion),
        cancellationToken).WaitAsync(cancellationToken);

    /// <summary>
    /// Network addresses of the clients that hold the lock, as the image's watchers have them. Unlike <c>rbd_is_exclusive_lock_owner</c> it tells
    /// who keeps others from writing: a client that was asked to give the lock up and has not yet is its owner still.
    /// Wraps <c>rbd_lock_get_owners</c>.
    /// </summary>
    public Task<IReadOnlyList<string>> ListOwnersAsync(CancellationToken cancellationToken) => ListOwnersAsync(_image.Pool.Cluster.Threads.LookUps, cancellationToken);

    internal async Task<IReadOnlyList<string>> ListOwnersAsync(BlockingCalls threads, CancellationToken cancellationToken)
    {
        List<string> owners = [];
        try
        {
            await _image.CallAsync("rbd_lock_get_owners", threads, () => ListOwners(owners), cancellationToken).ConfigureAwait(false);
        }
        // So librbd says that nobody holds it.
        catch (CephException e) when (e.Errno == Errno.ENOENT)
        {
        }
        return owners;
    }

    private unsafe long ListOwners(List<string> owners) => SizedCall.Run(FirstOwners, MaximumOwners, (ref nuint count) =>
    {
        var found = new nint[count];
        fixed (nint* first = found)
        fixed (nuint* length = &count)
        {
            var result = Librbd.LockGetOwners(_image.Handle, out _, (byte**)first, length);
            if (result < 0)
                return result;
            for (var i = 0; i < (int)count; i++)
                owners.Add(NativeText.Read((byte*)found[i]));
            Librbd.LockGetOwnersCleanup((byte**)first, count);
            return 0;
        }
    });
}
