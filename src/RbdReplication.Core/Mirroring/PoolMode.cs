using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>The way in which a pool or rados namespace is mirrored: single images can be enabled and disabled in one of them only.</summary>
internal static class PoolMode
{
    /// <summary>Makes sure that a volume's pool is mirrored image by image.</summary>
    /// <exception cref="ReplicationException">NotConfigured: says which command sets it up.</exception>
    public static async Task RequireImageByImageAsync(OpenVolume open, string operation, CancellationToken cancellationToken)
    {
        var mode = await new PoolMirroring(open.Volume.Pool).GetModeAsync(cancellationToken).ConfigureAwait(false);
        if (mode == MirrorPoolMode.Image)
            return;
        var place = open.Volume.Pool.SpecOf("").TrimEnd('/');
        throw open.Refused(
            operation, ReplicationError.NotConfigured,
            $"{place} is not set up for mirroring image by image (mode {mode}); run at both sites: rbd mirror pool enable {place} image");
    }
}
