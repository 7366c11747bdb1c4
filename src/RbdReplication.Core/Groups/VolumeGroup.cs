using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>A volume group whose place is known.</summary>
/// <param name="Handle">The handle by which the caller named it, or the one that it was given.</param>
/// <param name="Cluster">The cluster it is in.</param>
/// <param name="Connection">The connection to it.</param>
/// <param name="Journal">The entries of the groups of its pool and rados namespace.</param>
/// <param name="Entry">What the journal says of it.</param>
public sealed record VolumeGroup(VolumeHandle Handle, ClusterEntry Cluster, ClusterConnection Connection, GroupJournal Journal, GroupEntry Entry)
{
    /// <summary>Pool and rados namespace of the group and of its members' images.</summary>
    public RadosPool Pool => Journal.Pool;

    /// <summary>Its RBD group.</summary>
    public RbdGroup RbdGroup => new(Pool, Entry.GroupName);

    /// <summary>Where its members are, for messages.</summary>
    public string Place => Pool.SpecOf("").TrimEnd('/');

    /// <summary>Its members.</summary>
    /// <param name="doing">What is done, to follow "cannot".</param>
    /// <exception cref="ReplicationException">Unavailable: the journal has a member that is no volume.</exception>
    public IReadOnlyList<GroupMember> RequireMembers(string doing)
    {
        List<GroupMember> members = [];
        foreach (var key in Entry.Members)
        {
            if (!VolumeHandle.TryParse(key, out var handle, out var problem))
                throw new ReplicationException(ReplicationError.Unavailable, $"cannot {doing}: its member \"{key}\" is not a volume handle of ceph-csi: {problem}; ModifyVolumeGroupMembership with the right list removes it");
            members.Add(new GroupMember(key, handle));
        }
        return members;
    }

    /// <summary>The group for messages.</summary>
    public override string ToString() => $"volume group {Handle}";
}
