using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Bringing all members of a group that was promoted by force to one instant.</summary>
public static class GenerationFailover
{
    /// <summary>
    /// Makes every member what it was at a generation, in parallel, and removes what is newer. What one that was cut off has left is finished
    /// by the next. Not to be repeated once the group is in use: what was written since would be lost.
    /// </summary>
    /// <param name="pool">Pool and rados namespace of the members.</param>
    /// <param name="imageIds">The members, which are all promoted.</param>
    /// <param name="chosen">The newest generation that all of them had whole before the first was promoted.</param>
    /// <param name="cancellationToken">Begins no further step; librbd ends what it is doing in its own time.</param>
    /// <returns>The generation that they have returned to: that one, or a later one, see <see cref="GenerationRules.ReturnPoint"/>.</returns>
    /// <exception cref="ReplicationException">A member cannot be returned; the others may be.</exception>
    public static async Task<GenerationName> RunAsync(
        RadosPool pool, IReadOnlyList<string> imageIds, GenerationName chosen, CancellationToken cancellationToken)
    {
        var members = await Task.WhenAll(imageIds.Select(id => InMemberAsync(
            pool, id, readOnly: true, chosen, image => MemberSnapshots.ReadAsync(image, cancellationToken), cancellationToken))).ConfigureAwait(false);
        if (GenerationRules.ReturnPoint(chosen.Group, members, chosen.Number) is not { } number)
        {
            throw new ReplicationException(
                ReplicationError.Damaged,
                $"cannot return the volumes of group {chosen.Group} to generation {chosen.Number}: some of them have it no more, and no later one is at all of them, so what is here is of different instants");
        }
        var generation = chosen with { Number = number };
        await Task.WhenAll(imageIds.Select(id => InMemberAsync(
            pool, id, readOnly: false, generation, image => ReturnAsync(image, generation, cancellationToken), cancellationToken))).ConfigureAwait(false);
        return generation;
    }

    private static async Task<MemberSnapshots> ReturnAsync(RbdImage image, GenerationName generation, CancellationToken cancellationToken)
    {
        await image.Snapshots.RollBackAsync(generation.ToString(), _ => { }, cancellationToken).ConfigureAwait(false);
        var seen = await MemberSnapshots.ReadAsync(image, cancellationToken).ConfigureAwait(false);
        foreach (var snapshot in GenerationRules.LeftBehind(seen, generation))
            await image.Snapshots.RemoveAsync(snapshot.SnapshotName, cancellationToken).ConfigureAwait(false);
        return seen;
    }

    private static async Task<MemberSnapshots> InMemberAsync(
        RadosPool pool, string imageId, bool readOnly, GenerationName generation, Func<RbdImage, Task<MemberSnapshots>> step, CancellationToken cancellationToken)
    {
        try
        {
            await using var image = await RbdImage.OpenByIdAsync(pool, imageId, readOnly, cancellationToken).ConfigureAwait(false);
            return await step(image).ConfigureAwait(false);
        }
        catch (CephException e)
        {
            throw ReplicationException.From(e, $"return image {pool.SpecOf(imageId)} to generation {generation.Number} of its group", wasFound: true);
        }
    }
}
