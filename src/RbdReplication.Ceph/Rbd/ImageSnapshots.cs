using RbdReplication.Ceph.Interop;

namespace RbdReplication.Ceph;

/// <summary>
/// The user snapshots of one open image, those that <c>rbd snap create</c> makes. They are mirrored along with the next mirror snapshot. Calls
/// that change something need an image opened for writing.
/// </summary>
public sealed class ImageSnapshots
{
    private const int UserNamespaceType = 0;

    // Whatever the client's configuration says of quiescing.
    private const uint NoFlags = 0;

    private readonly RbdImage _image;

    internal ImageSnapshots(RbdImage image) => _image = image;

    private CallThreads Threads => _image.Pool.Cluster.Threads;

    /// <summary>The snapshots, oldest first. Wraps <c>rbd_snap_list</c> and <c>rbd_snap_get_namespace_type</c>.</summary>
    public async Task<IReadOnlyList<UserSnapshot>> ListAsync(CancellationToken cancellationToken)
    {
        List<UserSnapshot> snapshots = [];
        await _image.LookUpAsync("rbd_snap_list", () => SnapshotListing.Read(_image.Handle, ReadOne, snapshots), cancellationToken).ConfigureAwait(false);
        return snapshots;
    }

    private static unsafe UserSnapshot? ReadOne(ImageHandle image, int namespaceType, in SnapInfoLayout snapshot) => namespaceType == UserNamespaceType
        ? new UserSnapshot(snapshot.Id, NativeText.Read(snapshot.Name), snapshot.Size, SnapshotListing.TakenAt(image, snapshot.Id))
        : null;

    /// <summary>
    /// Takes a snapshot. Whoever watches the image for that, see <see cref="QuiesceWatch"/>, is waited for. Where another client holds the
    /// exclusive lock, librbd has that client take it. Wraps <c>rbd_snap_create2</c>.
    /// </summary>
    /// <exception cref="CephException">
    /// EEXIST: there is one of this name; one that has come at the same moment is no failure. EROFS: a secondary. ECANCELED: who watches says no.
    /// </exception>
    public Task CreateAsync(string name, CancellationToken cancellationToken) => CreateAsync(name, Threads.Changes, cancellationToken);

    internal unsafe Task CreateAsync(string name, BlockingCalls threads, CancellationToken cancellationToken) => _image.CallAsync(
        "rbd_snap_create2", threads,
        () => ProgressCallback.Run(_ => true, (callback, argument) => Librbd.SnapCreate2(_image.Handle, name, NoFlags, callback, argument)), cancellationToken);

    /// <summary>Removes a snapshot. One that has a clone goes to the trash until the clone is gone. Wraps <c>rbd_snap_remove</c>.</summary>
    /// <exception cref="CephException">ENOENT: there is none of this name. EBUSY: it is protected. EROFS: a secondary.</exception>
    public Task RemoveAsync(string name, CancellationToken cancellationToken) =>
        _image.ChangeAsync("rbd_snap_remove", () => Librbd.SnapRemove(_image.Handle, name), cancellationToken);

    /// <summary>Gives a snapshot another name: one write to the image's header, for which nobody has to give up a lock. Wraps <c>rbd_snap_rename</c>.</summary>
    /// <exception cref="CephException">ENOENT: there is none of this name. EEXIST: there is one of the new name. EROFS: a secondary.</exception>
    public Task RenameAsync(string name, string newName, CancellationToken cancellationToken) =>
        _image.ChangeAsync("rbd_snap_rename", () => Librbd.SnapRename(_image.Handle, name, newName), cancellationToken);

    /// <summary>
    /// Makes the image what it was at a snapshot; all that was written since is lost. Can be repeated after it was cut off.
    /// Wraps <c>rbd_snap_rollback_with_progress</c>.
    /// </summary>
    /// <param name="name">The snapshot.</param>
    /// <param name="progress">Gets the finished part, from 0 to 1, on a thread of librbd; what it throws is lost.</param>
    /// <param name="cancellationToken">Ends the wait; the work goes on.</param>
    /// <exception cref="CephException">ENOENT: there is none of this name. EROFS: a secondary, or another client holds the exclusive lock.</exception>
    public unsafe Task RollBackAsync(string name, Action<double> progress, CancellationToken cancellationToken) => _image.CallAsync(
        "rbd_snap_rollback_with_progress", Threads.Rollbacks,
        () => ProgressCallback.Run(
            part =>
            {
                progress(part);
                return true;
            },
            (callback, argument) => Librbd.SnapRollbackWithProgress(_image.Handle, name, callback, argument)), cancellationToken);
}

/// <summary>One user snapshot of an image.</summary>
/// <param name="Id">Local snapshot id; grows with time.</param>
/// <param name="Name">Its name.</param>
/// <param name="SizeBytes">Size of the image at that time.</param>
/// <param name="TakenAt">Local creation time.</param>
public sealed record UserSnapshot(ulong Id, string Name, ulong SizeBytes, DateTimeOffset TakenAt);
