using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Removing user snapshots of generations.</summary>
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

    /// <summary>Removes all of a group that a volume has, which is not replicated with it any more.</summary>
    public static async Task OfAllAsync(OpenVolume open, string group, CancellationToken cancellationToken)
    {
        var all = GenerationRules.LeftBehind(group, [await MemberSnapshots.ReadAsync(open.Image, cancellationToken).ConfigureAwait(false)], generation: 0);
        if (all.Count == 0)
            return;
        await open.LockAsync().ConfigureAwait(false);
        await RunAsync(open.Volume.Pool, all, cancellationToken).ConfigureAwait(false);
    }

    private static async Task RemoveAsync(RbdImage image, string name, CancellationToken cancellationToken)
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
