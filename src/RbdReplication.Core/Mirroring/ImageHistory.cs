using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>How an image came to be what it is.</summary>
public enum HistoryEnd
{
    /// <summary>It was promoted here, or has always been primary here.</summary>
    Promotion,

    /// <summary>It was demoted here, and nothing was copied from a peer since.</summary>
    OwnDemotion,

    /// <summary>
    /// A demotion here was cut off. The image is no longer primary, and the peer never copies what was not finished: it has to be promoted
    /// and demoted again.
    /// </summary>
    UnfinishedDemotion,

    /// <summary>The peer was demoted, and this site holds everything that it had then.</summary>
    PeersDemotion,

    /// <summary>It is a copy of the peer's, which was not demoted then or is not copied completely.</summary>
    Copy,
}

/// <summary>
/// What an image shows of its own past: its mirror snapshots, or its journal. Unlike the reports, which can be half a minute old, that is
/// part of the image and always true.
/// </summary>
/// <param name="Chain">The mirror snapshots; empty in journal mode.</param>
/// <param name="Journal">The journal; null in snapshot mode.</param>
public sealed record ImageHistory(MirrorChain Chain, ImageJournal? Journal)
{
    /// <summary>How it ends.</summary>
    public HistoryEnd End => Journal is null ? Chain.End : EndOf(Journal);

    /// <summary>When it came to that, by the clock of this cluster; null in journal mode, where nothing tells.</summary>
    public DateTimeOffset? EndedAt => Chain.Newest?.TakenAt;

    /// <summary>Which demotion it ends in; 0 of a primary and of a copy, whose snapshots come and go.</summary>
    public ulong Demotion => End is HistoryEnd.Copy or HistoryEnd.Promotion ? 0 : Journal?.NewestTag ?? Chain.Newest!.Id;

    /// <summary>Whether a secondary image is not known to have had a complete copy of the peer's: its blocks may be some of the peer's and some empty.</summary>
    public bool IsFirstCopy => Journal?.IsFirstCopy ?? Chain.IsFirstCopy;

    /// <summary>Whether it ends in a demotion that was made here, to its end or not. Any other secondary is a copy of the peer's.</summary>
    public bool IsDemotedHere => End is HistoryEnd.OwnDemotion or HistoryEnd.UnfinishedDemotion;

    /// <summary>
    /// Whether it was promoted here on the peer's demotion, and the peer is not known to have come to follow since. A journal that was
    /// promoted on any demotion goes on to say so until all have replayed from it: <see cref="ImageJournal.IsReplayedSincePromotionBy"/>.
    /// </summary>
    public bool IsPromotedPeersDemotion => End == HistoryEnd.Promotion && (Journal is null ? Chain.StandsOnPeersDemotion : Journal.PromotionTag is not null);

    internal static async Task<ImageHistory> ReadAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        var chain = await MirrorChain.ReadAsync(open.Image.Mirroring, cancellationToken).ConfigureAwait(false);
        return new(chain, chain.Newest is null ? await ReadJournalAsync(open, cancellationToken).ConfigureAwait(false) : null);
    }

    private static async Task<ImageJournal?> ReadJournalAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        try
        {
            return await ImageJournal.ReadAsync(open.Image, cancellationToken).ConfigureAwait(false);
        }
        catch (FormatException e)
        {
            throw open.Refused("read the journal of", ReplicationError.Unexpected, $"it is not encoded as Ceph 16.2 to 20.2 do: {e.Message}");
        }
    }

    /// <summary>Nothing written here is still to be copied or replayed by one of the <paramref name="followers"/>.</summary>
    /// <param name="followers">The peers whose word counts.</param>
    /// <param name="before">The mirror snapshots right before the demotion, where they are known.</param>
    public bool LeavesNothingToCopy(IReadOnlyCollection<MirrorPeerSite> followers, MirrorChain? before)
    {
        if (!IsDemotedHere)
            return true;
        return End == HistoryEnd.OwnDemotion && (Journal is null
            ? Chain.LeavesNothingToCopy([.. followers.Select(peer => peer.Uuid)], before)
            : Journal.IsReplayedToTheEndBy([.. followers.Select(peer => peer.MirrorUuid)]));
    }

    // The entry of the demotion is the last that is written, under a tag of its own.
    private static HistoryEnd EndOf(ImageJournal journal) => journal switch
    {
        { Owner: "" } => HistoryEnd.Promotion,
        { Owner: not ImageJournal.Nobody } => HistoryEnd.Copy,
        { OwnerBefore: not "" } => HistoryEnd.PeersDemotion,
        _ => journal.Written?.Tag == journal.NewestTag ? HistoryEnd.OwnDemotion : HistoryEnd.UnfinishedDemotion,
    };
}
