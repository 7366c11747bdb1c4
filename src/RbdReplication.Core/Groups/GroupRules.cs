using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>What is seen of a volume that is to be in a group.</summary>
/// <param name="IsInPlace">Whether its image is in the group's cluster, pool and rados namespace.</param>
/// <param name="Place">Where it is, for the message.</param>
/// <param name="Features">Features of the image.</param>
/// <param name="State">Whether it is mirrored.</param>
/// <param name="IsPrimary">Whether it is the primary, where it is mirrored.</param>
/// <param name="Mode">How it is mirrored, where it is.</param>
/// <param name="OtherGroup">The RBD group that it is in, if that is another one.</param>
/// <param name="IsListed">Whether the group's journal has it as a member already, or its joining a group that is replicated was cut off.</param>
public sealed record MemberSighting(
    bool IsInPlace, string Place, ImageFeatures Features, MirrorImageState State, bool IsPrimary, MirrorImageMode Mode, string? OtherGroup, bool IsListed);

/// <summary>Whether a volume can be in a group, and what can be done with a group.</summary>
public static class GroupRules
{
    /// <summary>Whether a volume can be a member.</summary>
    /// <param name="seen">What is seen of it.</param>
    /// <param name="group">The group's place, for the message.</param>
    public static RelocationDecision Member(MemberSighting seen, string group)
    {
        ArgumentNullException.ThrowIfNull(seen);
        if (!seen.IsInPlace)
            return Refuse($"it is in {seen.Place}, and the group in {group}; all volumes of a group are in one pool and rados namespace");
        if (seen.OtherGroup is { } other)
            return Refuse($"it is in RBD group {other}, and an image is in one group at most; take it out of that group first, or let one VolumeGroupReplication alone select its claim");
        if (Barrier(seen.Features) is { Refusal: not null } refused)
            return refused;
        if (seen.State is MirrorImageState.Enabled && seen.Mode == MirrorImageMode.Journal)
            return Refuse("it is mirrored in journal mode, and groups are in snapshot mode; disable its replication first, or leave it out of the group");
        // A secondary is the copy of a member at the other site, and one that is listed is replicated with its group.
        return seen.State is MirrorImageState.Enabled && seen.IsPrimary && !seen.IsListed
            ? Refuse("it is replicated by itself already; delete its own VolumeReplication first, or leave it out of the group")
            : RelocationDecision.Allow("it can be in the group");
    }

    /// <summary>Whether an instant can be taken of a volume together with others.</summary>
    /// <param name="features">Features of its image.</param>
    public static RelocationDecision Barrier(ImageFeatures features) => features.HasFlag(ImageFeatures.ExclusiveLock)
        ? RelocationDecision.Allow("who writes to it can be made to wait")
        : Refuse("its image has no exclusive-lock, without which no instant can be taken of a group; for new volumes add exclusive-lock to imageFeatures of the StorageClass, and for this one run rbd feature enable while no pod uses it");

    /// <summary>Whether a group can be deleted.</summary>
    /// <param name="members">Keys of its members.</param>
    public static RelocationDecision Deletion(IReadOnlyList<string> members) => members.Count == 0
        ? RelocationDecision.Allow("it has no members")
        : RelocationDecision.Refuse(
            ReplicationError.FailedPrecondition, $"it still has {VolumeCount.Words(members.Count)}; take them out first, by ModifyVolumeGroupMembership with an empty list");

    /// <summary>The uuid of the group that a name stands for, or why none can.</summary>
    /// <param name="listed">What the directory has for the name; null if nothing.</param>
    /// <param name="derived">The uuid that a new group gets.</param>
    /// <param name="poolId">The pool that is asked for.</param>
    /// <param name="uuid">The uuid.</param>
    public static RelocationDecision Name(string? listed, string derived, long poolId, out string uuid)
    {
        uuid = derived;
        if (listed is null)
            return RelocationDecision.Allow("the name is free");
        if (!JournalKeys.TryParseDirectoryValue(listed, poolId, out uuid, out var groupPoolId))
            return RelocationDecision.Refuse(ReplicationError.AlreadyExists, $"its directory entry is \"{listed}\", which is no group's uuid; remove it with rados rmomapkey, and the group is made");
        return groupPoolId == poolId
            ? RelocationDecision.Allow("the name has a group")
            : RelocationDecision.Refuse(ReplicationError.AlreadyExists, $"a group of this name is in pool {groupPoolId}; correct parameter pool of the class, or delete that group first");
    }

    /// <summary>Whether the group that is there is the one that is asked for.</summary>
    /// <param name="entry">What is there; null if nothing.</param>
    /// <param name="requestName">The name that is asked for.</param>
    /// <param name="groupName">The name of the RBD group that goes with the class.</param>
    public static RelocationDecision Same(GroupEntry? entry, string requestName, string groupName)
    {
        if (entry?.RequestName is { } recorded && recorded != requestName)
            return RelocationDecision.Refuse(ReplicationError.AlreadyExists, $"its uuid {entry.Uuid} belongs to the group of name {recorded}; delete that group, or remove the wrong entry of the directory with rados rmomapkey");
        return entry?.RecordedGroupName is { } rbdGroup && rbdGroup != groupName
            ? RelocationDecision.Refuse(ReplicationError.AlreadyExists, $"it exists as RBD group {rbdGroup}, and the class makes it {groupName}; correct volumeNamePrefix in the class")
            : RelocationDecision.Allow("it is the same group");
    }

    private static RelocationDecision Refuse(string reason) => RelocationDecision.Refuse(ReplicationError.FailedPrecondition, reason);
}
