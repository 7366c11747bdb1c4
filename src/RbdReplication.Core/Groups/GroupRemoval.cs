using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Removing a group: the RBD group first, then what the journal says of it, so that a call that was cut off leaves what the next one finds.</summary>
internal static class GroupRemoval
{
    /// <summary>Removes it; the caller holds the group's lock.</summary>
    public static async Task RunAsync(VolumeGroup group, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        try
        {
            await group.RbdGroup.RemoveAsync(CancellationToken.None).ConfigureAwait(false);
        }
        catch (CephException e) when (e.Errno == Errno.ENOENT)
        {
        }
        cancellationToken.ThrowIfCancellationRequested();
        await new GroupStateObject(group.Pool, group.Entry.Uuid).RemoveAsync().ConfigureAwait(false);
        await group.Journal.RemoveAsync(group.Entry).ConfigureAwait(false);
    }
}
