using System.Text;
using RbdReplication.Ceph.Interop;

namespace RbdReplication.Ceph;

/// <summary>Reads of omap entries.</summary>
internal static class OmapRead
{
    // What an OSD gives at most by default (osd_max_omap_entries_per_request).
    private const int PageSize = 1024;

    /// <summary>Adds one step to a read operation; the iterator and the result are written when it has ended.</summary>
    public delegate void Step(nint operation, nint iterator, nint result);

    /// <summary>Makes a value of its bytes.</summary>
    public delegate T Value<out T>(ReadOnlySpan<byte> bytes);

    /// <summary>Values that are text.</summary>
    public static string Text(ReadOnlySpan<byte> value) => Encoding.UTF8.GetString(value);

    /// <summary>Values that are none.</summary>
    public static byte[] Bytes(ReadOnlySpan<byte> value) => value.ToArray();

    /// <summary>The entries of some keys.</summary>
    public static unsafe Step Of(IReadOnlyCollection<string> keys) => (operation, iterator, result) =>
    {
        // librados copies the keys before it returns.
        using var list = new KeyList(keys);
        Librados.ReadOpOmapGetValsByKeys2(operation, list.Texts, list.Count, list.Lengths, iterator, result);
    };

    /// <summary>Up to <paramref name="maximum"/> entries that follow a key and begin with a prefix.</summary>
    public static Step After(string key, string prefix, int maximum) => After(key, prefix, maximum, more: 0);

    private static Step After(string key, string prefix, int maximum, nint more) => (operation, iterator, result) =>
        Librados.ReadOpOmapGetVals2(operation, key, prefix, (ulong)maximum, iterator, more, result);

    /// <summary>
    /// Reads all entries that begin with a prefix, in as many reads as the OSD needs answers for them: by its own limits each has some of them only.
    /// Null: no such object.
    /// </summary>
    public static async Task<IReadOnlyDictionary<string, T>?> AllAsync<T>(
        RadosPool pool, string objectName, Value<T> read, string prefix, CancellationToken cancellationToken)
    {
        using var more = new OutBuffer<byte>();
        Dictionary<string, T>? all = null;
        for (var last = ""; ;)
        {
            var page = await RunAsync(pool, objectName, read, After(last, prefix, PageSize, more.Address), cancellationToken).ConfigureAwait(false);
            // Null also where it has been removed after the first.
            if (page is null || (all is null && more.Value == 0))
                return page;
            all ??= new(StringComparer.Ordinal);
            foreach (var (key, value) in page)
            {
                all[key] = value;
                // Keys are in the order of their bytes in UTF-8, which is not that of UTF-16.
                last = key;
            }
            if (more.Value == 0)
                return all;
        }
    }

    /// <summary>Reads entries of an object. Null: no such object.</summary>
    public static async Task<IReadOnlyDictionary<string, T>?> RunAsync<T>(
        RadosPool pool, string objectName, Value<T> read, Step step, CancellationToken cancellationToken)
    {
        using var iterator = new OutBuffer<nint>();
        using var result = new OutBuffer<int>();
        var operation = Librados.CreateReadOp();
        try
        {
            step(operation, iterator.Address, result.Address);
            await NativeCall.RunAsync(
                ClientLibrary.Rados, "rados_aio_read_op_operate", pool.SpecOf(objectName), pool.Handle,
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
