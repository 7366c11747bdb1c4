using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>The image of one volume of a drill.</summary>
/// <param name="pool">Pool and rados namespace.</param>
/// <param name="member">The volume.</param>
/// <param name="time">Clock.</param>
internal sealed class DrillClone(RadosPool pool, DrillMember member, TimeProvider time)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(500);

    /// <summary>The volume.</summary>
    public DrillMember Member => member;

    /// <summary>Clones the point; false: it is gone.</summary>
    public async Task<bool> TryCloneAsync(CancellationToken cancellationToken)
    {
        var shape = member.Shape ?? await ReadShapeAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await SnapshotClone.CreateAsync(pool, member.SourceImage, member.Point.SnapshotName, member.ImageName, shape, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (CephException e) when (e.Errno == Errno.ENOENT)
        {
            return false;
        }
    }

    private async Task<CloneShape> ReadShapeAsync(CancellationToken cancellationToken)
    {
        await using var source = await RbdImage.OpenAsync(pool, member.SourceImage, readOnly: true, cancellationToken).ConfigureAwait(false);
        return await CloneShape.OfAsync(source, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Removes what there is of it. Ceph takes half a minute to notice that a client was killed: a run of ours, or one that was cut off.</summary>
    /// <exception cref="CephException">EBUSY: a client has it open for writing. ENOTEMPTY: it has snapshots.</exception>
    public async Task RemoveAsync(DateTimeOffset deadline, CancellationToken cancellationToken)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                await RbdImage.RemoveAsync(pool, member.ImageName, cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (CephException e) when (e.Errno == Errno.ENOENT)
            {
                return;
            }
            catch (CephException e) when (e.Errno == Errno.EBUSY && time.GetUtcNow() < deadline)
            {
            }
            await Task.Delay(Pause, time, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Looks at it.</summary>
    public async Task<DrillVolume> SeeAsync(CancellationToken cancellationToken)
    {
        try
        {
            await using var clone = await RbdImage.OpenAsync(pool, member.ImageName, readOnly: true, cancellationToken).ConfigureAwait(false);
            var watchers = await clone.ListWatchersAsync(cancellationToken).ConfigureAwait(false);
            var parent = await clone.GetParentAsync(cancellationToken).ConfigureAwait(false);
            return new DrillVolume(
                member, IsThere: true, [.. watchers.Select(watcher => new DrillClient(member.PersistentVolume, watcher.Address, watcher.ClientId))], Kept(parent));
        }
        catch (CephException e) when (e.Errno == Errno.ENOENT)
        {
            return new DrillVolume(member, IsThere: false, [], null);
        }
    }

    private string? Kept(ImageParent? parent) =>
        parent is null ? null
        : parent.IsInTrash ? $"{parent} as it was before it was copied again, in the trash by id {parent.ImageId}"
        : parent.IsSnapshotInTrash ? $"{parent}@{member.Point.SnapshotName}, in the snapshots' trash namespace"
        : null;
}

/// <summary>What is seen of a volume of a drill.</summary>
/// <param name="Member">The volume.</param>
/// <param name="IsThere">Whether its image is.</param>
/// <param name="Clients">Who has it open for writing.</param>
/// <param name="Keeps">What would have been removed without it; null: nothing.</param>
public sealed record DrillVolume(DrillMember Member, bool IsThere, IReadOnlyList<DrillClient> Clients, string? Keeps);
