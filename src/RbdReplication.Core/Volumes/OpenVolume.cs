using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// A volume with its image open: read-only until something is to be changed. Opening for writing sets a watch on the image, a
/// write to the disk, so calls that find nothing to do take half the time without it.
/// </summary>
/// <param name="volume">The volume.</param>
/// <param name="image">Its image, opened read-only; closed with this object.</param>
public sealed class OpenVolume(Volume volume, RbdImage image) : IAsyncDisposable
{
    /// <summary>The volume.</summary>
    public Volume Volume => volume;

    /// <summary>
    /// Its image. While it is open read-only it is seen as it was when it was opened; for writing, changes by others show.
    /// </summary>
    public RbdImage Image { get; private set; } = image;

    /// <summary>Whether it is open for writing.</summary>
    public bool IsWritable { get; private set; }

    /// <summary>Opens the image for writing, unless it is already.</summary>
    /// <exception cref="CephException">ENOENT: the image is gone or was created anew meanwhile.</exception>
    public async Task ForWritingAsync(CancellationToken cancellationToken)
    {
        if (IsWritable)
            return;
        var readOnly = Image;
        Image = await readOnly.OpenForWritingAsync(cancellationToken).ConfigureAwait(false);
        IsWritable = true;
        await readOnly.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>How the image, which has to be mirrored, is mirrored.</summary>
    public async Task<MirrorImageMode> GetModeAsync(CancellationToken cancellationToken)
    {
        // Mirroring by journal needs the feature, which comes with the open image; asking librbd takes a round trip.
        var features = await Image.GetFeaturesAsync(cancellationToken).ConfigureAwait(false);
        return features.HasFlag(ImageFeatures.Journaling)
            ? await Image.Mirroring.GetModeAsync(cancellationToken).ConfigureAwait(false)
            : MirrorImageMode.Snapshot;
    }

    /// <summary>What to throw where an operation cannot be done; names the volume.</summary>
    public ReplicationException Refused(string operation, ReplicationError error, string reason) =>
        new(error, $"cannot {operation} {Volume}: {reason}");

    /// <summary>Closes the image.</summary>
    public ValueTask DisposeAsync() => Image.DisposeAsync();
}
