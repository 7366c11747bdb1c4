namespace RbdReplication.Core;

/// <summary>What the journal has to say of a volume group for calls to find it and its members.</summary>
/// <param name="RequestName">The name it is asked for by.</param>
/// <param name="Uuid">The uuid of its handle.</param>
/// <param name="GroupName">Name of its RBD group, where the journal does not record another.</param>
/// <param name="Members">Members that have to be listed; others stay.</param>
public sealed record GroupReservation(string RequestName, string Uuid, string GroupName, IReadOnlyList<GroupMember> Members)
{
    /// <summary>The members that are not listed, by whichever site's handle.</summary>
    /// <param name="entry">What the group's object has; null if there is none.</param>
    public IEnumerable<GroupMember> Unlisted(GroupEntry? entry) =>
        Members.Where(member => entry is null || !MembershipPlan.IsListed(entry.Members, member.Handle));

    /// <summary>The keys that the group's object lacks: its names where it has not all of them, and its members.</summary>
    /// <param name="entry">What it has; null if there is none.</param>
    /// <param name="time">When the group is made.</param>
    public IReadOnlyList<KeyValuePair<string, string>> Missing(GroupEntry? entry, DateTimeOffset time)
    {
        List<KeyValuePair<string, string>> keys = entry is { IsComplete: true } ? [] :
        [
            new(GroupKeys.RequestName, RequestName),
            new(GroupKeys.GroupName, GroupName),
            new(GroupKeys.CreationTime, GroupKeys.TimeText(time)),
        ];
        keys.AddRange(Unlisted(entry).Select(member => KeyValuePair.Create(member.Id, GroupKeys.MemberValue)));
        return keys;
    }
}
