using System.Buffers.Binary;
using RbdReplication.Ceph.Interop;

namespace RbdReplication.Ceph;

/// <summary>
/// The request that <c>rbd_mirror_image_resync</c> leaves with an image for the mirror daemon, which deletes the image and copies the
/// peer's when it next finds the peer primary, however much later that is. librbd has no call that looks at it or takes it back, and a
/// forced promotion leaves it there: so this works on what librbd stores (the same in 16.2, 18.2 and 20.2), through the object classes
/// that librbd uses itself.
/// </summary>
/// <remarks>
/// Snapshot mode: image metadata <c>.rbd_mirror.</c> and this site's mirror uuid, <c>{"resync_requested": true}</c>. Journal mode: a byte
/// in the data of the image's own client of the journal, object <c>journal.</c> and image id.
/// </remarks>
public sealed class ResyncRequest
{
    private const string KeyPrefix = ".rbd_mirror.";

    private const string RequestedWords = "\"resync_requested\": true";
    private const string OwnClientKey = "client_";

    // cls::journal::Client: head 6, id 4 (empty), data 4 + n; librbd::journal::ClientData: head 6, type 4, tag class 8, the flag.
    private const int DataLengthOffset = 10;
    private const int DataOffset = 14;
    private const int TypeOffset = 6;
    private const int FlagOffset = 6 + 4 + 8;
    private const int ImageClientType = 0;

    private readonly RadosPool _pool;
    private readonly string _objectName;
    private readonly ObjectWrite _withdrawal;

    private ResyncRequest(RadosPool pool, string objectName, ObjectWrite withdrawal) => (_pool, _objectName, _withdrawal) = (pool, objectName, withdrawal);

    /// <summary>Looks for one, in one read. Null: there is none.</summary>
    /// <param name="image">The image.</param>
    /// <param name="mode">How it is mirrored.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public static async Task<ResyncRequest?> FindAsync(RbdImage image, MirrorImageMode mode, CancellationToken cancellationToken) =>
        mode == MirrorImageMode.Snapshot
            ? Of(image, await image.ListMetadataAsync(KeyPrefix, cancellationToken).ConfigureAwait(false))
            : OfJournal(image, await image.Pool.ReadOmapValueAsync("journal." + image.GetId(), OwnClientKey, cancellationToken).ConfigureAwait(false));

    /// <summary>Whether an image has one, without opening it: two reads at the same time.</summary>
    /// <param name="pool">Pool and rados namespace.</param>
    /// <param name="imageId">The image.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public static async Task<bool> IsLeftAsync(RadosPool pool, string imageId, CancellationToken cancellationToken)
    {
        var journal = pool.ReadOmapValueAsync("journal." + imageId, OwnClientKey, cancellationToken);
        var metadata = await StoredMetadata.ListAsync(pool, imageId, KeyPrefix, cancellationToken).ConfigureAwait(false);
        return metadata?.Any(entry => IsRequest(entry.Key, entry.Value)) == true
            || DataOf(await journal.ConfigureAwait(false)) is { } data && data[FlagOffset] != 0;
    }

    private static ResyncRequest? Of(RbdImage image, IReadOnlyDictionary<string, string> metadata) =>
        metadata.FirstOrDefault(entry => IsRequest(entry.Key, entry.Value)).Key is { } key
            ? new ResyncRequest(image.Pool, StoredMetadata.ObjectOf(image.GetId()), StoredMetadata.Remove(new(), key))
            : null;

    private static bool IsRequest(string key, string value) =>
        key.StartsWith(KeyPrefix, StringComparison.Ordinal) && value.Contains(RequestedWords, StringComparison.Ordinal);

    private static ResyncRequest? OfJournal(RbdImage image, byte[]? client)
    {
        if (DataOf(client) is not { } data || data[FlagOffset] == 0)
            return null;
        data[FlagOffset] = 0;
        // client_update_data takes the client's id and its data.
        return new ResyncRequest(
            image.Pool, "journal." + image.GetId(), new ObjectWrite().Execute("journal", "client_update_data", new EncodedWriter().WriteText("").WriteBytes(data).ToArray()));
    }

    // The data of the image's own client; null for anything else.
    private static byte[]? DataOf(byte[]? client)
    {
        if (client is null || client.Length < DataOffset)
            return null;
        var length = BinaryPrimitives.ReadInt32LittleEndian(client.AsSpan(DataLengthOffset));
        if (length <= FlagOffset || length > client.Length - DataOffset)
            return null;
        var data = client.AsSpan(DataOffset, length).ToArray();
        return BinaryPrimitives.ReadInt32LittleEndian(data.AsSpan(TypeOffset)) == ImageClientType ? data : null;
    }

    /// <summary>Takes it back, in one write. To be called once.</summary>
    public Task WithdrawAsync(CancellationToken cancellationToken) => _pool.WriteAsync(_objectName, _withdrawal, cancellationToken);
}
