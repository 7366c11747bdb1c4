using RbdReplication.Ceph.Interop;

namespace RbdReplication.Ceph;

/// <summary>
/// The metadata of an image that nobody has open, as librbd stores it in the image's header, through the object class that librbd uses itself
/// (the same in 16.2, 18.2 and 20.2): one read, and one write for all keys together, where librbd opens the image, takes its exclusive lock and
/// writes key by key. A client that has the image open does not hear of the change, and an image with a journal must be changed by librbd.
/// </summary>
public static class StoredMetadata
{
    private const string HeaderPrefix = "rbd_header.";
    private const string KeyPrefix = "metadata_";

    /// <summary>The object that holds it.</summary>
    internal static string ObjectOf(string imageId) => HeaderPrefix + imageId;

    /// <summary>Keys that start with <paramref name="prefix"/>, with their values; null: there is no such image.</summary>
    public static async Task<IReadOnlyDictionary<string, string>?> ListAsync(RadosPool pool, string imageId, string prefix, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(pool);
        var keys = await pool.ListOmapAsync(ObjectOf(imageId), KeyPrefix + prefix, cancellationToken).ConfigureAwait(false);
        return keys?.ToDictionary(entry => entry.Key[KeyPrefix.Length..], entry => entry.Value, StringComparer.Ordinal);
    }

    /// <summary>Removes keys, which must be there, and sets others: all or nothing.</summary>
    /// <exception cref="CephException">ENOENT: there is no such image, or not the key.</exception>
    public static Task WriteAsync(
        RadosPool pool, string imageId, IEnumerable<string> removed, IReadOnlyCollection<KeyValuePair<string, string>> set, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(pool);
        ArgumentNullException.ThrowIfNull(removed);
        ArgumentNullException.ThrowIfNull(set);
        var write = new ObjectWrite();
        foreach (var key in removed)
            Remove(write, key);
        var entries = new EncodedWriter().WriteUInt32((uint)set.Count);
        foreach (var (key, value) in set)
            entries.WriteText(key).WriteText(value);
        return pool.WriteAsync(ObjectOf(imageId), write.Execute("rbd", "metadata_set", entries.ToArray()), cancellationToken);
    }

    /// <summary>Adds the step that removes a key.</summary>
    internal static ObjectWrite Remove(ObjectWrite write, string key) => write.Execute("rbd", "metadata_remove", new EncodedWriter().WriteText(key).ToArray());
}
