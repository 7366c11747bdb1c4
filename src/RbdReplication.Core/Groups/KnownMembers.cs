using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>The images of a group's members, by the journal and not by the RBD group, which an image that was copied again is not in.</summary>
internal static class KnownMembers
{
    /// <summary>Finds them, in the order of the members: a read for each member, and one more.</summary>
    public static async Task<IReadOnlyList<KnownMember>> ReadAsync(RadosPool pool, IReadOnlyList<GroupMember> members, CancellationToken cancellationToken)
    {
        if (members.Count == 0)
            return [];
        var records = await Task.WhenAll(members.Select(member => JournalEntry.ReadAsync(pool, member.Handle.Uuid, cancellationToken))).ConfigureAwait(false);
        var names = members.Zip(records, (member, record) => record.ImageNameOr(member.Handle.Uuid)).ToList();
        var ids = await ImageDirectory.ReadIdsAsync(pool, names, cancellationToken).ConfigureAwait(false);
        return [.. members.Zip(names, (member, name) => new KnownMember(member, ids.GetValueOrDefault(name)))];
    }
}
