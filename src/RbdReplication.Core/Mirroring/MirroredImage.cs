using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>What operations ask for first: that the image is mirrored.</summary>
internal static class MirroredImage
{
    /// <summary>The image's role.</summary>
    /// <exception cref="ReplicationException">It is not mirrored, or being enabled or disabled.</exception>
    public static async Task<MirrorImageInfo> RequireMirroredAsync(this OpenVolume open, CancellationToken cancellationToken) =>
        open.RequireMirrored(await open.Image.Mirroring.GetInfoAsync(cancellationToken).ConfigureAwait(false));

    /// <inheritdoc cref="RequireMirroredAsync"/>
    public static MirrorImageInfo RequireMirrored(this OpenVolume open, MirrorImageInfo info) =>
        EnableRules.Mirrored(info.State, $"{open.Volume}") is { Refusal: not null } refused ? throw Refused(refused) : info;

    /// <summary>What to throw where mirroring is being enabled or disabled, so that neither can be begun.</summary>
    public static ReplicationException Passing(this OpenVolume open, MirrorImageInfo info) => Refused(EnableRules.Passing(info.State, $"{open.Volume}"));

    // These texts name the volume themselves.
    private static ReplicationException Refused(RelocationDecision refused) => new(refused.Refusal!.Value, refused.Reason);
}
