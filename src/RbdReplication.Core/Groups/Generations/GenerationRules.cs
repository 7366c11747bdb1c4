using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>A user snapshot of a member that is not needed any more.</summary>
/// <param name="ImageId">The member.</param>
/// <param name="SnapshotName">The snapshot.</param>
public sealed record UnneededSnapshot(string ImageId, string SnapshotName);

/// <summary>
/// Which generation of a group is where, by the members' snapshots alone. That all members have the user snapshot of a generation says that it is
/// of one instant, see <see cref="GenerationTaking.UnfinishedMark"/>.
/// </summary>
public static class GenerationRules
{
    /// <summary>A number that no snapshot of the group has had here: it is above all, those of attempts that were cut off included.</summary>
    public static long NextNumber(string group, IReadOnlyList<MemberSnapshots> members) =>
        1 + members.SelectMany(member => member.Users).Max(snapshot => GenerationName.NumberOf(group, snapshot.Name, out _)) ?? 1;

    /// <summary>The newest generation that all members have, at the site where it was taken; null: none.</summary>
    public static long? NewestTaken(string group, IReadOnlyList<MemberSnapshots> members) => Newest(group, members, (_, _) => true);

    /// <summary>
    /// The newest generation that all members have whole, at a site that takes over, before the first of them is promoted: the mirror snapshots that
    /// show it are gone from an image that was promoted by force (16.2). Null: none.
    /// </summary>
    public static long? NewestWhole(string group, IReadOnlyList<MemberSnapshots> members) => Newest(group, members, (member, snapshot) => member.HasWhole(snapshot));

    /// <summary>
    /// The generation to return to when all members are promoted. It is the one that was the newest whole before, unless the primary had it removed
    /// since: then the next one that all members have, since the primary removes what is older than the newest that all peers have whole, and not
    /// that one. Null: there is none.
    /// </summary>
    /// <param name="group">Uuid of the group.</param>
    /// <param name="members">The members, which are promoted.</param>
    /// <param name="chosen">What <see cref="NewestWhole"/> was.</param>
    public static long? ReturnPoint(string group, IReadOnlyList<MemberSnapshots> members, long chosen) =>
        Common(group, members, (_, _) => true).Where(number => number >= chosen).Select(number => (long?)number).Min();

    /// <summary>The newest generation that all peers have whole of all members, by what the primary's mirror snapshots say; null: none is known to be.</summary>
    /// <param name="group">Uuid of the group.</param>
    /// <param name="members">The members, which are primary.</param>
    /// <param name="followers">Ids of the pool's peers that follow it, as mirror snapshots name them.</param>
    public static long? NewestAtPeers(string group, IReadOnlyList<MemberSnapshots> members, IReadOnlyCollection<string> followers) =>
        followers.Count == 0 ? null : Newest(group, members, (member, snapshot) => snapshot.Id < member.BaseOf(followers));

    /// <summary>The same with the instant that it is of; null where the peers have parted from this site since, which they do not follow then.</summary>
    /// <param name="group">Uuid of the group.</param>
    /// <param name="members">The members, which are primary.</param>
    /// <param name="followers">Ids of the pool's peers that follow it, as mirror snapshots name them.</param>
    /// <param name="partedAt">Since when; null: they have not.</param>
    public static HeldGeneration? HeldBy(string group, IReadOnlyList<MemberSnapshots> members, IReadOnlyCollection<string> followers, DateTimeOffset? partedAt)
    {
        if (members.Count == 0 || NewestAtPeers(group, members, followers) is not { } number)
            return null;
        var takenAt = members.Min(member => member.FinishedOf(group)[number].TakenAt);
        // Before a peer has copied anything since, it stands on the snapshot of the promotion, which the older generations are before.
        return takenAt < partedAt ? null : new HeldGeneration(number, takenAt);
    }

    private static long? Newest(string group, IReadOnlyList<MemberSnapshots> members, Func<MemberSnapshots, UserSnapshot, bool> counts) =>
        Common(group, members, counts).Select(number => (long?)number).Max();

    private static IEnumerable<long> Common(string group, IReadOnlyList<MemberSnapshots> members, Func<MemberSnapshots, UserSnapshot, bool> counts) => members
        .Select(member => member.FinishedOf(group).Where(one => counts(member, one.Value)).Select(one => one.Key))
        .Aggregate((all, one) => all.Intersect(one));

