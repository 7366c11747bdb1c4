using System.Globalization;
using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// What a volume's consistency points are, by its snapshots alone: a user snapshot with a <see cref="PointName"/>, which the next mirror snapshot
/// carries to the peers.
/// </summary>
public static class PointRules
{
    /// <summary>Most points that can be kept.</summary>
    public const int MaximumKept = 30;

    private const string TimeFormat = "yyyyMMdd-HHmmss";

    /// <summary>The name of a point that nobody gave one: the time in UTC.</summary>
    public static PointName NameOf(DateTimeOffset time) => new(time.UtcDateTime.ToString(TimeFormat, CultureInfo.InvariantCulture));

    /// <summary>Whether a point can be taken of an image.</summary>
    public static RelocationDecision Take(bool isPrimary, MirrorImageMode mode)
    {
        if (mode == MirrorImageMode.Journal)
            return RelocationDecision.Refuse(ReplicationError.FailedPrecondition, "it is mirrored in journal mode, where no mirror snapshot carries a point to the peer; consistency points need mirroringMode snapshot");
        return isPrimary
            ? RelocationDecision.Allow("it is primary")
            : RelocationDecision.Refuse(ReplicationError.FailedPrecondition, "it is secondary at this site, which gets its points from the primary; take the point at the primary site");
    }

    /// <summary>Whether a point of a name that is asked for, and that is there already, is the one that is meant.</summary>
    public static RelocationDecision Reuse(MemberSnapshots image, UserSnapshot point)
    {
        ArgumentNullException.ThrowIfNull(image);
        ArgumentNullException.ThrowIfNull(point);
        return IsWhole(image, point)
            ? RelocationDecision.Allow("it is whole")
            : RelocationDecision.Refuse(
                ReplicationError.FailedPrecondition, $"its point {Parse(point)!.Value.Name} has come from another site, and whether all of it did is not known here; give another name, or remove that point first");
    }

    /// <summary>The points of a secondary image of which a part may be missing: once it is promoted by force nothing shows that any more.</summary>
    public static IReadOnlyList<PointName> Partial(MemberSnapshots image)
    {
        ArgumentNullException.ThrowIfNull(image);
        return [.. Points(image).Where(point => !IsWhole(image, point.Snapshot)).Select(point => point.Name)];
    }

    /// <summary>The points, oldest first.</summary>
    /// <param name="image">The image's snapshots at this site.</param>
    /// <param name="followers">The peers that follow it; none where it is not primary.</param>
    public static IReadOnlyList<ConsistencyPoint> List(MemberSnapshots image, IReadOnlyCollection<PointFollower> followers)
    {
        ArgumentNullException.ThrowIfNull(image);
        ArgumentNullException.ThrowIfNull(followers);
        return [.. Points(image).Select(point => Describe(image, point.Snapshot, point.Name, followers))];
    }

    private static ConsistencyPoint Describe(MemberSnapshots image, UserSnapshot snapshot, PointName name, IReadOnlyCollection<PointFollower> followers)
    {
        var holders = followers.ToLookup(peer => IsHeldBy(image, snapshot, peer), peer => peer.SiteName);
        return new ConsistencyPoint(
            name, snapshot.TakenAt, image.WasTakenHere(snapshot) || OutlastedAll(image, snapshot), IsWhole(image, snapshot), [.. holders[true]], [.. holders[false]]);
    }

    private static bool IsWhole(MemberSnapshots image, UserSnapshot snapshot) => image.HasWhole(snapshot) || OutlastedAll(image, snapshot);

    // The mirror snapshots before it are gone, as librbd removes those that no peer needs. Parts do not last so long: they go with a forced promotion.
    private static bool OutlastedAll(MemberSnapshots image, UserSnapshot snapshot) =>
        image.Mirrors is [{ State: MirrorSnapshotState.Primary } oldest, ..] && snapshot.Id < oldest.Id;

