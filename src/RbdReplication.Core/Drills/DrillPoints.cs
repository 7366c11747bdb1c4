using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Finds the point of each volume that a drill is to be of, and waits for one that is named.</summary>
/// <param name="request">What is asked for.</param>
/// <param name="time">Clock.</param>
internal sealed class DrillPoints(DrillRequest request, TimeProvider time)
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    /// <summary>The volumes of the drill as they are to be made.</summary>
    /// <param name="sources">What they are to be clones of.</param>
    /// <param name="deadline">For how long to wait for a point that is named.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ReplicationException">FailedPrecondition: there is no such point here: says how to get one.</exception>
    public async Task<IReadOnlyList<DrillMember>> ChooseAsync(DrillSources sources, DateTimeOffset deadline, CancellationToken cancellationToken)
    {
        while (true)
        {
            var seen = await Task.WhenAll(sources.Volumes.Select(source => SeeAsync(sources.Place, source, cancellationToken))).ConfigureAwait(false);
            if (PointsOf(seen) is { } points)
                return [.. seen.Zip(points, (one, point) => Member(sources.Place, one, point))];
            if (!request.NamesPoint || time.GetUtcNow() >= deadline)
                throw Missing(seen);
            await Task.Delay(Pause, time, cancellationToken).ConfigureAwait(false);
        }
    }

    private IReadOnlyList<DrillPoint>? PointsOf(IReadOnlyList<SourceSighting> seen)
    {
        if (request.Group is not null)
            return DrillRules.GenerationOf([.. seen.Select(one => one.Snapshots)], request.Generation);
        var points = seen.Select(one => DrillRules.PointOf(one.Snapshots, request.Point)).ToList();
        return points.Contains(null) ? null : [.. points.OfType<DrillPoint>()];
    }

    private ReplicationException Missing(IReadOnlyList<SourceSighting> seen)
    {
        if (request.Group is { } group)
        {
            return Refused(
                request.Generation is { } number
                    ? $"generation {number} of volume group {group} is not whole of all {seen.Count} volumes at this site; ask for one that is, see status --generations, or give --timeout more time"
                    : $"there is no generation that this site has whole of all {seen.Count} volumes of volume group {group}; where the group is primary they are taken on the schedulingInterval of its class, see status --generations there");
        }
        if (seen.FirstOrDefault(one => one.Snapshots.IsPrimary && DrillRules.PointOf(one.Snapshots, request.Point) is null) is { } primary)
        {
            return Refused(
                $"{primary.Source} is primary here, and has no point of which it can be told that all of it is here: that is so from when a point is taken until the peer has copied it; take another one (drill point --volume {primary.Source.Handle}) and make the drill at once, or make it at the peer");
        }
        var without = seen.First(one => DrillRules.PointOf(one.Snapshots, request.Point) is null);
        if (request.Point is { } name)
            return Refused($"point {name} of {without.Source} is not whole at this site; take it where the volume is primary (drill point {name} --volume {without.Source.Handle}), or give --timeout more time");
        return Refused(without.GroupUuid is { } uuid
            ? $"{without.Source} has no consistency point of its own; it belongs to the volume group of uuid {uuid}, whose generations are the points of all its volumes: name that with --group"
            : $"{without.Source} has no consistency point that is whole at this site; take one where the volume is primary (drill point --volume {without.Source.Handle}), and it comes over with its mirror snapshot");
    }

    private ReplicationException Refused(string reason) => new(ReplicationError.FailedPrecondition, $"cannot create drill {request.Name}: {reason}");

    private static DrillMember Member(DrillPlace place, SourceSighting seen, DrillPoint point)
    {
        var (name, uuid) = (seen.Source.ImageName, seen.Source.Handle.Uuid);
        if (seen.IsEncrypted && seen.Source.Entry.EncryptionKms is null)
        {
            throw new ReplicationException(
                ReplicationError.FailedPrecondition, $"cannot make a drill of {seen.Source}: it is encrypted, and the CSI journal in {place.Pool.SpecOf("")} does not say by which KMS; restore its PersistentVolume at this site, and the omap generator enters that");
        }
        return new DrillMember(
            seen.Source.Handle.ToString(), seen.Source.Entry.RequestName, name, seen.Snapshots.ImageId, Guid.NewGuid().ToString(),
            name.EndsWith(uuid, StringComparison.Ordinal) && name.Length > uuid.Length ? name[..^uuid.Length] : JournalKeys.DefaultImagePrefix, point)
        {
            EncryptionKms = seen.Source.Entry.EncryptionKms,
            EncryptionType = seen.Source.Entry.EncryptionType,
            Shape = seen.Shape,
        };
    }

    private async Task<SourceSighting> SeeAsync(DrillPlace place, DrillSource source, CancellationToken cancellationToken)
    {
        try
        {
            await using var image = await RbdImage.OpenAsync(place.Pool, source.ImageName, readOnly: true, cancellationToken).ConfigureAwait(false);
            var metadata = await image.ListMetadataAsync("", cancellationToken).ConfigureAwait(false);
            var snapshots = await MemberSnapshots.ReadAsync(image, cancellationToken).ConfigureAwait(false);
            // Only to be told where it has no point of its own.
            var group = request.Group is null && DrillRules.PointOf(snapshots, name: null) is null ? await image.GetGroupAsync(cancellationToken).ConfigureAwait(false) : null;
            return new SourceSighting(
                source, snapshots, EncryptionMarks.IsEncrypted(metadata), group is null ? null : ReplicatedGroups.UuidOf(group.Name),
                await CloneShape.OfAsync(image, cancellationToken).ConfigureAwait(false));
        }
        catch (CephException e)
        {
            throw ReplicationException.From(e, $"make a drill of {source} in {place}");
        }
    }

    private sealed record SourceSighting(DrillSource Source, MemberSnapshots Snapshots, bool IsEncrypted, string? GroupUuid, CloneShape Shape);
}
