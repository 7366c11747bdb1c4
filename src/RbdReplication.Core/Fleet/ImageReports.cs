using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// What is reported about one mirrored image, not judged yet: <see cref="ImageStatus"/> and <see cref="ReplicationInfo"/> are made from it.
/// </summary>
/// <param name="Status">What the sites last reported.</param>
/// <param name="Sites">Names of the sites.</param>
/// <param name="Schedules">Snapshot schedules in force at this site.</param>
public sealed record ImageReports(MirrorGlobalStatus Status, MirrorSites Sites, IReadOnlyList<ReplicationSchedule> Schedules)
{
    /// <summary>Reads those of an open image, all at the same time. <see cref="PoolLister"/> reads those of a whole pool.</summary>
    /// <exception cref="CephException">The cluster cannot be asked.</exception>
    public static async Task<ImageReports> ReadAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        var imageId = open.Image.GetId();
        var schedules = SnapshotSchedules.ListInForceAsync(open.Volume.Connection, open.Volume.Pool, [imageId], cancellationToken);
        var status = open.Image.Mirroring.GetGlobalStatusAsync(cancellationToken);
        var sites = await open.Volume.Connection.GetSitesAsync(open.Volume.Pool, cancellationToken).ConfigureAwait(false);
        return new ImageReports(
            await status.ConfigureAwait(false), sites, (await schedules.ConfigureAwait(false)).GetValueOrDefault(imageId, []));
    }
}
