using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Removing user snapshots of generations, and of points.</summary>
internal static class GenerationRemoval
{
    /// <summary>Removes them, the members side by side; one that is gone is no failure. The peers remove theirs with the next mirror snapshot.</summary>
    public static Task RunAsync(RadosPool pool, IReadOnlyList<UnneededSnapshot> snapshots, CancellationToken cancellationToken) =>
        Task.WhenAll(snapshots.GroupBy(snapshot => snapshot.ImageId).Select(async ofImage =>
        {
            await using var image = await RbdImage.OpenByIdAsync(pool, ofImage.Key, readOnly: false, cancellationToken).ConfigureAwait(false);
            foreach (var snapshot in ofImage)
                await RemoveAsync(image, snapshot.SnapshotName, cancellationToken).ConfigureAwait(false);
        }));

    /// <summary>
    /// Removes all that a volume has which is not mirrored any more, by whichever uuid of its group they were taken. A copy that still follows keeps
    /// its own: librbd answers EROFS there, and they go with it.
    /// </summary>
    public static async Task OfAllAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        // They come with the open image, and asking whether it is mirrored is a round trip.
        var all = GenerationRules.All(await MemberSnapshots.ReadAsync(open.Image, cancellationToken).ConfigureAwait(false));
        if (all.Count == 0 || await open.Image.Mirroring.GetInfoAsync(cancellationToken).ConfigureAwait(false) is not { State: MirrorImageState.Disabled })
            return;
        await open.LockAsync().ConfigureAwait(false);
        await RunAsync(open.Volume.Pool, all, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Removes one of an image that is open for writing; that it is gone is no failure.</summary>
    public static async Task RemoveAsync(RbdImage image, string name, CancellationToken cancellationToken)
    {
        try
        {
            await image.Snapshots.RemoveAsync(name, cancellationToken).ConfigureAwait(false);
        }
        catch (CephException e) when (e.Errno == Errno.ENOENT)
        {
        }
    }
}
