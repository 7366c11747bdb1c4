using System.Text;
using RbdReplication.Ceph.Interop;

namespace RbdReplication.Ceph;

/// <summary>
/// An open RBD image. Safe for concurrent use. Disposing waits for calls that are still running and then closes the image;
/// the pool and the connection stay open until then.
/// </summary>
public sealed class RbdImage : IAsyncDisposable
{
    private const nint NoSnapshot = 0;

    // RBD_SNAP_NAMESPACE_TYPE_TRASH
    private const int TrashNamespaceType = 2;

    private const int FirstEntries = 16;
    private const int MaximumClones = 1 << 20;
    private const int MaximumWatchers = 1 << 16;
    private const int MetadataPageSize = 64;
    private const int FirstMetadataBytes = 16 * 1024;
    private const int MaximumMetadataBytes = 16 * 1024 * 1024;

    private RbdImage(RadosPool pool, ImageHandle handle, string spec)
    {
        Pool = pool;
        Handle = handle;
        Spec = spec;
        Mirroring = new ImageMirroring(this);
        Space = new ImageSpace(this);
        Snapshots = new ImageSnapshots(this);
        Lock = new ImageLock(this);
    }

    /// <summary>The pool it was opened in.</summary>
    public RadosPool Pool { get; }

    /// <summary><c>pool/image</c> or <c>pool/namespace/image</c>, for messages.</summary>
    public string Spec { get; }

    /// <summary>The image's mirroring.</summary>
    public ImageMirroring Mirroring { get; }

    /// <summary>What the image takes up.</summary>
    public ImageSpace Space { get; }

    /// <summary>The image's user snapshots.</summary>
    public ImageSnapshots Snapshots { get; }

    /// <summary>The image's exclusive lock.</summary>
    public ImageLock Lock { get; }

    internal ImageHandle Handle { get; }

    /// <summary>Opens an image by name. Wraps <c>rbd_aio_open</c> and <c>rbd_aio_open_read_only</c>.</summary>
    /// <param name="pool">Pool and rados namespace.</param>
    /// <param name="name">Image name.</param>
    /// <param name="readOnly">Open without a watcher and without the right to change the image or its mirroring.</param>
    /// <param name="cancellationToken">Ends the wait; an image that opens later is closed again.</param>
    /// <exception cref="CephException">ENOENT: no such image.</exception>
    public static Task<RbdImage> OpenAsync(RadosPool pool, string name, bool readOnly, CancellationToken cancellationToken) => Abandonable.WaitAsync(
        readOnly
            ? OpenAsync(pool, name, "rbd_aio_open_read_only", Librbd.AioOpenReadOnly, pool.SpecOf(name), cancellationToken)
            : OpenAsync(pool, name, "rbd_aio_open", Librbd.AioOpen, pool.SpecOf(name), cancellationToken),
        cancellationToken);

    /// <summary>Opens an image by its id. Wraps <c>rbd_aio_open_by_id</c> and <c>rbd_aio_open_by_id_read_only</c>.</summary>
    /// <exception cref="CephException">ENOENT: no such image.</exception>
    public static Task<RbdImage> OpenByIdAsync(RadosPool pool, string id, bool readOnly, CancellationToken cancellationToken) => Abandonable.WaitAsync(
        readOnly
            ? OpenAsync(pool, id, "rbd_aio_open_by_id_read_only", Librbd.AioOpenByIdReadOnly, pool.SpecOf(id), cancellationToken)
            : OpenByIdForWritingAsync(pool, id, pool.SpecOf(id), cancellationToken),
        cancellationToken);

    /// <summary>
    /// Opens once more the image that this object has open, for writing. One that was created again under the same name meanwhile
    /// is another image. Wraps <c>rbd_aio_open_by_id</c>.
    /// </summary>
    /// <exception cref="CephException">ENOENT: it is gone.</exception>
    public Task<RbdImage> OpenForWritingAsync(CancellationToken cancellationToken) =>
        Abandonable.WaitAsync(OpenByIdForWritingAsync(Pool, GetId(), Spec, cancellationToken), cancellationToken);

    private static Task<RbdImage> OpenByIdForWritingAsync(RadosPool pool, string id, string spec, CancellationToken cancellationToken) =>
        OpenAsync(pool, id, "rbd_aio_open_by_id", Librbd.AioOpenById, spec, cancellationToken);

