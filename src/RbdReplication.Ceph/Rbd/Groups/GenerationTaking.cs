namespace RbdReplication.Ceph;

/// <summary>Taking a generation of a group: user snapshots of all members that are of one instant, and then the mirror snapshots that carry them to the peers.</summary>
public static class GenerationTaking
{
    /// <summary>
    /// What the name of a user snapshot is followed by until all members have one and all are known to be of one instant. Then they are renamed.
    /// So members that all have a generation's user snapshot have it of one instant, at this site and at the peers, whoever was killed when.
    /// </summary>
    public const string UnfinishedMark = ".unfinished-";

    /// <summary>
    /// Takes a generation in a process of its own, one at a time for each connection, since librbd may end the process, see <see cref="ApartProcess"/>.
    /// What it leaves unfinished is for the caller to remove, by its name.
    /// </summary>
    /// <param name="pool">Pool and rados namespace of the members.</param>
    /// <param name="imageIds">The members, which are primary and have exclusive-lock.</param>
    /// <param name="snapshotName">Name of the user snapshots. It is given once: whatever the outcome, the next call has another one.</param>
    /// <param name="maximumHold">
    /// Longest time that whoever writes may wait until all members are ready; then all go on, and this is to be called again later. What the
    /// snapshots themselves take comes on top of it.
    /// </param>
    /// <param name="cancellationToken">Ends the wait; the process ends what it has begun.</param>
    public static Task<GenerationOutcome> TakeAsync(
        RadosPool pool, IReadOnlyList<string> imageIds, string snapshotName, TimeSpan maximumHold, CancellationToken cancellationToken) =>
        pool.Cluster.Generations.TakeAsync(pool, imageIds, new GenerationOrder(snapshotName, maximumHold), cancellationToken);
}
