using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Whether a clone of a drill is there.</summary>
/// <param name="IsMade">Whether it is; if not, the snapshot that it was to be of is gone.</param>
/// <param name="IsKeyElsewhere">Whether it is encrypted, and the key is not with the image.</param>
internal readonly record struct DrillCloneState(bool IsMade, bool IsKeyElsewhere);

/// <summary>One volume of a drill: a clone, with the entries of a CSI volume. Whoever changes it holds the drill's lock.</summary>
/// <param name="pool">Pool and rados namespace.</param>
/// <param name="drill">The drill.</param>
/// <param name="member">The volume.</param>
/// <param name="instanceId">ceph-csi's instance id.</param>
internal sealed class DrillClone(RadosPool pool, Drill drill, DrillMember member, string instanceId)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(500);

    /// <summary>Makes it, or what is missing of it.</summary>
    public async Task<DrillCloneState> MakeAsync(DateTimeOffset deadline, TimeProvider time, CancellationToken cancellationToken)
    {
        var metadata = await ReadMarkedAsync(cancellationToken).ConfigureAwait(false);
        if (metadata is null)
        {
            // A run that was cut off may have left a part.
            await RemoveImageAsync(deadline, time, cancellationToken).ConfigureAwait(false);
            if (!await TryCloneAsync(cancellationToken).ConfigureAwait(false))
                return default;
            await using var clone = await RbdImage.OpenAsync(pool, member.ImageName, readOnly: false, cancellationToken).ConfigureAwait(false);
            await DrillMarks.SetAsync(clone, drill.Name, member, cancellationToken).ConfigureAwait(false);
            metadata = await clone.ListMetadataAsync("", cancellationToken).ConfigureAwait(false);
        }
        await EnterAsync(cancellationToken).ConfigureAwait(false);
        return new DrillCloneState(IsMade: true, member.EncryptionKms is not null && !EncryptionMarks.HasKey(metadata));
    }

    // Null: there is none, or only a part of one.
    private async Task<IReadOnlyDictionary<string, string>?> ReadMarkedAsync(CancellationToken cancellationToken)
    {
        try
        {
            await using var clone = await RbdImage.OpenAsync(pool, member.ImageName, readOnly: true, cancellationToken).ConfigureAwait(false);
            var metadata = await clone.ListMetadataAsync("", cancellationToken).ConfigureAwait(false);
            return DrillMarks.DrillOf(metadata) == drill.Name ? metadata : null;
        }
        catch (CephException e) when (e.Errno == Errno.ENOENT)
        {
            return null;
        }
    }

    private async Task<bool> TryCloneAsync(CancellationToken cancellationToken)
    {
        await using var source = await RbdImage.OpenAsync(pool, member.SourceImage, readOnly: true, cancellationToken).ConfigureAwait(false);
        try
        {
            await SnapshotClone.CreateAsync(source, member.SourceImage, member.Point.SnapshotName, member.ImageName, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (CephException e) when (e.Errno == Errno.ENOENT)
        {
            return false;
        }
    }

    private async Task EnterAsync(CancellationToken cancellationToken)
    {
        var reservation = new Reservation(member.PersistentVolume, member.Uuid)
        {
            ImagePrefix = member.ImagePrefix,
            IsImageKnown = true,
            Owner = drill.Namespace,
            EncryptionKms = member.EncryptionKms,
            EncryptionType = member.EncryptionType,
        };
        if (await Journal.EnterAsync(reservation, cancellationToken).ConfigureAwait(false) is ReservationPlan.Conflict conflict)
        {
            throw new ReplicationException(
                ReplicationError.FailedPrecondition, $"cannot create drill {drill.Name}: the CSI journal in {pool.SpecOf("")} contradicts: {conflict.Problem}; {conflict.WayOut}");
        }
    }

    /// <summary>Removes what there is of it, the image before its entries.</summary>
    /// <exception cref="CephException">EBUSY: a client has it open for writing. ENOTEMPTY: it has snapshots.</exception>
    public async Task RemoveAsync(DateTimeOffset deadline, TimeProvider time, CancellationToken cancellationToken)
    {
        await RemoveImageAsync(deadline, time, cancellationToken).ConfigureAwait(false);
        await Journal.RemoveAsync(member.PersistentVolume, member.Uuid, cancellationToken).ConfigureAwait(false);
    }

    private CsiJournal Journal => new(pool, pool, instanceId);

    // Ceph takes half a minute to notice that a client was killed: a run of ours, or one that was cut off.
    private async Task RemoveImageAsync(DateTimeOffset deadline, TimeProvider time, CancellationToken cancellationToken)
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

    /// <summary>The clients that have it open for writing.</summary>
    public async Task<IReadOnlyList<DrillClient>> ListClientsAsync(CancellationToken cancellationToken) =>
        (await SeeAsync(cancellationToken).ConfigureAwait(false)).Clients;

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
