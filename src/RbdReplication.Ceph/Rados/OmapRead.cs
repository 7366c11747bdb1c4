using System.Text;
using RbdReplication.Ceph.Interop;

namespace RbdReplication.Ceph;

/// <summary>Reads of omap entries.</summary>
internal static class OmapRead
{
    public static Task<IReadOnlyDictionary<string, string>?> ByKeysAsync(
        RadosPool pool, string objectName, IReadOnlyCollection<string> keys, CancellationToken cancellationToken) =>
        RunAsync(pool, objectName, Text, (operation, iterator, result) => AddKeys(operation, keys, iterator, result), cancellationToken);

    public static Task<IReadOnlyDictionary<string, string>?> ListAsync(
        RadosPool pool, string objectName, string startAfter, int maximum, CancellationToken cancellationToken) =>
        RunAsync(pool, objectName, Text, (operation, iterator, result) =>
            Librados.ReadOpOmapGetVals2(operation, startAfter, "", (ulong)maximum, iterator, 0, result), cancellationToken);

    public static async Task<byte[]?> ValueAsync(RadosPool pool, string objectName, string key, CancellationToken cancellationToken)
    {
        var entries = await RunAsync(
            pool, objectName, Copy, (operation, iterator, result) => AddKeys(operation, [key], iterator, result), cancellationToken).ConfigureAwait(false);
        return entries?.GetValueOrDefault(key);
    }

    /// <summary>Entries whose key begins with <paramref name="prefix"/> and whose values are no text. Null: no such object.</summary>
    public static Task<IReadOnlyDictionary<string, byte[]>?> ListBytesAsync(
        RadosPool pool, string objectName, string prefix, int maximum, CancellationToken cancellationToken) =>
        RunAsync(pool, objectName, Copy, (operation, iterator, result) =>
            Librados.ReadOpOmapGetVals2(operation, "", prefix, (ulong)maximum, iterator, 0, result), cancellationToken);

    private delegate T Value<out T>(ReadOnlySpan<byte> bytes);

    private static string Text(ReadOnlySpan<byte> value) => Encoding.UTF8.GetString(value);

    private static byte[] Copy(ReadOnlySpan<byte> value) => value.ToArray();

    private static unsafe void AddKeys(nint operation, IReadOnlyCollection<string> keys, nint iterator, nint result)
    {
        // librados copies the keys before it returns.
        using var list = new KeyList(keys);
        Librados.ReadOpOmapGetValsByKeys2(operation, list.Texts, list.Count, list.Lengths, iterator, result);
    }

    private static async Task<IReadOnlyDictionary<string, T>?> RunAsync<T>(
        RadosPool pool, string objectName, Value<T> read, Action<nint, nint, nint> addStep, CancellationToken cancellationToken)
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
            return TakeEntries(iterator.Value, read);
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

    private static unsafe Dictionary<string, T> TakeEntries<T>(nint iterator, Value<T> read)
    {
        var entries = new Dictionary<string, T>(StringComparer.Ordinal);
        while (true)
        {
            byte* key = null, value = null;
            nuint keyLength = 0, valueLength = 0;
            if (Librados.OmapGetNext2(iterator, &key, &value, &keyLength, &valueLength) < 0 || key == null)
                return entries;
            // An empty value may come as a null pointer.
            entries[Encoding.UTF8.GetString(key, (int)keyLength)] = read(new ReadOnlySpan<byte>(value, (int)valueLength));
        }
    }
}
