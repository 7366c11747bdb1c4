using System.Globalization;
using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// The handle by which the peer cluster knows a volume. It depends on the configuration alone, so states that pass are no
/// reason to refuse: the controller does not record any other success until it has this one.
/// </summary>
/// <param name="files">Cluster configuration.</param>
internal sealed class DestinationLookup(ClusterFiles files)
{
    /// <summary>Finds it.</summary>
    /// <exception cref="ReplicationException">The image is not mirrored, or the configuration cannot be used.</exception>
    public async Task<VolumeHandle> RunAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        var info = await open.Image.Mirroring.GetInfoAsync(cancellationToken).ConfigureAwait(false);
        if (info.State == MirrorImageState.Disabled)
            open.RequireMirrored(info);
        return Find(open.Volume);
    }

    private VolumeHandle Find(Volume volume)
    {
        if (files.Read().Config.Find(volume.Cluster.ClusterId)?.ReplicationDestination is not { } destination)
            return volume.Handle;
        var poolId = volume.Handle.PoolId;
        if (destination.PoolIdTextOf(volume.Pool.Name) is { } text
            && !long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out poolId))
        {
            throw new ReplicationException(
                ReplicationError.NotConfigured,
                $"cannot find the destination of {volume}: the cluster configuration maps pool {volume.Pool.Name} of cluster {volume.Cluster.ClusterId} to \"{text}\", which is no pool number");
        }
        try
        {
            return volume.Handle.WithLocation(destination.RemoteClusterId, poolId);
        }
        catch (ArgumentException e)
        {
            throw new ReplicationException(
                ReplicationError.NotConfigured, $"cannot find the destination of {volume}: replicationDestination of cluster {volume.Cluster.ClusterId} in the cluster configuration cannot be used: {e.Message}", e);
        }
    }
}