    // Before a peer has copied anything since a promotion it stands on the snapshot of that. Where it was by force, the peer is to throw away what it has, so
    // what stands on the oldest snapshot, which may be that one, counts only where the peer itself reports to hold something as new. It reports whole seconds.
    private static bool IsHeldBy(MemberSnapshots image, UserSnapshot snapshot, PointFollower follower) =>
        image.BaseOf([follower.Uuid]) is { } held && snapshot.Id < held
        && (new MirrorChain(image.Mirrors).SincePromotion.FirstOrDefault()?.Id < held || follower.LastSyncTime + TimeSpan.FromSeconds(1) > snapshot.TakenAt);

    /// <summary>The point of this name; null: there is none.</summary>
    public static UserSnapshot? Find(MemberSnapshots image, PointName name)
    {
        ArgumentNullException.ThrowIfNull(image);
        return image.Users.FirstOrDefault(snapshot => snapshot.Name == name.ToString());
    }

    /// <summary>Whether a mirror snapshot, which may be a demotion's, carries it to the peers.</summary>
    public static bool IsCarried(MemberSnapshots image, UserSnapshot point)
    {
        ArgumentNullException.ThrowIfNull(image);
        ArgumentNullException.ThrowIfNull(point);
        return image.Mirrors.Any(mirror => mirror is { IsComplete: true, State: MirrorSnapshotState.Primary or MirrorSnapshotState.PrimaryDemoted } && mirror.Id > point.Id);
    }

    /// <summary>The name of the newest point that has a time for a name, where no mirror snapshot carries it yet, because taking it was cut off; null: there is no such.</summary>
    public static PointName? Unfinished(MemberSnapshots image)
    {
        ArgumentNullException.ThrowIfNull(image);
        var (snapshot, name) = Points(image).LastOrDefault(point => IsTimed(point.Name));
        return snapshot is not null && !IsCarried(image, snapshot) ? name : null;
    }

    /// <summary>
    /// The points that can be removed where so many are kept. Those with a name of their own stay until somebody removes them by it, and are not
    /// counted. The newest that all followers hold whole stays as well: until they have a newer one, it is all that they could return to.
    /// </summary>
    /// <param name="image">The image's snapshots, where it is primary.</param>
    /// <param name="followers">Ids of the peers that follow it, as mirror snapshots name them.</param>
    /// <param name="keep">How many are kept of those that are there.</param>
    public static IReadOnlyList<UnneededSnapshot> Unneeded(MemberSnapshots image, IReadOnlyCollection<string> followers, int keep)
    {
        ArgumentNullException.ThrowIfNull(image);
        ArgumentNullException.ThrowIfNull(followers);
        var held = followers.Count == 0 ? null : image.BaseOf(followers);
        var newestHeld = Points(image).LastOrDefault(point => point.Snapshot.Id < held).Snapshot;
        return [.. Points(image).Where(point => IsTimed(point.Name)).SkipLast(keep).Where(point => point.Snapshot != newestHeld)
            .Select(point => new UnneededSnapshot(image.ImageId, point.Snapshot.Name))];
    }

    /// <summary>All points: what a volume has no use for that is not replicated any more.</summary>
    public static IEnumerable<UnneededSnapshot> All(MemberSnapshots image) => Points(image).Select(point => new UnneededSnapshot(image.ImageId, point.Snapshot.Name));

    private static IEnumerable<(UserSnapshot Snapshot, PointName Name)> Points(MemberSnapshots image) =>
        image.Users.Where(snapshot => Parse(snapshot) is not null).Select(snapshot => (snapshot, Parse(snapshot)!.Value));

    private static PointName? Parse(UserSnapshot snapshot) => PointName.Parse(snapshot.Name);

    private static bool IsTimed(PointName name) => DateTime.TryParseExact(name.Name, TimeFormat, CultureInfo.InvariantCulture, DateTimeStyles.None, out _);
}
