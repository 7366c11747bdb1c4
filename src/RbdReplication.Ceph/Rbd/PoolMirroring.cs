using RbdReplication.Ceph.Interop;

namespace RbdReplication.Ceph;

/// <summary>Mirroring of a pool, or of one rados namespace in it.</summary>
public sealed class PoolMirroring(RadosPool pool)
{
    /// <summary>Entries per request of a listing; larger pages were no faster on 16.2.</summary>
    public const int PageSize = 1024;

    private const int FirstPeers = 4;
    private const int MaximumPeers = 1024;

    /// <summary>Which images are mirrored. Wraps <c>rbd_mirror_mode_get</c>.</summary>
    public async Task<MirrorPoolMode> GetModeAsync(CancellationToken cancellationToken)
    {
        var mode = 0;
        await LookUpAsync("rbd_mirror_mode_get", () => Librbd.MirrorModeGet(pool.Handle, out mode), cancellationToken).ConfigureAwait(false);
        return (MirrorPoolMode)mode;
    }

    /// <summary>The pool's peers. Peers belong to the pool as a whole, not to a namespace. Wraps <c>rbd_mirror_peer_site_list</c>.</summary>
    public async Task<IReadOnlyList<MirrorPeerSite>> ListPeersAsync(CancellationToken cancellationToken)
    {
        List<MirrorPeerSite> peers = [];
        await LookUpAsync("rbd_mirror_peer_site_list", () => Peers(peers), cancellationToken).ConfigureAwait(false);
        return peers;
    }

    private unsafe long Peers(List<MirrorPeerSite> peers) => SizedCall.Run(FirstPeers, MaximumPeers, (ref nuint room) =>
    {
        var count = (int)room;
        var found = new MirrorPeerSiteLayout[count];
        fixed (MirrorPeerSiteLayout* first = found)
        {
            var result = Librbd.MirrorPeerSiteList(pool.Handle, first, &count);
            if (result < 0)
                return result;
            for (var i = 0; i < count; i++)
            {
                var peer = found[i];
                peers.Add(new MirrorPeerSite(
                    NativeText.Read(peer.Uuid), NativeText.Read(peer.SiteName), NativeText.Read(peer.MirrorUuid),
                    (MirrorPeerDirection)peer.Direction, DateTimeOffset.FromUnixTimeSeconds(peer.LastSeen)));
            }
            Librbd.MirrorPeerSiteListCleanup(first, count);
            return 0;
        }
    });

    /// <summary>
    /// One page of the status of all mirrored images, in the order of their ids. Wraps <c>rbd_mirror_image_global_status_list</c>.
    /// </summary>
    /// <param name="startAfter">Image id of the last entry of the page before; empty for the first page.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Image id and status; fewer than <see cref="PageSize"/> at the end.</returns>
    public async Task<IReadOnlyList<KeyValuePair<string, MirrorGlobalStatus>>> ListStatusAsync(string startAfter, CancellationToken cancellationToken)
    {
        List<KeyValuePair<string, MirrorGlobalStatus>> page = [];
        await LookUpAsync("rbd_mirror_image_global_status_list", () => StatusPage(startAfter, page), cancellationToken).ConfigureAwait(false);
        return page;
    }

    private unsafe long StatusPage(string startAfter, List<KeyValuePair<string, MirrorGlobalStatus>> page)
    {
        var ids = new nint[PageSize];
        var images = new MirrorGlobalStatusLayout[PageSize];
        fixed (nint* firstId = ids)
        fixed (MirrorGlobalStatusLayout* firstImage = images)
        {
            nuint count = 0;
            var result = Librbd.MirrorImageGlobalStatusList(pool.Handle, startAfter, PageSize, (byte**)firstId, firstImage, &count);
            if (result < 0)
                return result;
            for (var i = 0; i < (int)count; i++)
                page.Add(new(NativeText.Read((byte*)ids[i]), MirrorImageStatus.GlobalOf(images[i])));
            Librbd.MirrorImageGlobalStatusListCleanup((byte**)firstId, firstImage, count);
            return 0;
        }
    }

    private Task<long> LookUpAsync(string function, Func<long> call, CancellationToken cancellationToken) =>
        NativeCall.BlockingAsync(function, pool.SpecOf(""), pool.Handle, pool.Cluster.Threads.LookUps, call, cancellationToken).WaitAsync(cancellationToken);
}
