using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// The volumes of a drill: clones, each with the entries of a CSI volume. What can be asked or written for all of them at once is. Whoever
/// changes them holds the drill's lock.
/// </summary>
/// <param name="pool">Pool and rados namespace.</param>
/// <param name="drill">The drill.</param>
/// <param name="instanceId">ceph-csi's instance id.</param>
/// <param name="time">Clock.</param>
internal sealed class DrillClones(RadosPool pool, Drill drill, string instanceId, TimeProvider time)
{
    private readonly IReadOnlyList<DrillClone> _clones = [.. drill.Members.Select(member => new DrillClone(pool, member, time))];

    private CsiJournal Journal => new(pool, pool, instanceId);

    /// <summary>Makes the clones, or those that are missing.</summary>
    /// <param name="areNew">Whether nobody has tried before, so that there can be none, whole or in part.</param>
    /// <param name="deadline">For how long to wait where a client has a part of one open.</param>
    /// <param name="cancellationToken">Begins no further step.</param>
    /// <returns>A volume that could not be cloned because its point is gone; null: all are there.</returns>
    public async Task<DrillMember?> MakeAsync(bool areNew, DateTimeOffset deadline, CancellationToken cancellationToken)
    {
        var present = areNew ? [] : await ReadMetadataAsync(cancellationToken).ConfigureAwait(false);
        var made = await Task.WhenAll(_clones.Select(async clone =>
        {
            if (IsMarked(present.GetValueOrDefault(clone.Member)))
                return true;
            // A run that was cut off may have left a part.
            if (!areNew)
                await clone.RemoveAsync(deadline, cancellationToken).ConfigureAwait(false);
            return await clone.TryCloneAsync(cancellationToken).ConfigureAwait(false);
        })).ConfigureAwait(false);
        return drill.Members.Zip(made).FirstOrDefault(pair => !pair.Second).First;
    }

    /// <summary>Makes the clones volumes: marks them as the drill's, and enters them in the CSI journal.</summary>
    /// <returns>Those that are encrypted, and whose key is not with the image.</returns>
    /// <exception cref="ReplicationException">FailedPrecondition: the journal contradicts. Busy: somebody else removes images of the drill.</exception>
    public async Task<IReadOnlyList<DrillMember>> EnterAsync(CancellationToken cancellationToken)
    {
        var ids = await ReadIdsAsync(cancellationToken).ConfigureAwait(false);
        string IdOf(DrillMember member) => ids.GetValueOrDefault(member.ImageName) ?? throw new ReplicationException(
            ReplicationError.Busy, $"cannot create drill {drill.Name}: {pool.SpecOf(member.ImageName)} was removed as soon as it was made; retry");

        var keysElsewhere = await Task.WhenAll(drill.Members.Select(member => MarkAsync(member, IdOf(member), cancellationToken))).ConfigureAwait(false);
        var plans = await Journal.EnterAsync([.. drill.Members.Select(ReservationOf)], cancellationToken).ConfigureAwait(false);
        return plans.OfType<ReservationPlan.Conflict>().FirstOrDefault() is { } conflict
            ? throw new ReplicationException(
                ReplicationError.FailedPrecondition, $"cannot create drill {drill.Name}: the CSI journal in {pool.SpecOf("")} contradicts: {conflict.Problem}; {conflict.WayOut}")
            : [.. drill.Members.Zip(keysElsewhere).Where(pair => pair.Second).Select(pair => pair.First)];
    }

    // Whether its key is elsewhere.
    private async Task<bool> MarkAsync(DrillMember member, string imageId, CancellationToken cancellationToken)
    {
        var metadata = await StoredMetadata.ListAsync(pool, imageId, "", cancellationToken).ConfigureAwait(false) ?? new Dictionary<string, string>();
        if (!IsMarked(metadata))
        {
            cancellationToken.ThrowIfCancellationRequested();
            await StoredMetadata.WriteAsync(pool, imageId, DrillMarks.Foreign(metadata), DrillMarks.Of(drill.Name, member), CancellationToken.None).ConfigureAwait(false);
        }
        return member.EncryptionKms is not null && !EncryptionMarks.HasKey(metadata);
    }

    private Reservation ReservationOf(DrillMember member) => new(member.PersistentVolume, member.Uuid)
    {
        ImagePrefix = member.ImagePrefix,
        IsImageKnown = true,
        Owner = drill.Namespace,
        EncryptionKms = member.EncryptionKms,
        EncryptionType = member.EncryptionType,
    };

    private bool IsMarked(IReadOnlyDictionary<string, string>? metadata) => metadata is not null && DrillMarks.DrillOf(metadata) == drill.Name;

    private Task<IReadOnlyDictionary<string, string>> ReadIdsAsync(CancellationToken cancellationToken) =>
        ImageDirectory.ReadIdsAsync(pool, [.. drill.Members.Select(member => member.ImageName)], cancellationToken);

    // Of the clones that there are, or of which there is a part.
    private async Task<Dictionary<DrillMember, IReadOnlyDictionary<string, string>>> ReadMetadataAsync(CancellationToken cancellationToken)
    {
        var ids = await ReadIdsAsync(cancellationToken).ConfigureAwait(false);
        var there = drill.Members.Where(member => ids.ContainsKey(member.ImageName)).ToList();
        var metadata = await Task.WhenAll(there.Select(member => StoredMetadata.ListAsync(pool, ids[member.ImageName], DrillMarks.Name, cancellationToken))).ConfigureAwait(false);
        return there.Zip(metadata).Where(pair => pair.Second is not null).ToDictionary(pair => pair.First, pair => pair.Second!);
    }

    /// <summary>Removes what there is of them, each image before its entries.</summary>
    /// <exception cref="CephException">EBUSY: a client has one open for writing. ENOTEMPTY: one has snapshots.</exception>
    public Task RemoveAsync(DateTimeOffset deadline, CancellationToken cancellationToken) => Task.WhenAll(_clones.Select(async clone =>
    {
        await clone.RemoveAsync(deadline, cancellationToken).ConfigureAwait(false);
        await Journal.RemoveAsync(clone.Member.PersistentVolume, clone.Member.Uuid, cancellationToken).ConfigureAwait(false);
    }));

    /// <summary>Looks at them.</summary>
    public async Task<IReadOnlyList<DrillVolume>> SeeAsync(CancellationToken cancellationToken) =>
        await Task.WhenAll(_clones.Select(clone => clone.SeeAsync(cancellationToken))).ConfigureAwait(false);
}
