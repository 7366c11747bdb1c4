using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Reads and writes the state of a group; whoever writes holds the group's lock. See <see cref="GroupStateKeys"/>.</summary>
/// <param name="pool">Pool and rados namespace of the group.</param>
/// <param name="uuid">The group's uuid.</param>
public sealed class GroupStateObject(RadosPool pool, string uuid)
{
    private static readonly string[] Keys =
    [
        GroupStateKeys.Role, GroupStateKeys.Interval, GroupStateKeys.StartTime, GroupStateKeys.Generation, GroupStateKeys.Failover, GroupStateKeys.FailoverSnapshot,
    ];

    /// <summary>The state; null: the group is not replicated at this site. One read.</summary>
    public async Task<GroupState?> ReadAsync(CancellationToken cancellationToken)
    {
        var keys = await pool.ReadOmapAsync(GroupStateKeys.ObjectOf(uuid), Keys, cancellationToken).ConfigureAwait(false);
        return keys is null ? null : GroupStateKeys.Read(keys);
    }

    /// <summary>Writes role, schedule and forced promotion, in one step; the generation is its taker's.</summary>
    public Task SetAsync(GroupState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        var write = new ObjectWrite().SetOmap(GroupStateKeys.Role, GroupStateKeys.RoleText(state.Role));
        KeyValuePair<string, string?>[] others =
        [
            new(GroupStateKeys.Interval, state.Schedule?.Interval), new(GroupStateKeys.StartTime, state.Schedule?.StartTime),
            new(GroupStateKeys.Failover, state.Failover is { } failover ? GroupStateKeys.TimeText(failover.Since) : null),
            new(GroupStateKeys.FailoverSnapshot, state.Failover?.SnapshotName),
        ];
        write.RemoveOmap([.. others.Where(key => key.Value is null).Select(key => key.Key)]);
        write.SetOmap([.. others.Where(key => key.Value is not null).Select(key => KeyValuePair.Create(key.Key, key.Value!))]);
        return WriteAsync(write);
    }

    /// <summary>Removes all of it; that there is none is no failure.</summary>
    public async Task RemoveAsync()
    {
        try
        {
            await WriteAsync(new ObjectWrite().Remove().EvenIfFull()).ConfigureAwait(false);
        }
        catch (CephException e) when (e.Errno == Errno.ENOENT)
        {
        }
    }

    private Task WriteAsync(ObjectWrite write) => pool.WriteAsync(GroupStateKeys.ObjectOf(uuid), write, CancellationToken.None);
}
