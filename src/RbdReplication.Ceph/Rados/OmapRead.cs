using System.Text;
using RbdReplication.Ceph.Interop;

namespace RbdReplication.Ceph;

/// <summary>Reads of omap entries.</summary>
internal static class OmapRead
{
    public static Task<IReadOnlyDictionary<string, string>?> ByKeysAsync(
        RadosPool pool, string objectName, IReadOnlyCollection<string> keys, CancellationToken cancellationToken) =>
        RunAsync(pool, objectName, (operation, iterator, result) => AddKeys(operation, keys, iterator, result), cancellationToken);

    public static Task<IReadOnlyDictionary<string, string>?> ListAsync(RadosPool pool, string objectName, string startAfter, int maximum, CancellationToken cancellationToken) =>
        RunAsync(pool, objectName, (operation, iterator, result) =>
            Librados.ReadOpOmapGetVals2(operation, startAfter, "", (ulong)maximum, iterator, 0, result), cancellationToken);

    /// <summary>Entries whose key begins with <paramref name="prefix"/>, each byte of a value as the character of that number. Null: no such object.</summary>
    public static Task<IReadOnlyDictionary<string, string>?> ListBinaryAsync(RadosPool pool, string objectName, string prefix, int maximum, CancellationToken cancellationToken) =>
        RunAsync(pool, objectName, (operation, iterator, result) =>
            Librados.ReadOpOmapGetVals2(operation, "", prefix, (ulong)maximum, iterator, 0, result), cancellationToken, Encoding.Latin1);

    private static unsafe void AddKeys(nint operation, IReadOnlyCollection<string> keys, nint iterator, nint result)
    {
        // librados copies the keys before it returns.
        using var list = new KeyList(keys);
        Librados.ReadOpOmapGetValsByKeys2(operation, list.Texts, list.Count, list.Lengths, iterator, result);
    }

    private static async Task<IReadOnlyDictionary<string, string>?> RunAsync(
        RadosPool pool, string objectName, Action<nint, nint, nint> addStep, CancellationToken cancellationToken, Encoding? valueEncoding = null)
    {
        using var iterator = new OutBuffer<nint>();
        using var result = new OutBuffer<int>();
        var operation = Librados.CreateReadOp();
        try
        {
            addStep(operation, iterator.Address, result.Address);
            await NativeCall.RadosAsync(
                "rados_aio_read_op_operate", pool.SpecOf(objectName), pool.Handle,
                completion => Librados.AioReadOpOperate(operation, pool.Handle, completion, objectName, 0),
                cancellationToken).ConfigureAwait(false);
            NativeCall.Check(result.Value, "rados_read_op_omap_get_vals", pool.SpecOf(objectName));
            return TakeEntries(iterator.Value, valueEncoding ?? Encoding.UTF8);
        }
        catch (CephException e) when (e.Errno == Errno.ENOENT)
        {
            return null;
        }
        finally
        {
            if (iterator.Value != 0)
                Librados.OmapGetEnd(iterator.Value);
            Librados.ReleaseReadOp(operation);
        }
    }

    private static unsafe Dictionary<string, string> TakeEntries(nint iterator, Encoding valueEncoding)
    {
        var entries = new Dictionary<string, string>(StringComparer.Ordinal);
        while (true)
        {
            byte* key = null, value = null;
            nuint keyLength = 0, valueLength = 0;
            if (Librados.OmapGetNext2(iterator, &key, &value, &keyLength, &valueLength) < 0 || key == null)
                return entries;
            // An empty value may come as a null pointer.
            entries[Encoding.UTF8.GetString(key, (int)keyLength)] = valueEncoding.GetString(new ReadOnlySpan<byte>(value, (int)valueLength));
        }
    }
}
