using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>An image that has its journal entries.</summary>
/// <param name="Handle">The volume's handle.</param>
/// <param name="SizeBytes">The image's size.</param>
public sealed record ImportedImage(VolumeHandle Handle, ulong SizeBytes);

/// <summary>Makes an image that ceph-csi did not create a CSI volume, by its journal entries; the image itself is not touched.</summary>
public static class ImageImport
{
    /// <summary>Enters an image into the journal of its pool, or completes what is there of it.</summary>
    /// <param name="connections">Connections to Ceph.</param>
    /// <param name="cluster">The image's cluster.</param>
    /// <param name="credentials">Ceph user and key.</param>
    /// <param name="poolName">The image's pool.</param>
    /// <param name="reservation">What to enter.</param>
    /// <param name="instanceId">ceph-csi's instance id.</param>
    /// <param name="cancellationToken">Ends the wait; a write in hand is finished.</param>
    /// <exception cref="ReplicationException">
    /// FailedPrecondition: one of the entries belongs to another volume or image; nothing was changed. NotFound: there is no such
    /// image or pool.
    /// </exception>
    public static async Task<ImportedImage> RunAsync(
        ClusterConnections connections, ClusterEntry cluster, CephCredentials credentials, string poolName, Reservation reservation, string instanceId,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(connections);
        ArgumentNullException.ThrowIfNull(cluster);
        ArgumentNullException.ThrowIfNull(reservation);
        var connection = await connections.GetAsync(cluster, credentials, cancellationToken).ConfigureAwait(false);
        try
        {
            var pool = await connection.GetPoolAsync(poolName, cluster.RadosNamespace, cancellationToken).ConfigureAwait(false);
            var image = await RbdImage.OpenAsync(pool, reservation.ImageName, readOnly: true, cancellationToken).ConfigureAwait(false);
            await using (image.ConfigureAwait(false))
            {
                await EnterAsync(pool, reservation, instanceId, cancellationToken).ConfigureAwait(false);
                var size = await image.GetSizeBytesAsync(cancellationToken).ConfigureAwait(false);
                return new ImportedImage(new VolumeHandle(cluster.ClusterId, pool.Id, reservation.Uuid), size);
            }
        }
        catch (CephException e)
        {
            throw ReplicationException.From(e, $"import {poolName}/{reservation.ImageName}");
        }
    }

    private static async Task EnterAsync(RadosPool pool, Reservation reservation, string instanceId, CancellationToken cancellationToken)
    {
        switch (await new CsiJournal(pool, pool, instanceId).EnterAsync(reservation, cancellationToken).ConfigureAwait(false))
        {
            case ReservationPlan.Conflict conflict:
                var wayOut = conflict.Kind switch
                {
                    ConflictKind.NameIsTaken => "choose another name with --pv-name",
                    ConflictKind.UuidIsTaken => $"import it as that one with --pv-name {conflict.Recorded}",
                    _ => conflict.WayOut,
                };
                throw new ReplicationException(
                    ReplicationError.FailedPrecondition, $"the CSI journal in {pool.SpecOf("")} contradicts: {conflict.Problem}; nothing was changed; {wayOut}");
            case ReservationPlan.ImageMissing:
                throw new CephException(Errno.ENOENT, "rbd_open", pool.SpecOf(reservation.ImageName));
        }
    }
}
