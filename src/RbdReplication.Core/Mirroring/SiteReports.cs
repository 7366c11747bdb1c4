using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>What the sites report of an image.</summary>
/// <param name="Own">This site's own report, if it has made one.</param>
/// <param name="Peer">The peer.</param>
/// <param name="Sites">Names of the sites.</param>
internal sealed record SiteReports(MirrorSiteStatus? Own, PeerView Peer, MirrorSites Sites)
{
    public static async Task<SiteReports> ReadAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        var status = open.Image.Mirroring.GetGlobalStatusAsync(cancellationToken);
        var sites = await open.Volume.Connection.GetSitesAsync(open.Volume.Pool, cancellationToken).ConfigureAwait(false);
        var global = await status.ConfigureAwait(false);
        return new SiteReports(global.Local, PeerView.From(global, sites), sites);
    }
}
