using System.Runtime.InteropServices;

namespace RbdReplication.Ceph.Interop;

/// <summary>
/// The functions of librados that we use, named as in <c>rados/librados.h</c> of 16.2 and unchanged up to 20.2.
/// Sizes are <c>size_t</c> (<see cref="nuint"/>).
/// </summary>
internal static unsafe partial class Librados
{
    private const string Library = "librados.so.2";

    public const int CreateExclusive = 1;
    public const byte CompareEqual = 1;

    [LibraryImport(Library, EntryPoint = "rados_create", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Create(out nint cluster, string user);

    [LibraryImport(Library, EntryPoint = "rados_conf_set", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int ConfSet(nint cluster, string option, string value);

    [LibraryImport(Library, EntryPoint = "rados_connect")]
    public static partial int Connect(nint cluster);

    [LibraryImport(Library, EntryPoint = "rados_shutdown")]
    public static partial void Shutdown(nint cluster);

    [LibraryImport(Library, EntryPoint = "rados_cluster_fsid")]
    public static partial int ClusterFsid(ClusterHandle cluster, byte* buffer, nuint length);

    [LibraryImport(Library, EntryPoint = "rados_get_instance_id")]
    public static partial ulong GetInstanceId(ClusterHandle cluster);

    [LibraryImport(Library, EntryPoint = "rados_blocklist_add", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int BlocklistAdd(ClusterHandle cluster, string clientAddress, uint expireSeconds);

    [LibraryImport(Library, EntryPoint = "rados_pool_list")]
    public static partial int PoolList(ClusterHandle cluster, byte* buffer, nuint length);

    [LibraryImport(Library, EntryPoint = "rados_pool_lookup", StringMarshalling = StringMarshalling.Utf8)]
    public static partial long PoolLookup(ClusterHandle cluster, string name);

    [LibraryImport(Library, EntryPoint = "rados_pool_reverse_lookup")]
    public static partial int PoolReverseLookup(ClusterHandle cluster, long id, byte* buffer, nuint length);

    [LibraryImport(Library, EntryPoint = "rados_mgr_command")]
    public static partial int MgrCommand(
        ClusterHandle cluster, byte** command, nuint commandLength, byte* input, nuint inputLength,
        byte** output, nuint* outputLength, byte** status, nuint* statusLength);

    [LibraryImport(Library, EntryPoint = "rados_mon_command")]
    public static partial int MonCommand(
        ClusterHandle cluster, byte** command, nuint commandLength, byte* input, nuint inputLength,
        byte** output, nuint* outputLength, byte** status, nuint* statusLength);

    [LibraryImport(Library, EntryPoint = "rados_getaddrs")]
    public static partial int GetAddrs(ClusterHandle cluster, byte** addresses);

    [LibraryImport(Library, EntryPoint = "rados_buffer_free")]
    public static partial void BufferFree(byte* buffer);

    [LibraryImport(Library, EntryPoint = "rados_ioctx_create2")]
    public static partial int IoctxCreate2(ClusterHandle cluster, long poolId, out nint ioctx);

    [LibraryImport(Library, EntryPoint = "rados_ioctx_destroy")]
    public static partial void IoctxDestroy(nint ioctx);

    [LibraryImport(Library, EntryPoint = "rados_ioctx_set_namespace", StringMarshalling = StringMarshalling.Utf8)]
    public static partial void IoctxSetNamespace(PoolHandle ioctx, string radosNamespace);

    [LibraryImport(Library, EntryPoint = "rados_set_pool_full_try")]
    public static partial void SetPoolFullTry(PoolHandle ioctx);

    [LibraryImport(Library, EntryPoint = "rados_aio_create_completion2")]
    public static partial int AioCreateCompletion2(void* argument, delegate* unmanaged[Cdecl]<nint, void*, void> callback, out nint completion);

    [LibraryImport(Library, EntryPoint = "rados_aio_get_return_value")]
    public static partial int AioGetReturnValue(nint completion);

    [LibraryImport(Library, EntryPoint = "rados_aio_release")]
    public static partial void AioRelease(nint completion);

    [LibraryImport(Library, EntryPoint = "rados_create_read_op")]
    public static partial nint CreateReadOp();

    [LibraryImport(Library, EntryPoint = "rados_release_read_op")]
    public static partial void ReleaseReadOp(nint operation);

    [LibraryImport(Library, EntryPoint = "rados_read_op_omap_get_vals_by_keys2")]
    public static partial void ReadOpOmapGetValsByKeys2(nint operation, byte** keys, nuint count, nuint* keyLengths, nint iterator, nint result);

    [LibraryImport(Library, EntryPoint = "rados_read_op_omap_get_vals2", StringMarshalling = StringMarshalling.Utf8)]
    public static partial void ReadOpOmapGetVals2(
        nint operation, string startAfter, string filterPrefix, ulong maxReturn, nint iterator, nint more, nint result);

    [LibraryImport(Library, EntryPoint = "rados_aio_read_op_operate", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int AioReadOpOperate(nint operation, PoolHandle ioctx, nint completion, string objectName, int flags);

    [LibraryImport(Library, EntryPoint = "rados_omap_get_next2")]
    public static partial int OmapGetNext2(nint iterator, byte** key, byte** value, nuint* keyLength, nuint* valueLength);

    [LibraryImport(Library, EntryPoint = "rados_omap_get_end")]
    public static partial void OmapGetEnd(nint iterator);

    [LibraryImport(Library, EntryPoint = "rados_create_write_op")]
    public static partial nint CreateWriteOp();

    [LibraryImport(Library, EntryPoint = "rados_release_write_op")]
    public static partial void ReleaseWriteOp(nint operation);

    [LibraryImport(Library, EntryPoint = "rados_write_op_exec", StringMarshalling = StringMarshalling.Utf8)]
    public static partial void WriteOpExec(nint operation, string objectClass, string method, byte* input, nuint inputLength, int* result);

    [LibraryImport(Library, EntryPoint = "rados_write_op_create")]
    public static partial void WriteOpCreate(nint operation, int exclusive, nint category);

    [LibraryImport(Library, EntryPoint = "rados_write_op_remove")]
    public static partial void WriteOpRemove(nint operation);

    [LibraryImport(Library, EntryPoint = "rados_write_op_omap_cmp2")]
    public static partial void WriteOpOmapCmp2(
        nint operation, byte* key, byte comparison, byte* value, nuint keyLength, nuint valueLength, int* result);

    [LibraryImport(Library, EntryPoint = "rados_write_op_omap_set2")]
    public static partial void WriteOpOmapSet2(nint operation, byte** keys, byte** values, nuint* keyLengths, nuint* valueLengths, nuint count);

    [LibraryImport(Library, EntryPoint = "rados_write_op_omap_rm_keys2")]
    public static partial void WriteOpOmapRmKeys2(nint operation, byte** keys, nuint* keyLengths, nuint count);

    [LibraryImport(Library, EntryPoint = "rados_aio_write_op_operate", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int AioWriteOpOperate(nint operation, PoolHandle ioctx, nint completion, string objectName, nint modificationTime, int flags);

    /// <summary>The message is copied before this returns. Without room for them the watchers' answers are dropped.</summary>
    [LibraryImport(Library, EntryPoint = "rados_aio_notify", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int AioNotify(
        PoolHandle ioctx, string objectName, nint completion, byte[] message, int length, ulong timeoutMilliseconds, nint replies, nint repliesLength);

    /// <summary>LIBRADOS_OPERATION_FULL_FORCE</summary>
    public const int OperationFullForce = 128;
}