    private static async Task<RbdImage> OpenAsync(
        RadosPool pool, string name, string function, Func<PoolHandle, string, nint, nint, nint, int> submit, string spec, CancellationToken cancellationToken)
    {
        var handle = new ImageHandle(pool.Handle);
        try
        {
            // librbd writes the handle when the call completes, whoever still waits then.
            using var image = new OutBuffer<nint>();
            await NativeCall.RunAsync(
                ClientLibrary.Rbd, function, spec, pool.Handle, completion => submit(pool.Handle, name, image.Address, NoSnapshot, completion),
                cancellationToken).ConfigureAwait(false);
            handle.Open(image.Value);
            return new RbdImage(pool, handle, spec);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Removes an image, also one whose making was cut off. What its parent keeps for it in the trash goes with it. Wraps <c>rbd_remove</c>.
    /// </summary>
    /// <exception cref="CephException">ENOENT: no such image. EBUSY: a client has it open for writing. ENOTEMPTY: it has snapshots.</exception>
    public static Task RemoveAsync(RadosPool pool, string name, CancellationToken cancellationToken) => NativeCall.BlockingAsync(
        "rbd_remove", pool.SpecOf(name), pool.Handle, pool.Cluster.Threads.Changes, () => Librbd.Remove(pool.Handle, name), cancellationToken);

    /// <summary>The image's id: 12 or so hex digits that a re-created image does not share. Wraps <c>rbd_get_id</c>; reads memory only.</summary>
    public unsafe string GetId()
    {
        // RBD_MAX_BLOCK_NAME_SIZE, the longest that librbd makes.
        const int Length = 24;
        var buffer = stackalloc byte[Length];
        NativeCall.Check(Librbd.GetId(Handle, buffer, Length), "rbd_get_id", Spec);
        return NativeText.Read(buffer);
    }

    /// <summary>Number of the pool that its data is in. Wraps <c>rbd_get_data_pool_id</c>; reads memory only.</summary>
    public long GetDataPoolId() => NativeCall.Check(Librbd.GetDataPoolId(Handle), "rbd_get_data_pool_id", Spec);

    /// <summary>When the image was created at this site; a resync re-creates it. Wraps <c>rbd_get_create_timestamp</c>; reads memory only.</summary>
    public Timespec GetCreateTimestamp()
    {
        NativeCall.Check(Librbd.GetCreateTimestamp(Handle, out var timestamp), "rbd_get_create_timestamp", Spec);
        return new Timespec(timestamp.Seconds, timestamp.Nanoseconds);
    }

    /// <summary>Size in bytes. Wraps <c>rbd_get_size</c>.</summary>
    public async Task<ulong> GetSizeBytesAsync(CancellationToken cancellationToken)
    {
        ulong size = 0;
        await LookUpAsync("rbd_get_size", () => Librbd.GetSize(Handle, out size), cancellationToken).ConfigureAwait(false);
        return size;
    }

    /// <summary>Features. Wraps <c>rbd_get_features</c>.</summary>
    public async Task<ImageFeatures> GetFeaturesAsync(CancellationToken cancellationToken)
    {
        ulong features = 0;
        await LookUpAsync("rbd_get_features", () => Librbd.GetFeatures(Handle, out features), cancellationToken).ConfigureAwait(false);
        return (ImageFeatures)features;
    }

    /// <summary>The parent of a clone; null if the image is none. Wraps <c>rbd_get_parent</c>.</summary>
    public async Task<ImageParent?> GetParentAsync(CancellationToken cancellationToken)
    {
        ImageParent? parent = null;
        try
        {
            await LookUpAsync("rbd_get_parent", () => ReadParent(out parent), cancellationToken).ConfigureAwait(false);
        }
        catch (CephException e) when (e.Errno == Errno.ENOENT)
        {
            return null;
        }
        return parent;
    }

    private unsafe long ReadParent(out ImageParent? parent)
    {
        parent = null;
        LinkedImageSpecLayout image = default;
        SnapSpecLayout snapshot = default;
        var result = Librbd.GetParent(Handle, &image, &snapshot);
        if (result < 0)
            return result;
        parent = new ImageParent(
            image.PoolId, NativeText.Read(image.PoolName), NativeText.Read(image.PoolNamespace),
            NativeText.Read(image.ImageId), NativeText.Read(image.ImageName), image.Trash != 0, snapshot.NamespaceType == TrashNamespaceType);
        Librbd.LinkedImageSpecCleanup(&image);
        Librbd.SnapSpecCleanup(&snapshot);
        return result;
    }

    /// <summary>The RBD group that the image is in; null if it is in none. Wraps <c>rbd_get_group</c>.</summary>
    public async Task<GroupOfImage?> GetGroupAsync(CancellationToken cancellationToken)
    {
        GroupOfImage? group = null;
        await LookUpAsync("rbd_get_group", () => ReadGroup(out group), cancellationToken).ConfigureAwait(false);
        return group;
    }

    private unsafe long ReadGroup(out GroupOfImage? group)
    {
        group = null;
        GroupInfoLayout info = default;
        var size = (nuint)sizeof(GroupInfoLayout);
        var result = Librbd.GetGroup(Handle, &info, size);
        if (result < 0)
            return result;
        if (info.PoolId >= 0)
            group = new GroupOfImage(NativeText.Read(info.Name), info.PoolId);
        _ = Librbd.GroupInfoCleanup(&info, size);
        return result;
    }

    /// <summary>
    /// Clones of this image's snapshots, in all pools, and clones of those, the trash included. Reads as much as
    /// <c>rbd_mirror_image_disable</c> does. Wraps <c>rbd_list_descendants</c>.
    /// </summary>
    public async Task<IReadOnlyList<ImageClone>> ListDescendantsAsync(CancellationToken cancellationToken)
    {
        List<ImageClone> clones = [];
        await LookUpAsync("rbd_list_descendants", () => ListDescendants(clones), cancellationToken).ConfigureAwait(false);
        return clones;
    }

    private unsafe long ListDescendants(List<ImageClone> clones) => SizedCall.Run(FirstEntries, MaximumClones, (ref nuint count) =>
    {
        var found = new LinkedImageSpecLayout[count];
        fixed (LinkedImageSpecLayout* first = found)
        fixed (nuint* length = &count)
        {
            var result = Librbd.ListDescendants(Handle, first, length);
            if (result < 0)
                return result;
            for (var i = 0; i < (int)count; i++)
            {
                string pool = NativeText.Read(found[i].PoolName), space = NativeText.Read(found[i].PoolNamespace), name = NativeText.Read(found[i].ImageName);
                clones.Add(new ImageClone(
                    found[i].PoolId, space, NativeText.Read(found[i].ImageId), space.Length == 0 ? $"{pool}/{name}" : $"{pool}/{space}/{name}"));
            }
            Librbd.LinkedImageSpecListCleanup(first, count);
            return 0;
        }
    });

    /// <summary>Copies what a clone shares with its parent, so that it needs it no more. Wraps <c>rbd_flatten_with_progress</c>.</summary>
    /// <param name="progress">Gets the finished part, from 0 to 1, on a thread of librbd; what it throws is lost.</param>
    /// <param name="cancellationToken">Ends the wait; the copying goes on.</param>
    /// <exception cref="CephException">EINVAL: the image has no parent.</exception>
    public unsafe Task FlattenAsync(Action<double> progress, CancellationToken cancellationToken) =>
        CallAsync("rbd_flatten_with_progress", Pool.Cluster.Threads.LongCalls, () => ProgressCallback.Run(
            part =>
            {
                progress(part);
                return true;
            },
            (callback, argument) => Librbd.FlattenWithProgress(Handle, callback, argument)), cancellationToken);

    /// <summary>Metadata keys that start with <paramref name="prefix"/>, with their values. Wraps <c>rbd_metadata_list</c>.</summary>
    public async Task<IReadOnlyDictionary<string, string>> ListMetadataAsync(string prefix, CancellationToken cancellationToken)
    {
        Dictionary<string, string> all = new(StringComparer.Ordinal);
        await LookUpAsync("rbd_metadata_list", () => ListMetadata(prefix, all), cancellationToken).ConfigureAwait(false);
        return all;
    }

    private long ListMetadata(string prefix, Dictionary<string, string> all)
    {
        for (var start = ""; ;)
        {
            string[] keys = [], values = [];
            var result = SizedCall.Run(FirstMetadataBytes, MaximumMetadataBytes, (ref nuint bytes) => MetadataPage(start, ref bytes, out keys, out values));
            if (result < 0)
                return result;
            for (var i = 0; i < keys.Length; i++)
            {
                if (keys[i].StartsWith(prefix, StringComparison.Ordinal))
                    all[keys[i]] = values[i];
            }
            if (keys.Length < MetadataPageSize)
                return 0;
            start = keys[^1];
        }
    }

    private unsafe long MetadataPage(string start, ref nuint bytes, out string[] keys, out string[] values)
    {
        (keys, values) = ([], []);
        byte[] keyBytes = new byte[bytes], valueBytes = new byte[bytes];
        nuint keysLength = bytes, valuesLength = bytes;
        int result;
        fixed (byte* firstKey = keyBytes, firstValue = valueBytes)
            result = Librbd.MetadataList(Handle, start, MetadataPageSize, firstKey, &keysLength, firstValue, &valuesLength);
        bytes = Math.Max(keysLength, valuesLength);
        if (result < 0)
            return result;
        keys = Encoding.UTF8.GetString(keyBytes, 0, (int)keysLength).Split('\0', StringSplitOptions.RemoveEmptyEntries);
        values = Encoding.UTF8.GetString(valueBytes, 0, (int)valuesLength).Split('\0');
        return result;
    }

    /// <summary>Sets a metadata key. Keys that start with <c>.rbd</c> stay at this site in snapshot mode. Wraps <c>rbd_metadata_set</c>.</summary>
    /// <exception cref="CephException">EROFS: the image is a secondary.</exception>
    public Task SetMetadataAsync(string key, string value, CancellationToken cancellationToken) =>
        ChangeAsync("rbd_metadata_set", () => Librbd.MetadataSet(Handle, key, value), cancellationToken);

    /// <summary>Removes a metadata key. Wraps <c>rbd_metadata_remove</c>.</summary>
    /// <exception cref="CephException">ENOENT: there is none of this name. EROFS: the image is a secondary.</exception>
    public Task RemoveMetadataAsync(string key, CancellationToken cancellationToken) =>
        ChangeAsync("rbd_metadata_remove", () => Librbd.MetadataRemove(Handle, key), cancellationToken);

    /// <summary>Clients that have the image open for writing, this one included if it has. Wraps <c>rbd_watchers_list</c>.</summary>
    public async Task<IReadOnlyList<ImageWatcher>> ListWatchersAsync(CancellationToken cancellationToken)
    {
        List<ImageWatcher> watchers = [];
        await LookUpAsync("rbd_watchers_list", () => ListWatchers(watchers), cancellationToken).ConfigureAwait(false);
        return watchers;
    }

    private unsafe long ListWatchers(List<ImageWatcher> watchers) => SizedCall.Run(FirstEntries, MaximumWatchers, (ref nuint count) =>
    {
        var found = new ImageWatcherLayout[count];
        fixed (ImageWatcherLayout* first = found)
        fixed (nuint* length = &count)
        {
            var result = Librbd.WatchersList(Handle, first, length);
            if (result < 0)
                return result;
            for (var i = 0; i < (int)count; i++)
                watchers.Add(new ImageWatcher(NativeText.Read(found[i].Address), found[i].Id, found[i].Cookie));
            Librbd.WatchersListCleanup(first, count);
            return 0;
        }
    });

    internal Task<long> ChangeAsync(string function, Func<long> call, CancellationToken cancellationToken) =>
        CallAsync(function, Pool.Cluster.Threads.Changes, call, cancellationToken);

    internal Task<long> LookUpAsync(string function, Func<long> call, CancellationToken cancellationToken) =>
        CallAsync(function, Pool.Cluster.Threads.LookUps, call, cancellationToken);

    internal Task<long> CallAsync(string function, BlockingCalls threads, Func<long> call, CancellationToken cancellationToken) =>
        NativeCall.BlockingAsync(function, Spec, Handle, threads, call, cancellationToken).WaitAsync(cancellationToken);

    /// <summary>Closes the image after the calls that are still running on it. Wraps <c>rbd_aio_close</c>.</summary>
    public ValueTask DisposeAsync()
    {
        Handle.Dispose();
        return new ValueTask(Handle.Closed);
    }
}
