using System.Buffers.Binary;
using System.Globalization;

namespace RbdReplication.Ceph;

/// <summary>A snapshot as librbd stores it, see <see cref="StoredSnapshots"/>.</summary>
/// <param name="Id">Snapshot id.</param>
/// <param name="Name">Its name; of one that is kept for a clone what librbd has named it.</param>
/// <param name="IsProtected">It may have clones of the first format, which it does not count.</param>
/// <param name="Clones">How many of the second format it has.</param>
/// <param name="HasInvalidMap">What its object map says is not to be relied on.</param>
public sealed record StoredSnapshot(ulong Id, string Name, bool IsProtected, uint Clones, bool HasInvalidMap)
{
    private const string ObjectClass = "rbd";
    private const byte Unprotected = 0;

    // RBD_FLAG_OBJECT_MAP_INVALID and RBD_FLAG_FAST_DIFF_INVALID.
    private const ulong InvalidMapFlags = 3;

    /// <summary>
    /// Removes it in librbd's own steps (<c>librbd::operation::SnapshotRemoveRequest</c>) and through the object class that librbd uses, without
    /// opening the image: <c>rbd_snap_remove</c> refuses that of a secondary (EROFS). Another client that has the image open does not hear of it. What was cut
    /// off is finished by the next. Protection goes first: that it has no clones is for the caller to know.
    /// </summary>
    /// <param name="image">The image.</param>
    /// <param name="next">Id of the snapshot that comes after it, of whichever kind.</param>
    /// <param name="cancellationToken">Begins no further step.</param>
    /// <exception cref="CephException">EBUSY: it has clones that it counts. ENOENT: it is gone.</exception>
    public async Task RemoveAsync(RbdImage image, ulong next, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(image);
        var (pool, imageId) = (image.Pool, image.GetId());
        var features = await image.GetFeaturesAsync(cancellationToken).ConfigureAwait(false);
        if (features.HasFlag(ImageFeatures.ObjectMap))
            await MergeMapAsync(pool, imageId, next, cancellationToken).ConfigureAwait(false);
        var data = await pool.Cluster.OpenPoolAsync(image.GetDataPoolId(), pool.Namespace, cancellationToken).ConfigureAwait(false);
        await using (data.ConfigureAwait(false))
            await data.ReleaseSnapshotAsync(Id, cancellationToken).ConfigureAwait(false);
        if (IsProtected)
            await CallAsync(pool, imageId, "set_protection_status", [.. Encode(Id), Unprotected], cancellationToken).ConfigureAwait(false);
        await CallAsync(pool, imageId, "snapshot_remove", Encode(Id), cancellationToken).ConfigureAwait(false);
        await RemoveMapAsync(pool, imageId, cancellationToken).ConfigureAwait(false);
    }

    // What the next snapshot's map takes for unchanged is so since this one, whose changes it gets.
    private async Task MergeMapAsync(RadosPool pool, string imageId, ulong next, CancellationToken cancellationToken)
    {
        if (!HasInvalidMap && await pool.ReadAsync(MapOf(imageId, Id), cancellationToken).ConfigureAwait(false) is { } map)
        {
            try
            {
                await pool.WriteAsync(
                    MapOf(imageId, next), new ObjectWrite().Execute(ObjectClass, "object_map_snap_remove", map).EvenIfFull(), cancellationToken).ConfigureAwait(false);
                return;
            }
            // That one has none, or one that cannot be read.
            catch (CephException e) when (e.Errno is Errno.ENOENT or Errno.EINVAL or Errno.EIO)
            {
            }
        }
        await CallAsync(pool, imageId, "set_flags", Encode(InvalidMapFlags, InvalidMapFlags, next), cancellationToken).ConfigureAwait(false);
    }

    private static Task CallAsync(RadosPool pool, string imageId, string method, byte[] input, CancellationToken cancellationToken) =>
        pool.WriteAsync(StoredMetadata.ObjectOf(imageId), new ObjectWrite().Execute(ObjectClass, method, input).EvenIfFull(), cancellationToken);

    private async Task RemoveMapAsync(RadosPool pool, string imageId, CancellationToken cancellationToken)
    {
        try
        {
            await pool.WriteAsync(MapOf(imageId, Id), new ObjectWrite().Remove().EvenIfFull(), cancellationToken).ConfigureAwait(false);
        }
        catch (CephException e) when (e.Errno == Errno.ENOENT)
        {
        }
    }

    private static string MapOf(string imageId, ulong snapshotId) => string.Create(CultureInfo.InvariantCulture, $"rbd_object_map.{imageId}.{snapshotId:x16}");

    private static byte[] Encode(params ReadOnlySpan<ulong> values)
    {
        var bytes = new byte[values.Length * sizeof(ulong)];
        for (var i = 0; i < values.Length; i++)
            BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(i * sizeof(ulong)), values[i]);
        return bytes;
    }
}
