using System.Buffers.Binary;

namespace RbdReplication.Ceph;

/// <summary>
/// What the header of an image that is not open says of its role, as librbd stores it: one read, where opening takes a dozen.
/// </summary>
/// <param name="Features">Its features.</param>
/// <param name="Snapshots">Its snapshots.</param>
/// <param name="IsInGroup">Whether it is in an RBD group.</param>
public sealed record StoredImage(ImageFeatures Features, StoredSnapshots Snapshots, bool IsInGroup = false)
{
    private const string GroupKey = "rbd_group_ref";
    private const string FeaturesKey = "features";

    /// <summary>Reads it; null: there is no such image.</summary>
    /// <param name="pool">Pool and rados namespace.</param>
    /// <param name="imageId">Image id.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="FormatException">It is not encoded as expected.</exception>
    public static async Task<StoredImage?> ReadAsync(RadosPool pool, string imageId, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(pool);
        var stored = await pool.ListOmapBytesAsync(StoredMetadata.ObjectOf(imageId), "", cancellationToken).ConfigureAwait(false);
        return stored is null ? null : Parse(stored);
    }

    internal static StoredImage Parse(IReadOnlyDictionary<string, byte[]> stored) =>
        stored.GetValueOrDefault(FeaturesKey) is { Length: sizeof(ulong) } features
            ? new StoredImage(
                (ImageFeatures)BinaryPrimitives.ReadUInt64LittleEndian(features),
                StoredSnapshots.Parse(stored.Where(entry => entry.Key.StartsWith(StoredSnapshots.KeyPrefix, StringComparison.Ordinal)).Select(entry => entry.Value)),
                stored.ContainsKey(GroupKey))
            : throw new FormatException("the header of an image has no features");
}
