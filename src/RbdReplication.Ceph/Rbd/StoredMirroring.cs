using RbdReplication.Ceph.Interop;

namespace RbdReplication.Ceph;

/// <summary>
/// How an image is mirrored, as librbd stores it: two reads side by side of an image that is not open, where opening it and asking takes a dozen, one
/// after another. It is what librbd itself judges by, as it is at this moment (<c>cls::rbd::MirrorImage</c>, and the header's features and snapshots;
/// the same in 16.2, 18.2 and 20.2).
/// </summary>
/// <param name="State">Whether it is mirrored.</param>
/// <param name="Mode">In which mode; of an image that is not mirrored without meaning.</param>
/// <param name="Image">What its header says.</param>
public sealed record StoredMirroring(MirrorImageState State, MirrorImageMode Mode, StoredImage Image)
{
    // cls/rbd/cls_rbd.cc and librbd's names of objects.
    private const string MirroringObject = "rbd_mirroring";
    private const string ImageKeyPrefix = "image_";

    /// <summary>Reads it; null: there is no such image.</summary>
    /// <exception cref="FormatException">It is not encoded as expected.</exception>
    public static async Task<StoredMirroring?> ReadAsync(RadosPool pool, string imageId, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(pool);
        var reading = pool.ReadOmapValueAsync(MirroringObject, ImageKeyPrefix + imageId, cancellationToken);
        var image = await StoredImage.ReadAsync(pool, imageId, cancellationToken).ConfigureAwait(false);
        var mirroring = await reading.ConfigureAwait(false);
        return image is null ? null : Parse(mirroring, image);
    }

    internal static StoredMirroring Parse(byte[]? mirroring, StoredImage image)
    {
        var (state, mode) = mirroring is null ? (MirrorImageState.Disabled, MirrorImageMode.Journal) : ParseEntry(mirroring);
        return new StoredMirroring(state, mode, image);
    }

    private static (MirrorImageState, MirrorImageMode) ParseEntry(byte[] bytes)
    {
        var entry = new EncodedReader(bytes).ReadStructure(known: 2);
        // Its global id. Before Octopus there was no mode behind the state, and no other one than by journal.
        entry.ReadText();
        var state = (MirrorImageState)entry.ReadByte();
        return (state, entry.IsAtEnd ? MirrorImageMode.Journal : (MirrorImageMode)entry.ReadByte());
    }
}
