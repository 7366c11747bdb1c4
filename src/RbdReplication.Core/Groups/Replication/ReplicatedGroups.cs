namespace RbdReplication.Core;

/// <summary>Keeps calls for single volumes off the members of groups that are replicated as a whole.</summary>
internal static class ReplicatedGroups
{
    /// <summary>
    /// Makes sure that a volume is in no group that is replicated. The RBD group comes with the open image: for one that is in none this is no round
    /// trip, for one that is in a group it is two reads, the group's name and its state.
    /// </summary>
    /// <exception cref="ReplicationException">NotConfigured: it is. No other code is right, since the controller forces a promotion, calls enabling invalid for good, or forgets a volume by those.</exception>
    public static async Task RefuseMemberAsync(OpenVolume open, string operation, CancellationToken cancellationToken)
    {
        if (await FindAsync(open, cancellationToken).ConfigureAwait(false) is { } handle)
        {
            throw open.Refused(
                operation, ReplicationError.NotConfigured,
                $"it belongs to volume group {handle}, which is replicated as a whole; ask it of the group, or take the volume out of that first");
        }
    }

    /// <summary>The group that is replicated and that a volume is in; null: it is in none.</summary>
    public static async Task<VolumeHandle?> FindAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        if (await open.Image.GetGroupAsync(cancellationToken).ConfigureAwait(false) is not { } group || UuidOf(group.Name) is not { } uuid)
            return null;
        var pool = await open.Volume.Connection.GetPoolAsync(group.PoolId, open.Volume.Pool.Namespace, cancellationToken).ConfigureAwait(false);
        return await new GroupStateObject(pool, uuid).ReadAsync(cancellationToken).ConfigureAwait(false) is null
            ? null
            : new VolumeHandle(open.Volume.Cluster.ClusterId, pool.Id, uuid);
    }

    /// <summary>The uuid of the group whose RBD group has this name; null for an RBD group of somebody else.</summary>
    public static string? UuidOf(string groupName) =>
        groupName.Length >= VolumeHandle.UuidLength && groupName[^VolumeHandle.UuidLength..] is var uuid && VolumeHandle.IsUuid(uuid) ? uuid : null;
}
