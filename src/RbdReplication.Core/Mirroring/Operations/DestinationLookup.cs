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
        return Find(files.Read().Config, open.Volume.Handle, open.Volume.Cluster.ClusterId, open.Volume.Pool.Name, $"{open.Volume}");
    }

    /// <summary>What a handle of this site is at the peer.</summary>
    /// <param name="config">Cluster configuration.</param>
    /// <param name="handle">The handle, of a volume or a volume group.</param>
    /// <param name="clusterId">The cluster that it was found in.</param>
    /// <param name="poolName">The pool that it was found in.</param>
    /// <param name="subject">What it is the handle of, for messages.</param>
    /// <exception cref="ReplicationException">NotConfigured: the configuration cannot be used.</exception>
    public static VolumeHandle Find(ClusterConfig config, VolumeHandle handle, string clusterId, string poolName, string subject)
    {
        if (config.Find(clusterId)?.ReplicationDestination is not { } destination)
            return handle;
        var poolId = handle.PoolId;
        if (destination.PoolIdTextOf(poolName) is { } text
            && !long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out poolId))
        {
            throw new ReplicationException(
                ReplicationError.NotConfigured,
                $"cannot find the destination of {subject}: the cluster configuration maps pool {poolName} of cluster {clusterId} to \"{text}\", which is no pool number");
        }
        try
        {
            return handle.WithLocation(destination.RemoteClusterId, poolId);
        }
        catch (ArgumentException e)
        {
            throw new ReplicationException(
                ReplicationError.NotConfigured, $"cannot find the destination of {subject}: replicationDestination of cluster {clusterId} in the cluster configuration cannot be used: {e.Message}", e);
        }
    }
}
