using System.Buffers.Binary;
using System.Text;
using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// The list of images that librbd keeps in each pool and rados namespace: the object <c>rbd_directory</c>, whose key
/// <c>name_IMAGE</c> holds the image's id. One read tells the ids of thousands of images; to open each would cost several
/// round trips apiece.
/// </summary>
public static class ImageDirectory
{
    private const string ObjectName = "rbd_directory";
    private const string NamePrefix = "name_";

    /// <summary>Ids of the images that exist, by image name.</summary>
    public static async Task<IReadOnlyDictionary<string, string>> ReadIdsAsync(
        RadosPool pool, IReadOnlyCollection<string> imageNames, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(pool);
        var keys = imageNames.Select(name => NamePrefix + name).Distinct(StringComparer.Ordinal).ToList();
        var entries = await pool.ReadOmapAsync(ObjectName, keys, cancellationToken).ConfigureAwait(false);
        var ids = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (key, value) in entries ?? new Dictionary<string, string>())
        {
            if (TryDecode(value) is { } id)
                ids[key[NamePrefix.Length..]] = id;
        }
        return ids;
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
