using System.Globalization;
using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Reads and writes the state of a group; whoever writes holds the group's lock. See <see cref="GroupStateKeys"/>.</summary>
/// <param name="pool">Pool and rados namespace of the group.</param>
/// <param name="uuid">The group's uuid.</param>
public sealed class GroupStateObject(RadosPool pool, string uuid)
{
    private const string LeaseName = "generations";

    private static readonly string[] Keys =
    [
        GroupStateKeys.Role, GroupStateKeys.Interval, GroupStateKeys.StartTime, GroupStateKeys.MaximumHold, GroupStateKeys.Generation, GroupStateKeys.Taken,
        GroupStateKeys.TakenAt, .. FailoverKeys(""), .. FailoverKeys(GroupStateKeys.Last),
    ];

    private readonly string _owner = Guid.NewGuid().ToString("N");

    /// <summary>The state; null: the group is not replicated at this site. One read.</summary>
    public async Task<GroupState?> ReadAsync(CancellationToken cancellationToken)
    {
        var keys = await pool.ReadOmapAsync(GroupStateKeys.ObjectOf(uuid), Keys, cancellationToken).ConfigureAwait(false);
        return keys is null ? null : GroupStateKeys.Read(keys);
    }

    /// <summary>Writes role, schedule and forced promotion, in one step; the generations are their taker's.</summary>
    public Task SetAsync(GroupState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        var write = new ObjectWrite().SetOmap(GroupStateKeys.Role, GroupStateKeys.RoleText(state.Role));
        KeyValuePair<string, string?>[] others =
        [
            new(GroupStateKeys.Interval, state.Schedule?.Interval), new(GroupStateKeys.StartTime, state.Schedule?.StartTime),
            new(GroupStateKeys.MaximumHold, NumberText((long)state.MaximumHold.TotalMilliseconds)),
            .. Pairs("", state.Failover), .. Pairs(GroupStateKeys.Last, state.LastFailover),
        ];
        write.RemoveOmap([.. others.Where(key => key.Value is null).Select(key => key.Key)]);
        write.SetOmap([.. others.Where(key => key.Value is not null).Select(key => KeyValuePair.Create(key.Key, key.Value!))]);
        return WriteAsync(write);
    }

    private static string[] FailoverKeys(string prefix) => [.. Pairs(prefix, null).Select(pair => pair.Key)];

    private static KeyValuePair<string, string?>[] Pairs(string prefix, GroupFailover? failover) =>
    [
        new(prefix + GroupStateKeys.Failover, failover is null ? null : GroupStateKeys.TimeText(failover.Since)),
        new(prefix + GroupStateKeys.FailoverSnapshot, failover?.SnapshotName),
        new(prefix + GroupStateKeys.FailoverLeft, failover?.LeftBehind is { } number ? NumberText(number) : null),
        new(prefix + GroupStateKeys.FailoverTakenBy, failover?.TakenBy is { } takenBy ? GroupStateKeys.TimeText(takenBy) : null),
    ];

    /// <summary>
    /// Keeps other servers from taking a generation, until it is given back or for <see cref="HeldLock.Lease"/> after this server was killed. Null:
    /// one of them is taking it, or none is to be taken any more.
    /// </summary>
    internal async Task<IAsyncDisposable?> TryLeaseAsync(TimeProvider time)
    {
        ObjectWrite Take() => IfPrimary().Lock(LeaseName, _owner, LeaseName, HeldLock.Lease);
        try
        {
            await WriteAsync(Take()).ConfigureAwait(false);
        }
        catch (CephException e) when (e.Errno is Errno.EBUSY or Errno.ENOENT or Errno.ECANCELED)
        {
            return null;
        }
        // Losing it does no harm: a number is given once.
        return new HeldLock(pool, GroupStateKeys.ObjectOf(uuid), Take, () => new ObjectWrite().Unlock(LeaseName, _owner), time, onLost: () => { });
    }

    /// <summary>Gives a generation its number, before it is begun.</summary>
    /// <exception cref="CephException">ECANCELED, ENOENT: the group is not primary any more.</exception>
    internal Task GiveNumberAsync(long number) => WriteAsync(IfPrimary().SetOmap(GroupStateKeys.Generation, NumberText(number)));

    /// <summary>Says that the generation which was due is taken.</summary>
    /// <exception cref="CephException">ECANCELED, ENOENT: the group is not primary any more.</exception>
    internal Task SetTakenAsync(long number, DateTimeOffset begun) => WriteAsync(
        IfPrimary().SetOmap([new(GroupStateKeys.Taken, NumberText(number)), new(GroupStateKeys.TakenAt, GroupStateKeys.TimeText(begun))]));

    private static string NumberText(long number) => number.ToString(CultureInfo.InvariantCulture);

    private static ObjectWrite IfPrimary() => new ObjectWrite().AssertOmap(GroupStateKeys.Role, GroupStateKeys.RoleText(WantedRole.Primary));

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
