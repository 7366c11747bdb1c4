using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// What librbd keeps of the RBD groups of a pool and rados namespace: <c>rbd_group_directory</c>, whose key <c>name_GROUP</c> holds the group's
/// id, and <c>rbd_group_header.ID</c>, with a key <c>image_POOL_ID</c> for each image. Read as they are, because librbd's own listing cannot
/// tell a group that is missing, or has an image that is, from an empty one.
/// </summary>
public static class GroupDirectory
{
    private const string ObjectName = "rbd_group_directory";
    private const string NamePrefix = "name_";
    private const string HeaderPrefix = "rbd_group_header.";
    private const string ImagePrefix = "image_";
    private const byte Attached = 0;

    /// <summary>Names of all groups.</summary>
    public static async Task<IReadOnlyList<string>> ListNamesAsync(RadosPool pool, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(pool);
        var keys = await pool.ListOmapAsync(ObjectName, NamePrefix, cancellationToken).ConfigureAwait(false);
        return keys is null ? [] : [.. keys.Keys.Select(key => key[NamePrefix.Length..])];
    }

    /// <summary>The images of a group by their ids, those of other pools left out; null: no such group.</summary>
    /// <param name="pool">Pool and rados namespace.</param>
    /// <param name="groupName">Name of the group.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public static async Task<IReadOnlyDictionary<string, bool>?> ReadImagesAsync(RadosPool pool, string groupName, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(pool);
        var entry = await pool.ReadOmapAsync(ObjectName, [NamePrefix + groupName], cancellationToken).ConfigureAwait(false);
        if (entry?.GetValueOrDefault(NamePrefix + groupName) is not { } value || ImageDirectory.TryDecode(value) is not { } id)
            return null;
        var prefix = $"{ImagePrefix}{JournalKeys.PoolText(pool.Id)}_";
        var images = await pool.ListOmapBytesAsync(HeaderPrefix + id, prefix, cancellationToken).ConfigureAwait(false);
        return images?.ToDictionary(image => image.Key[prefix.Length..], image => image.Value is [Attached], StringComparer.Ordinal);
    }
}
