using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// What an image's mirror snapshots prove. Unlike the statuses, which can be half a minute old, they are part of the image
/// and always true.
/// </summary>
/// <param name="Snapshots">Mirror snapshots, oldest first.</param>
public sealed record MirrorChain(IReadOnlyList<MirrorSnapshot> Snapshots)
{
    /// <summary>Reads them; they come with the open image and cost no round trip.</summary>
    public static async Task<MirrorChain> ReadAsync(ImageMirroring mirroring, CancellationToken cancellationToken) =>
        new(await mirroring.ListSnapshotsAsync(cancellationToken).ConfigureAwait(false));

    /// <summary>The newest mirror snapshot; null in journal mode.</summary>
    public MirrorSnapshot? Newest => Snapshots.Count == 0 ? null : Snapshots[^1];

    /// <summary>How the image came to be what it is.</summary>
    public HistoryEnd End => Newest switch
    {
        { State: MirrorSnapshotState.NonPrimaryDemoted, IsComplete: true } => HistoryEnd.PeersDemotion,
        { State: MirrorSnapshotState.PrimaryDemoted, IsComplete: true } => HistoryEnd.OwnDemotion,
        // The promotion takes the unfinished snapshot away (16.2).
        { State: MirrorSnapshotState.PrimaryDemoted } => HistoryEnd.UnfinishedDemotion,
        { State: MirrorSnapshotState.Primary } or null => HistoryEnd.Promotion,
        _ => HistoryEnd.Copy,
    };

    // Before the term: the newest snapshot that was not taken here as primary. librbd removes it when nobody needs it any more.
    private ulong TermId => Snapshots.LastOrDefault(snapshot => snapshot.State != MirrorSnapshotState.Primary)?.Id ?? 0;

    /// <summary>Whether this term as primary began on the peer's demotion, and a peer still needs that: it is taken off it when it has completed a snapshot of this term.</summary>
    public bool StandsOnPeersDemotion =>
        Newest is { State: MirrorSnapshotState.Primary }
        && Snapshots.LastOrDefault(snapshot => snapshot.State != MirrorSnapshotState.Primary) is { State: MirrorSnapshotState.NonPrimaryDemoted, MirrorPeerUuids.Count: > 0 };

    /// <summary>
    /// None of the <paramref name="followers"/> lacks the demotion made here. That shows by a snapshot before it which they need no more;
    /// where there is none, who demoted found nobody following, or librbd has removed it, as it does with those that nobody needs: then
    /// by one that they needed <paramref name="before"/> the demotion.
    /// </summary>
    public bool LeavesNothingToCopy(IReadOnlyCollection<string> followers, MirrorChain? before) =>
        followers.Count == 0 || (AwaitedBy(followers) is null && (TermBeforeNewest.Any() || before?.NamesFollower(followers) == true));

    /// <summary>Whether a secondary image, mirrored by snapshots, has never had a complete copy.</summary>
    public bool IsFirstCopy =>
        Newest is null or { State: MirrorSnapshotState.NonPrimary or MirrorSnapshotState.NonPrimaryDemoted } && Snapshots.All(snapshot => !snapshot.IsComplete);

    /// <summary>
    /// The mark of a forced promotion that was cut off while it rolled back: an incomplete copy followed by a complete one
    /// that was not copied from anywhere. Such an image mixes blocks of two points in time.
    /// </summary>
    public bool IsHalfRolledBack => Snapshots.Zip(Snapshots.Skip(1)).Any(pair => IsIncompleteCopy(pair.First) && IsCopyOfNothing(pair.Second));

    /// <summary>
    /// The snapshots of such a promotion, and of others that were begun on the mix, where nothing has come after them: without them it can be made again, and rolls back
    /// to the last complete copy. Empty where there is no mark, or the mix was copied over since.
    /// </summary>
    public IReadOnlyList<MirrorSnapshot> UnfinishedRollback
    {
        get
        {
            IReadOnlyList<MirrorSnapshot> last = [.. Snapshots.Reverse().TakeWhile(IsCopyOfNothing)];
            return last.Count > 0 && last.Count < Snapshots.Count && IsIncompleteCopy(Snapshots[^(last.Count + 1)]) ? last : [];
        }
    }

    /// <summary>
    /// The oldest snapshot taken here, other than the newest, that one of the <paramref name="followers"/> still needs. A peer is taken off
    /// a snapshot at once when it has completed a newer one; so while this is not null a peer lacks the newest.
    /// </summary>
    public MirrorSnapshot? AwaitedBy(IReadOnlyCollection<string> followers) =>
        TermBeforeNewest.FirstOrDefault(snapshot => IsNeeded(snapshot, followers));

    /// <summary>
    /// Whether one of the <paramref name="followers"/> has been seen to complete a snapshot newer than one that it needed: it stood on it in
    /// <paramref name="before"/>, in this term as primary, and there is a newer one now on which it stands, and none older.
    /// </summary>
    public bool ShowsFollowerSince(MirrorChain before, IReadOnlyCollection<string> followers) =>
        NamesFollower(followers) && AwaitedBy(followers) is null
        && before.SincePromotion.Any(snapshot => IsNeeded(snapshot, followers) && snapshot.Id < Newest!.Id && snapshot.Id > TermId);

    /// <summary>Whether the newest snapshot was taken here to its end and for one of the <paramref name="followers"/>: only such a one proves anything.</summary>
    public bool NamesFollower(IReadOnlyCollection<string> followers) =>
        Newest is { State: MirrorSnapshotState.Primary, IsComplete: true } && IsNeeded(Newest, followers);

    /// <summary>Snapshots taken here since the image last became primary.</summary>
    public IEnumerable<MirrorSnapshot> SincePromotion => Snapshots.Reverse().TakeWhile(snapshot => snapshot.State == MirrorSnapshotState.Primary).Reverse();

    // Of this term as primary only: on a snapshot of an earlier one a peer may stand for ever.
    private IEnumerable<MirrorSnapshot> TermBeforeNewest =>
        Snapshots.SkipLast(1).Reverse().TakeWhile(snapshot => snapshot.State == MirrorSnapshotState.Primary).Reverse();

    private static bool IsNeeded(MirrorSnapshot snapshot, IReadOnlyCollection<string> followers) => snapshot.MirrorPeerUuids.Any(followers.Contains);

    private static bool IsIncompleteCopy(MirrorSnapshot snapshot) =>
        snapshot is { State: MirrorSnapshotState.NonPrimary or MirrorSnapshotState.NonPrimaryDemoted, IsComplete: false };

    private static bool IsCopyOfNothing(MirrorSnapshot snapshot) => snapshot is
    {
        IsComplete: true, PrimaryMirrorUuid: "", PrimarySnapshotId: MirrorSnapshot.NoSnapshot, State: MirrorSnapshotState.NonPrimary or MirrorSnapshotState.NonPrimaryDemoted,
    };
}
