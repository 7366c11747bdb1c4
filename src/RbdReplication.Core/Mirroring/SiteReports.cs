using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>What the sites report of an image.</summary>
/// <param name="Global">All that librbd tells at once.</param>
/// <param name="Peer">The peer.</param>
/// <param name="Sites">Names of the sites.</param>
internal sealed record SiteReports(MirrorGlobalStatus Global, PeerView Peer, MirrorSites Sites)
{
    /// <summary>This site's own report, if it has made one.</summary>
    public MirrorSiteStatus? Own => Global.Local;

    public static async Task<SiteReports> ReadAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        var status = open.Image.Mirroring.GetGlobalStatusAsync(cancellationToken);
        var sites = await open.Volume.Connection.GetSitesAsync(open.Volume.Pool, cancellationToken).ConfigureAwait(false);
        var global = await status.ConfigureAwait(false);
        return new SiteReports(global, PeerView.From(global, sites), sites);
    }
}
