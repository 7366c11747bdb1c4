using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>What is seen of an image whose space is to be reclaimed.</summary>
/// <param name="Mirroring">Whether it is mirrored, and primary.</param>
/// <param name="Features">Its features.</param>
/// <param name="User">A client that has it open, other than this server and the mirror daemons; null if there is none.</param>
/// <param name="Metadata">Metadata that begins with <c>.rbd</c>.</param>
public sealed record ImageUse(MirrorImageInfo Mirroring, ImageFeatures Features, ImageWatcher? User, IReadOnlyDictionary<string, string> Metadata)
{
    /// <summary>Looks.</summary>
    public static async Task<ImageUse> ReadAsync(RbdImage image, CancellationToken cancellationToken) => new(
        await image.Mirroring.GetInfoAsync(cancellationToken).ConfigureAwait(false),
        await image.GetFeaturesAsync(cancellationToken).ConfigureAwait(false),
        await image.Mirroring.ListUsersAsync(cancellationToken).ConfigureAwait(false) is [var first, ..] ? first : null,
        await image.ListMetadataAsync(".rbd", cancellationToken).ConfigureAwait(false));
}

/// <summary>Whether an image's space may be reclaimed now.</summary>
public static class ReclaimRules
{
    /// <summary>
    /// Why it stays untouched; null: it may be reclaimed. A copy is its primary's to keep, and an image in use its node's: that frees with
    /// fstrim what its file system no longer needs, and must not wait for an image that this server holds.
    /// </summary>
    public static string? WhyNot(ImageUse seen) => seen switch
    {
        { Mirroring.State: not (MirrorImageState.Disabled or MirrorImageState.Enabled) } => "its mirroring is being set up or ended",
        { Mirroring: { State: MirrorImageState.Enabled, IsPrimary: false } } => "it is secondary at this site",
        _ when seen.Features.HasFlag(ImageFeatures.NonPrimary) => "its promotion or demotion was cut off",
        { User: { } user } => $"client.{user.ClientId} at {user.Address} has it open",
        _ => NodeMarks.Find(seen.Metadata) is { } mark ? $"a node still has the volume (image metadata {mark})" : null,
    };
}
