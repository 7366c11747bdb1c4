using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Shows the replicated groups of a pool: one read more for each, and only where it is asked for an open of each member.</summary>
/// <param name="cluster">The cluster.</param>
/// <param name="connection">The connection to it.</param>
/// <param name="pool">Pool and rados namespace.</param>
/// <param name="opensMembers">Whether to tell what a forced promotion would return to, which the members' snapshots alone show.</param>
/// <param name="time">Clock.</param>
internal sealed class GroupLister(ClusterEntry cluster, ClusterConnection connection, RadosPool pool, bool opensMembers, TimeProvider time)
{
    /// <summary>Shows them.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="images">The mirrored images of the pool.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<IReadOnlyList<GroupStatus>> RunAsync(IReadOnlyList<ListedGroup> groups, IReadOnlyList<ImageStatus> images, CancellationToken cancellationToken)
    {
        if (groups.Count == 0)
            return [];
        var byUuid = images.Where(image => image.VolumeUuid is not null).ToLookup(image => image.VolumeUuid, StringComparer.OrdinalIgnoreCase);
        List<GroupStatus> statuses = [];
        foreach (var group in groups)
        {
            var entry = await GroupJournal.ReadAsync(pool, group.Uuid, cancellationToken).ConfigureAwait(false);
            var returnPoint = opensMembers && entry is not null && group.State.Failover is null ? await ReadReturnPointAsync(group, entry, cancellationToken).ConfigureAwait(false) : null;
            IReadOnlyList<ImageStatus> members = [.. entry?.Volumes.SelectMany(volume => byUuid[volume.Uuid]) ?? []];
            var status = GroupStatus.Of(
                new VolumeHandle(cluster.ClusterId, pool.Id, group.Uuid), entry?.RequestName ?? group.RbdGroupName, pool.Name, pool.Namespace,
                entry?.Members.Count ?? group.ImageIds.Count, [.. members.Select(member => member.Health)], group.State, returnPoint, time.GetUtcNow());
            statuses.Add(status with { Failover = FailoverSafety.Of(status, members) });
        }
        return statuses;
    }

    private async Task<ReturnPoint?> ReadReturnPointAsync(ListedGroup group, GroupEntry entry, CancellationToken cancellationToken)
    {
        var known = await KnownMembers.ReadAsync(pool, [.. entry.Volumes.Select(handle => new GroupMember($"{handle}", handle))], cancellationToken).ConfigureAwait(false);
        if (known.Count == 0)
            return null;
        if (known.FirstOrDefault(member => member.ImageId is null) is { } missing)
            return new ReturnPoint(null, ReplicationHealth.Error, $"the image of volume {missing.Member.Id} is missing");
        var members = await Task.WhenAll(known.Select(member => MemberSnapshots.ReadAsync(pool, member.ImageId!, cancellationToken))).ConfigureAwait(false);
        if (group.State.Role == WantedRole.Secondary)
            return FailoverRules.ReturnPoint(members);
        var sites = await connection.GetSitesAsync(pool, cancellationToken).ConfigureAwait(false);
        var held = GenerationRules.HeldBy(group.Uuid, members, sites.FollowerUuids, group.State.PartedAt);
        return new ReturnPoint(held, held is null ? ReplicationHealth.Degraded : ReplicationHealth.Healthy, GroupInfo.AtPeer(held, members.Length));
    }
}
