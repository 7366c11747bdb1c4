using System.Globalization;
using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// Image metadata that remembers when this copy of the image was created. It is written before a demotion and stays at this
/// site; a resync re-creates the image without it. So a mark that equals the image's creation time means: demoted, and not
/// copied again since. Key and format are ceph-csi's.
/// </summary>
public static class CreationMark
{
    /// <summary>The metadata key.</summary>
    public const string Key = ".rbd.image.creation_time";

    /// <summary>Sets the mark on a primary image if it is absent.</summary>
    /// <param name="image">The image.</param>
    /// <param name="metadata">The image's metadata.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public static async Task SetAsync(RbdImage image, IReadOnlyDictionary<string, string> metadata, CancellationToken cancellationToken)
    {
        if (!metadata.ContainsKey(Key))
            await image.SetMetadataAsync(Key, Format(image.GetCreateTimestamp()), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The mark's text for a creation time.</summary>
    public static string Format(Timespec time) => string.Create(CultureInfo.InvariantCulture, $"seconds:{time.Seconds} nanos:{time.Nanoseconds}");
}
