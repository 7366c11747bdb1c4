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

    /// <summary>The group for messages.</summary>
    public override string ToString() => $"volume group {Handle}";
}