    /// <summary>
    /// Whether a forced promotion of the group has to return to a generation. Not where every member ends in a demotion, which is newer than any. That
    /// each has copied a mirror snapshot of the same generation does not suffice: where the process that took those was killed, they may be
    /// of different instants, which nothing shows here. Asked before the promotion, since librbd may remove the copy of a demotion with it (20.2).
    /// </summary>
    public static bool NeedsReturn(IReadOnlyList<MemberSnapshots> members) => !members.All(member => member.EndsInDemotion);

    /// <summary>
    /// What can be removed at the primary: all but the generation in hand, the newest that all members have, the newest that the peers have, and those that
    /// a peer gets next by a mirror snapshot that it still needs, since it has one of them, or none, while it copies. What is newer than the one in
    /// hand stays, too. Those that the other site has taken under a uuid of its own are all older; a failover would return to one of them as long as the
    /// peers have none of this site's.
    /// </summary>
    /// <param name="group">Uuid of the group.</param>
    /// <param name="members">The members, which are primary.</param>
    /// <param name="followers">Ids of the pool's peers that follow it, as mirror snapshots name them.</param>
    /// <param name="inHand">The number that was given last.</param>
    public static IReadOnlyList<UnneededSnapshot> Unneeded(
        string group, IReadOnlyList<MemberSnapshots> members, IReadOnlyCollection<string> followers, long inHand)
    {
        var atPeers = NewestAtPeers(group, members, followers);
        HashSet<long?> needed = [NewestTaken(group, members), atPeers, NewestAtPeersBefore(group, members, followers)];
        foreach (var member in members)
            needed.UnionWith(Awaited(member, group, followers));
        return [.. members.SelectMany(member => Select(member, (_, name, isFinished) => name.Group == group
            ? name.Number < inHand && !(isFinished && needed.Contains(name.Number))
            : atPeers is not null))];
    }

    /// <summary>
    /// What a failover to a generation leaves behind in a member, whole or not: nothing of it is ever returned to. That is what came after it, by
    /// whichever uuid of the group, and whatever was not finished.
    /// </summary>
    public static IReadOnlyList<UnneededSnapshot> LeftBehind(MemberSnapshots member, GenerationName generation)
    {
        ArgumentNullException.ThrowIfNull(member);
        var to = member.FinishedOf(generation.Group)[generation.Number].Id;
        return Select(member, (snapshot, _, isFinished) => snapshot.Id > to || !isFinished);
    }

    /// <summary>All of any group, and the volume's own points: what a volume has no use for that is not replicated any more.</summary>
    public static IReadOnlyList<UnneededSnapshot> All(MemberSnapshots member)
    {
        ArgumentNullException.ThrowIfNull(member);
        return [.. Select(member, (_, _, _) => true), .. PointRules.All(member)];
    }

    // Where a member has joined the group since, none but the others has it.
    private static long? NewestAtPeersBefore(string group, IReadOnlyList<MemberSnapshots> members, IReadOnlyCollection<string> followers) => members
        .SelectMany(member => member.FinishedOf(group).Select(one => (Number: one.Key, IsAtPeers: one.Value.Id < member.BaseOf(followers))))
        .GroupBy(one => one.Number).Where(set => followers.Count > 0 && set.All(one => one.IsAtPeers)).Select(set => (long?)set.Key).Max();

    private static IEnumerable<long?> Awaited(MemberSnapshots member, string group, IReadOnlyCollection<string> followers)
    {
        var finished = member.FinishedOf(group);
        return member.Mirrors.Where(mirror => mirror.MirrorPeerUuids.Any(followers.Contains))
            .Select(mirror => finished.Where(one => one.Value.Id < mirror.Id).Select(one => (long?)one.Key).Max());
    }

    private static List<UnneededSnapshot> Select(MemberSnapshots member, Func<UserSnapshot, GenerationName, bool, bool> which) =>
        [.. member.Users
            .Where(snapshot => GenerationName.Parse(snapshot.Name, out var isFinished) is { } name && which(snapshot, name, isFinished))
            .Select(snapshot => new UnneededSnapshot(member.ImageId, snapshot.Name))];
}
