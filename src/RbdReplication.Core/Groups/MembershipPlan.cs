namespace RbdReplication.Core;

/// <summary>A member as the journal and the pool know it.</summary>
/// <param name="Member">The volume.</param>
/// <param name="ImageId">Id of its image; null if there is none.</param>
public sealed record KnownMember(GroupMember Member, string? ImageId);

/// <summary>What there is of a group's membership.</summary>
/// <param name="Listed">The members' keys of the journal.</param>
/// <param name="Images">Ids of the RBD group's images, and whether each is in it as a whole; null if there is no RBD group.</param>
public sealed record Membership(IReadOnlyList<string> Listed, IReadOnlyDictionary<string, bool>? Images);

/// <summary>What has to be done to make a group's membership what is asked for. Decided from values alone.</summary>
/// <param name="CreatesGroup">Whether the RBD group has to be made.</param>
/// <param name="Joins">Those that have to be taken into the RBD group and the journal.</param>
/// <param name="KeysToRemove">Keys of the journal that have to go.</param>
/// <param name="KeysToSet">Keys of the journal that are missing of those that are in the RBD group.</param>
/// <param name="ImagesToRemove">Ids of images that have to be taken out of the RBD group.</param>
/// <param name="Leaves">The volumes of the keys that have to go, other than those that go for another key of the same volume.</param>
public sealed record MembershipPlan(
    bool CreatesGroup, IReadOnlyList<GroupMember> Joins, IReadOnlyList<string> KeysToRemove, IReadOnlyList<string> KeysToSet, IReadOnlyList<string> ImagesToRemove,
    IReadOnlyList<GroupMember> Leaves)
{
    /// <summary>Whether everything is as it should be.</summary>
    public bool IsEmpty => !CreatesGroup && Joins.Count == 0 && KeysToRemove.Count == 0 && KeysToSet.Count == 0 && ImagesToRemove.Count == 0;

    /// <summary>Plans.</summary>
    /// <param name="wanted">All that are to be members.</param>
    /// <param name="now">What there is.</param>
    /// <param name="removesOthers">Whether other members have to leave; otherwise they stay.</param>
    public static MembershipPlan For(IReadOnlyList<KnownMember> wanted, Membership now, bool removesOthers)
    {
        ArgumentNullException.ThrowIfNull(wanted);
        ArgumentNullException.ThrowIfNull(now);
        var ids = wanted.Select(known => known.Member.Id).ToHashSet(StringComparer.Ordinal);
        var uuids = wanted.Select(known => known.Member.Handle.Uuid).ToHashSet(StringComparer.OrdinalIgnoreCase);
        var images = wanted.Select(known => known.ImageId).OfType<string>().ToHashSet(StringComparer.Ordinal);

        bool IsAttached(KnownMember known) => known.ImageId is { } id && now.Images?.GetValueOrDefault(id) == true;
        // The other site's handle of a wanted one is the same member: the one that is asked for takes its place.
        bool Leaves(string key) => !ids.Contains(key) && (removesOthers || uuids.Contains(UuidOf(key)));

        // In the RBD group but not in the journal is what a call that was cut off leaves: whether it may be a member is looked at again.
        var joins = wanted.Where(known => !IsAttached(known) || !IsListed(now, known)).ToList();
        return new MembershipPlan(
            now.Images is null,
            [.. joins.Select(known => known.Member)],
            [.. now.Listed.Where(Leaves)],
            [.. wanted.Except(joins).Select(known => known.Member.Id).Except(now.Listed, StringComparer.Ordinal)],
            [.. removesOthers ? (now.Images?.Keys ?? []).Where(id => !images.Contains(id)) : []],
            [.. now.Listed.Where(Leaves).Select(VolumeOf).OfType<GroupMember>().Where(member => !uuids.Contains(member.Handle.Uuid))]);
    }

    /// <summary>Whether the journal has a volume as a member, by whichever site's handle.</summary>
    public static bool IsListed(IReadOnlyList<string> listed, VolumeHandle volume) =>
        listed.Any(key => volume.Uuid.Equals(UuidOf(key), StringComparison.OrdinalIgnoreCase));

    private static bool IsListed(Membership now, KnownMember known) => IsListed(now.Listed, known.Member.Handle);

    private static GroupMember? VolumeOf(string key) => VolumeHandle.TryParse(key, out var handle, out _) ? new GroupMember(key, handle) : null;

    private static string UuidOf(string key) => VolumeOf(key)?.Handle.Uuid ?? "";
}
