using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>What is seen of an image and of its peers at one moment: all that the rules decide by.</summary>
/// <param name="History">What the image shows of its own past.</param>
/// <param name="Own">This site's own report, if it has made one.</param>
/// <param name="Peer">The peer.</param>
/// <param name="Followers">The peers that copy from this site and whose word counts.</param>
/// <param name="HasPeers">Whether the pool has any peer.</param>
/// <param name="At">When this was read, by the clock of this cluster.</param>
public sealed record Sighting(
    ImageHistory History, MirrorSiteStatus? Own, PeerStatus Peer, IReadOnlyCollection<MirrorPeerSite> Followers, bool HasPeers, DateTimeOffset At)
{
    /// <summary>
    /// How old it may be when it is acted on: reports are up to half a minute old by themselves, and the rules allow for that much.
    /// </summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(5);

    // Longer than a demotion takes; a site that was seen as primary earlier may have been in between what nobody saw.
    private static readonly TimeSpan DemotionTime = TimeSpan.FromSeconds(30);

    /// <summary>The last sighting of the image as primary; null where there was none.</summary>
    public Sighting? AsPrimary { get; init; }

    /// <summary>Whether the pool has peers that copy from this site.</summary>
    public bool HasFollowers => Followers.Count > 0;

    /// <summary>How the image came to be what it is.</summary>
    public HistoryEnd End => History.End;

    /// <summary>The mirror snapshots; empty in journal mode.</summary>
    public MirrorChain Chain => History.Chain;

    /// <summary>Ids of the peer entries of <see cref="Followers"/>.</summary>
    public IReadOnlyCollection<string> FollowerIds => [.. Followers.Select(peer => peer.Uuid)];

    /// <summary>
    /// A peer makes its first copy of an image that is mirrored by its journal. Snapshot mode needs no such word: what a peer has copied
    /// shows by the snapshots alone.
    /// </summary>
    public bool IsBeingCopied => History.Journal?.IsBeingCopiedBy(Followers.Select(peer => peer.MirrorUuid)) == true;

    /// <summary>The oldest snapshot of this term as primary that a peer still needs; see <see cref="MirrorChain.AwaitedBy"/>.</summary>
    public MirrorSnapshot? Awaited => Chain.AwaitedBy(FollowerIds);

    /// <summary>
    /// Nothing written here is still to be copied: the image shows it, or the peer says so. One that is cut off after the copy and
    /// before it signs off the older snapshot never does the latter; it followed when this site was demoted, so its words are about that.
    /// </summary>
    public bool PeerHoldsDemotion =>
        History.LeavesNothingToCopy(Followers, ChainBefore)
        || (End == HistoryEnd.OwnDemotion && Peer.SaysDemotionIsCopied && Peer.Report!.LastUpdate >= History.EndedAt + RelocationTimes.ContentDelay);

    // The snapshots right before the demotion.
    private MirrorChain? ChainBefore => AsPrimary is { } before && (History.EndedAt - before.At)?.Duration() < DemotionTime ? before.Chain : null;

    internal static async Task<Sighting> ReadAsync(OpenVolume open, TimeProvider time, CancellationToken cancellationToken)
    {
        var at = time.GetUtcNow();
        var status = open.Image.Mirroring.GetGlobalStatusAsync(cancellationToken);
        var sites = await open.Volume.Connection.GetSitesAsync(open.Volume.Pool, cancellationToken).ConfigureAwait(false);
        // Without peers a site may do as it likes: that must not be remembered from before one was added.
        if (!sites.HaveFollowers)
            sites = await open.Volume.Connection.ReadSitesAsync(open.Volume.Pool, cancellationToken).ConfigureAwait(false);
        var global = await status.ConfigureAwait(false);
        return new Sighting(
            await ImageHistory.ReadAsync(open, cancellationToken).ConfigureAwait(false), global.Local, PeerStatus.From(global, sites),
            sites.FollowersOf(global), sites.Peers.Count > 0, at);
    }
}
