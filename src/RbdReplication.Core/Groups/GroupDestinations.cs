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
        Dictionary<string, string> volumes = new(StringComparer.Ordinal);
        foreach (var key in group.Entry.Members)
        {
            if (!VolumeHandle.TryParse(key, out var handle, out var problem))
                throw new ReplicationException(ReplicationError.Unavailable, $"cannot find the destination of {group}: its member \"{key}\" is not a volume handle of ceph-csi: {problem}; ModifyVolumeGroupMembership with the right list removes it");
            volumes[key] = DestinationLookup.Find(config, handle, cluster, pool, $"volume {key}").ToString();
        }
        return new GroupDestination(there, volumes);
    }
}
