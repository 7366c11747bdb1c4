using System.Runtime.InteropServices;

namespace RbdReplication.Ceph.Interop;

/// <summary>
/// The functions of librbd that we use, named as in <c>rbd/librbd.h</c> of 16.2 and unchanged up to 20.2.
/// Those that start with <c>Aio</c> report through a completion; the rest block the calling thread.
/// C's <c>bool</c> is one byte.
/// </summary>
internal static unsafe partial class Librbd
{
    private const string Library = "librbd.so.1";

    [LibraryImport(Library, EntryPoint = "rbd_aio_create_completion")]
    public static partial int AioCreateCompletion(void* argument, delegate* unmanaged[Cdecl]<nint, void*, void> callback, out nint completion);

    [LibraryImport(Library, EntryPoint = "rbd_aio_get_return_value")]
    public static partial nint AioGetReturnValue(nint completion);

    [LibraryImport(Library, EntryPoint = "rbd_aio_release")]
    public static partial void AioRelease(nint completion);

    [LibraryImport(Library, EntryPoint = "rbd_aio_open", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int AioOpen(PoolHandle pool, string name, nint image, nint snapshot, nint completion);

    [LibraryImport(Library, EntryPoint = "rbd_aio_open_read_only", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int AioOpenReadOnly(PoolHandle pool, string name, nint image, nint snapshot, nint completion);

    [LibraryImport(Library, EntryPoint = "rbd_aio_open_by_id", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int AioOpenById(PoolHandle pool, string id, nint image, nint snapshot, nint completion);

    [LibraryImport(Library, EntryPoint = "rbd_aio_open_by_id_read_only", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int AioOpenByIdReadOnly(PoolHandle pool, string id, nint image, nint snapshot, nint completion);

    [LibraryImport(Library, EntryPoint = "rbd_aio_close")]
    public static partial int AioClose(nint image, nint completion);

    [LibraryImport(Library, EntryPoint = "rbd_remove", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Remove(PoolHandle pool, string name);

    [LibraryImport(Library, EntryPoint = "rbd_image_options_create")]
    public static partial void ImageOptionsCreate(out nint options);

    [LibraryImport(Library, EntryPoint = "rbd_image_options_destroy")]
    public static partial void ImageOptionsDestroy(nint options);

    [LibraryImport(Library, EntryPoint = "rbd_image_options_set_uint64")]
    public static partial int ImageOptionsSetUint64(nint options, int option, ulong value);

    [LibraryImport(Library, EntryPoint = "rbd_image_options_set_string", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int ImageOptionsSetString(nint options, int option, string value);

    [LibraryImport(Library, EntryPoint = "rbd_clone3", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Clone3(PoolHandle parentPool, string parentName, string snapshotName, PoolHandle pool, string name, nint options);

    [LibraryImport(Library, EntryPoint = "rbd_get_id")]
    public static partial int GetId(ImageHandle image, byte* buffer, nuint length);

    [LibraryImport(Library, EntryPoint = "rbd_get_size")]
    public static partial int GetSize(ImageHandle image, out ulong size);

    [LibraryImport(Library, EntryPoint = "rbd_get_features")]
    public static partial int GetFeatures(ImageHandle image, out ulong features);

    [LibraryImport(Library, EntryPoint = "rbd_get_data_pool_id")]
    public static partial long GetDataPoolId(ImageHandle image);

    [LibraryImport(Library, EntryPoint = "rbd_get_create_timestamp")]
    public static partial int GetCreateTimestamp(ImageHandle image, out TimespecLayout timestamp);

    [LibraryImport(Library, EntryPoint = "rbd_get_parent")]
    public static partial int GetParent(ImageHandle image, LinkedImageSpecLayout* parent, SnapSpecLayout* snapshot);

    [LibraryImport(Library, EntryPoint = "rbd_linked_image_spec_cleanup")]
    public static partial void LinkedImageSpecCleanup(LinkedImageSpecLayout* parent);

    [LibraryImport(Library, EntryPoint = "rbd_list_descendants")]
    public static partial int ListDescendants(ImageHandle image, LinkedImageSpecLayout* images, nuint* maximum);

    [LibraryImport(Library, EntryPoint = "rbd_linked_image_spec_list_cleanup")]
    public static partial void LinkedImageSpecListCleanup(LinkedImageSpecLayout* images, nuint count);

    [LibraryImport(Library, EntryPoint = "rbd_snap_spec_cleanup")]
    public static partial void SnapSpecCleanup(SnapSpecLayout* snapshot);

    [LibraryImport(Library, EntryPoint = "rbd_flatten_with_progress")]
    public static partial int FlattenWithProgress(ImageHandle image, delegate* unmanaged[Cdecl]<ulong, ulong, void*, int> progress, void* argument);

    [LibraryImport(Library, EntryPoint = "rbd_stat")]
    public static partial int Stat(ImageHandle image, ImageInfoLayout* info, nuint size);

    [LibraryImport(Library, EntryPoint = "rbd_get_flags")]
    public static partial int GetFlags(ImageHandle image, out ulong flags);

    [LibraryImport(Library, EntryPoint = "rbd_sparsify_with_progress")]
    public static partial int SparsifyWithProgress(
        ImageHandle image, nuint sparseSize, delegate* unmanaged[Cdecl]<ulong, ulong, void*, int> progress, void* argument);

    [LibraryImport(Library, EntryPoint = "rbd_diff_iterate2")]
    public static partial int DiffIterate2(
        ImageHandle image, byte* fromSnapshot, ulong offset, ulong length, byte includeParent, byte wholeObject,
        delegate* unmanaged[Cdecl]<ulong, nuint, int, void*, int> take, void* argument);

    [LibraryImport(Library, EntryPoint = "rbd_snap_list")]
    public static partial int SnapList(ImageHandle image, SnapInfoLayout* snapshots, int* maximum);

    [LibraryImport(Library, EntryPoint = "rbd_snap_list_end")]
    public static partial void SnapListEnd(SnapInfoLayout* snapshots);

    [LibraryImport(Library, EntryPoint = "rbd_snap_get_namespace_type")]
    public static partial int SnapGetNamespaceType(ImageHandle image, ulong snapshotId, out int type);

    [LibraryImport(Library, EntryPoint = "rbd_snap_get_mirror_namespace")]
    public static partial int SnapGetMirrorNamespace(ImageHandle image, ulong snapshotId, SnapMirrorNamespaceLayout* snapshot, nuint size);

    [LibraryImport(Library, EntryPoint = "rbd_snap_mirror_namespace_cleanup")]
    public static partial int SnapMirrorNamespaceCleanup(SnapMirrorNamespaceLayout* snapshot, nuint size);

    [LibraryImport(Library, EntryPoint = "rbd_snap_get_timestamp")]
    public static partial int SnapGetTimestamp(ImageHandle image, ulong snapshotId, out TimespecLayout timestamp);

    [LibraryImport(Library, EntryPoint = "rbd_snap_create2", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int SnapCreate2(
        ImageHandle image, string name, uint flags, delegate* unmanaged[Cdecl]<ulong, ulong, void*, int> progress, void* argument);

    [LibraryImport(Library, EntryPoint = "rbd_snap_remove", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int SnapRemove(ImageHandle image, string name);

    [LibraryImport(Library, EntryPoint = "rbd_snap_rename", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int SnapRename(ImageHandle image, string name, string newName);

    [LibraryImport(Library, EntryPoint = "rbd_snap_rollback_with_progress", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int SnapRollbackWithProgress(
        ImageHandle image, string name, delegate* unmanaged[Cdecl]<ulong, ulong, void*, int> progress, void* argument);

    [LibraryImport(Library, EntryPoint = "rbd_quiesce_watch")]
    public static partial int QuiesceWatch(
        ImageHandle image, delegate* unmanaged[Cdecl]<void*, void> quiesce, delegate* unmanaged[Cdecl]<void*, void> unquiesce, void* argument, out ulong watch);

    [LibraryImport(Library, EntryPoint = "rbd_quiesce_complete")]
    public static partial void QuiesceComplete(ImageHandle image, ulong watch, int result);

    [LibraryImport(Library, EntryPoint = "rbd_quiesce_unwatch")]
    public static partial int QuiesceUnwatch(ImageHandle image, ulong watch);

    [LibraryImport(Library, EntryPoint = "rbd_lock_get_owners")]
    public static partial int LockGetOwners(ImageHandle image, out int mode, byte** owners, nuint* maximum);

    [LibraryImport(Library, EntryPoint = "rbd_lock_get_owners_cleanup")]
    public static partial void LockGetOwnersCleanup(byte** owners, nuint count);

    [LibraryImport(Library, EntryPoint = "rbd_aio_discard")]
    public static partial int AioDiscard(ImageHandle image, ulong offset, ulong length, nint completion);

    [LibraryImport(Library, EntryPoint = "rbd_metadata_set", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int MetadataSet(ImageHandle image, string key, string value);

    [LibraryImport(Library, EntryPoint = "rbd_metadata_remove", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int MetadataRemove(ImageHandle image, string key);

    [LibraryImport(Library, EntryPoint = "rbd_metadata_list", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int MetadataList(ImageHandle image, string start, ulong maximum, byte* keys, nuint* keysLength, byte* values, nuint* valuesLength);

    [LibraryImport(Library, EntryPoint = "rbd_watchers_list")]
    public static partial int WatchersList(ImageHandle image, ImageWatcherLayout* watchers, nuint* maximum);

    [LibraryImport(Library, EntryPoint = "rbd_watchers_list_cleanup")]
    public static partial void WatchersListCleanup(ImageWatcherLayout* watchers, nuint count);

    [LibraryImport(Library, EntryPoint = "rbd_mirror_image_enable2")]
    public static partial int MirrorImageEnable2(ImageHandle image, int mode);

    [LibraryImport(Library, EntryPoint = "rbd_mirror_image_disable")]
    public static partial int MirrorImageDisable(ImageHandle image, byte force);

    [LibraryImport(Library, EntryPoint = "rbd_mirror_image_resync")]
    public static partial int MirrorImageResync(ImageHandle image);

    [LibraryImport(Library, EntryPoint = "rbd_aio_mirror_image_promote")]
    public static partial int AioMirrorImagePromote(ImageHandle image, byte force, nint completion);

    [LibraryImport(Library, EntryPoint = "rbd_aio_mirror_image_demote")]
    public static partial int AioMirrorImageDemote(ImageHandle image, nint completion);

    [LibraryImport(Library, EntryPoint = "rbd_aio_mirror_image_create_snapshot")]
    public static partial int AioMirrorImageCreateSnapshot(ImageHandle image, uint flags, nint snapshotId, nint completion);

    [LibraryImport(Library, EntryPoint = "rbd_aio_mirror_image_get_info")]
    public static partial int AioMirrorImageGetInfo(ImageHandle image, nint info, nuint size, nint completion);

    [LibraryImport(Library, EntryPoint = "rbd_mirror_image_get_info_cleanup")]
    public static partial void MirrorImageGetInfoCleanup(nint info);

    [LibraryImport(Library, EntryPoint = "rbd_aio_mirror_image_get_mode")]
    public static partial int AioMirrorImageGetMode(ImageHandle image, nint mode, nint completion);

    [LibraryImport(Library, EntryPoint = "rbd_aio_mirror_image_get_global_status")]
    public static partial int AioMirrorImageGetGlobalStatus(ImageHandle image, nint status, nuint size, nint completion);

    [LibraryImport(Library, EntryPoint = "rbd_mirror_image_global_status_cleanup")]
    public static partial void MirrorImageGlobalStatusCleanup(nint status);

    [LibraryImport(Library, EntryPoint = "rbd_mirror_mode_get")]
    public static partial int MirrorModeGet(PoolHandle pool, out int mode);

    [LibraryImport(Library, EntryPoint = "rbd_mirror_site_name_get")]
    public static partial int MirrorSiteNameGet(ClusterHandle cluster, byte* name, nuint* length);

    [LibraryImport(Library, EntryPoint = "rbd_mirror_peer_site_list")]
    public static partial int MirrorPeerSiteList(PoolHandle pool, MirrorPeerSiteLayout* peers, int* maximum);

    [LibraryImport(Library, EntryPoint = "rbd_mirror_peer_site_list_cleanup")]
    public static partial void MirrorPeerSiteListCleanup(MirrorPeerSiteLayout* peers, int count);

    [LibraryImport(Library, EntryPoint = "rbd_mirror_image_global_status_list", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int MirrorImageGlobalStatusList(
        PoolHandle pool, string startId, nuint maximum, byte** imageIds, MirrorGlobalStatusLayout* images, nuint* length);

    [LibraryImport(Library, EntryPoint = "rbd_mirror_image_global_status_list_cleanup")]
    public static partial void MirrorImageGlobalStatusListCleanup(byte** imageIds, MirrorGlobalStatusLayout* images, nuint length);

    [LibraryImport(Library, EntryPoint = "rbd_group_create", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int GroupCreate(PoolHandle pool, string name);

    [LibraryImport(Library, EntryPoint = "rbd_group_remove", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int GroupRemove(PoolHandle pool, string name);

    [LibraryImport(Library, EntryPoint = "rbd_group_image_add", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int GroupImageAdd(PoolHandle groupPool, string groupName, PoolHandle imagePool, string imageName);

    [LibraryImport(Library, EntryPoint = "rbd_group_image_remove_by_id", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int GroupImageRemoveById(PoolHandle groupPool, string groupName, PoolHandle imagePool, string imageId);

    [LibraryImport(Library, EntryPoint = "rbd_get_group")]
    public static partial int GetGroup(ImageHandle image, GroupInfoLayout* group, nuint size);

    [LibraryImport(Library, EntryPoint = "rbd_group_info_cleanup")]
    public static partial int GroupInfoCleanup(GroupInfoLayout* group, nuint size);
}
