namespace RbdReplication.Core;

/// <summary>What groups and their members are called on the peer cluster.</summary>
internal static class GroupDestinations
{
    /// <summary>The group and every member of it.</summary>
    /// <exception cref="ReplicationException">NotConfigured: the configuration cannot be used. Unavailable: the journal has a member that is no volume.</exception>
    public static GroupDestination Of(ClusterConfig config, VolumeGroup group)
    {
        var (cluster, pool) = (group.Cluster.ClusterId, group.Pool.Name);
        var there = DestinationLookup.Find(config, group.Handle, cluster, pool, $"{group}");
        var volumes = group.RequireMembers($"find the destination of {group}")
            .ToDictionary(member => member.Id, member => DestinationLookup.Find(config, member.Handle, cluster, pool, $"volume {member.Id}").ToString(), StringComparer.Ordinal);
        return new GroupDestination(there, volumes);
    }
}
