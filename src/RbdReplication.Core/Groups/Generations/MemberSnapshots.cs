using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>The snapshots that a member of a group, or a volume by itself, has at one site.</summary>
/// <param name="ImageId">Id of its image there.</param>
/// <param name="Users">User snapshots, oldest first.</param>
/// <param name="Mirrors">Mirror snapshots, oldest first.</param>
public sealed record MemberSnapshots(string ImageId, IReadOnlyList<UserSnapshot> Users, IReadOnlyList<MirrorSnapshot> Mirrors)
{
    /// <summary>Opens a member for them, read-only.</summary>
    /// <exception cref="CephException">ENOENT: the image is gone.</exception>
    public static async Task<MemberSnapshots> ReadAsync(RadosPool pool, string imageId, CancellationToken cancellationToken)
    {
        await using var image = await RbdImage.OpenByIdAsync(pool, imageId, readOnly: true, cancellationToken).ConfigureAwait(false);
        return await ReadAsync(image, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Reads them; they come with the open image and cost no round trip.</summary>
    public static async Task<MemberSnapshots> ReadAsync(RbdImage image, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(image);
        return new MemberSnapshots(
            image.GetId(), await image.Snapshots.ListAsync(cancellationToken).ConfigureAwait(false),
            await image.Mirroring.ListSnapshotsAsync(cancellationToken).ConfigureAwait(false));
    }

    /// <summary>The finished user snapshots of a group's generations, by number.</summary>
    internal IReadOnlyDictionary<long, UserSnapshot> FinishedOf(string group)
    {
        Dictionary<long, UserSnapshot> finished = [];
        foreach (var snapshot in Users)
        {
            if (GenerationName.NumberOf(group, snapshot.Name, out var isFinished) is { } number && isFinished)
                finished[number] = snapshot;
        }
        return finished;
    }

    /// <summary>
    /// Whether all of a user snapshot is at this site. The mirror daemon makes the user snapshots of what it copies before it copies, so it is when
    /// the mirror snapshot that it has come with is complete; that one comes next. One that a promotion by force makes was copied from nowhere.
    /// </summary>
    internal bool HasWhole(UserSnapshot snapshot)
    {
        if (WasTakenHere(snapshot))
            return true;
        return Mirrors.FirstOrDefault(mirror => mirror.Id > snapshot.Id) switch
        {
            { State: MirrorSnapshotState.NonPrimary or MirrorSnapshotState.NonPrimaryDemoted } after => after.IsComplete && after.PrimaryMirrorUuid.Length > 0,
            // It was here while the image was primary, and a failover has left none of which there was a part.
            { State: MirrorSnapshotState.PrimaryDemoted } => true,
            _ => false,
        };
    }

    /// <summary>Whether the image is primary, or was when nothing mirrored it any more.</summary>
    internal bool IsPrimary => Mirrors is [.., { State: MirrorSnapshotState.Primary }];

    /// <summary>Whether a user snapshot is known to have been taken here: the image was primary then.</summary>
    internal bool WasTakenHere(UserSnapshot snapshot) => Mirrors.LastOrDefault(mirror => mirror.Id < snapshot.Id) is { State: MirrorSnapshotState.Primary };

    /// <summary>
    /// Whether the last that has come to the image, or that was taken here before it was promoted again, is a demotion: then it is what the
    /// application has left when it was stopped.
    /// </summary>
    internal bool EndsInDemotion => Mirrors.LastOrDefault(mirror => mirror.State != MirrorSnapshotState.Primary) is
    {
        IsComplete: true, State: MirrorSnapshotState.PrimaryDemoted or MirrorSnapshotState.NonPrimaryDemoted,
    };

    /// <summary>
    /// Id of the newest mirror snapshot that all of the <paramref name="followers"/> have completed, or of an older one; null where one of them has
    /// none. A follower is taken off all that are older than the newest that it has completed, and stands on the first one before it has any.
    /// </summary>
    internal ulong? BaseOf(IEnumerable<string> followers)
    {
        var all = ulong.MaxValue;
        foreach (var follower in followers)
        {
            if (Mirrors.FirstOrDefault(mirror => mirror.State == MirrorSnapshotState.Primary && mirror.MirrorPeerUuids.Contains(follower)) is not { } oldest)
                return null;
            all = Math.Min(all, oldest.Id);
        }
        return all;
    }
}
