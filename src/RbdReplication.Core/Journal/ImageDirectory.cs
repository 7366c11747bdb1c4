using System.Buffers.Binary;
using System.Text;
using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// The list of images that librbd keeps in each pool and rados namespace: the object <c>rbd_directory</c>, whose key
/// <c>name_IMAGE</c> holds the image's id, and <c>id_ID</c> its name. One read tells the ids of thousands of images; to open each would cost
/// several round trips apiece. An image in the trash is not in it.
/// </summary>
public static class ImageDirectory
{
    private const string ObjectName = "rbd_directory";
    private const string NamePrefix = "name_";
    private const string IdPrefix = "id_";

    /// <summary>Ids of the images that exist, by image name.</summary>
    public static Task<IReadOnlyDictionary<string, string>> ReadIdsAsync(
        RadosPool pool, IReadOnlyCollection<string> imageNames, CancellationToken cancellationToken) => ReadAsync(pool, NamePrefix, imageNames, cancellationToken);

    /// <summary>Names of the images that exist, by id.</summary>
    public static Task<IReadOnlyDictionary<string, string>> ReadNamesAsync(
        RadosPool pool, IReadOnlyCollection<string> imageIds, CancellationToken cancellationToken) => ReadAsync(pool, IdPrefix, imageIds, cancellationToken);

    private static async Task<IReadOnlyDictionary<string, string>> ReadAsync(
        RadosPool pool, string prefix, IReadOnlyCollection<string> asked, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(pool);
        var keys = asked.Select(one => prefix + one).Distinct(StringComparer.Ordinal).ToList();
        var entries = await pool.ReadOmapAsync(ObjectName, keys, cancellationToken).ConfigureAwait(false);
        var known = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (key, value) in entries ?? new Dictionary<string, string>())
        {
            if (TryDecode(value) is { } text)
                known[key[prefix.Length..]] = text;
        }
        return known;
    }

    /// <summary>Ceph's encoding of a string: its length in four bytes, little endian, then the bytes. Ids are short and ASCII.</summary>
    internal static string? TryDecode(string value)
    {
        if (value.Length is < 5 or > 4 + sbyte.MaxValue)
            return null;
        Span<byte> bytes = stackalloc byte[4];
        return Encoding.ASCII.TryGetBytes(value.AsSpan(0, 4), bytes, out _) && BinaryPrimitives.ReadInt32LittleEndian(bytes) == value.Length - 4
            ? value[4..]
            : null;
    }
}
