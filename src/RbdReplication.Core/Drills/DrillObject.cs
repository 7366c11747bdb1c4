using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// The object that holds what a drill consists of, <c>rbd-replication.drill.NAME</c>. It is written before anything else of the drill is made, with
/// the uuids that its volumes will have, and removed after everything else, so that whatever is left by a run that was cut off is known by
/// it. Whoever changes the drill holds the lock on it. No secret is ever in it.
/// </summary>
/// <param name="pool">Pool and rados namespace of the drill's sources.</param>
/// <param name="name">Its name.</param>
/// <param name="time">Clock.</param>
internal sealed class DrillObject(RadosPool pool, string name, TimeProvider time)
{
    private const string LockName = "drill";

    private readonly string _owner = Guid.NewGuid().ToString("N");
    private readonly string _objectName = DrillKeys.ObjectOf(name);

    /// <summary>The drill; null: there is none of this name here. One read.</summary>
    /// <exception cref="ReplicationException">Unexpected: it cannot be read.</exception>
    public async Task<Drill?> ReadAsync(CancellationToken cancellationToken)
    {
        var keys = await pool.ListOmapAsync(_objectName, "", cancellationToken).ConfigureAwait(false);
        return keys is null || !keys.ContainsKey(DrillKeys.Name) ? null : DrillKeys.Read(name, keys)
            ?? throw new ReplicationException(
                ReplicationError.Unexpected, $"cannot read {pool.SpecOf(_objectName)}, which another release has written; use that one, or remove the drill's images and this object by hand");
    }

    /// <summary>Writes a new drill down and locks it, in one step; null: there is one of this name already.</summary>
    public async Task<IAsyncDisposable?> BeginAsync(Drill drill, Action onLost)
    {
        try
        {
            await WriteAsync(new ObjectWrite().Create(exclusive: true).SetOmap(DrillKeys.Of(drill)).Lock(LockName, _owner, LockName, HeldLock.Lease)).ConfigureAwait(false);
            return Held(onLost);
        }
        catch (CephException e) when (e.Errno == Errno.EEXIST)
        {
            return null;
        }
    }

    /// <summary>Locks a drill that is there; null: it is gone.</summary>
    /// <exception cref="CephException">EBUSY: another run changes it.</exception>
    public async Task<IAsyncDisposable?> TryLockAsync(Action onLost)
    {
        try
        {
            await WriteAsync(Take()).ConfigureAwait(false);
            return Held(onLost);
        }
        catch (CephException e) when (e.Errno is Errno.ENOENT or Errno.ECANCELED)
        {
            return null;
        }
    }

    /// <summary>Gives the members other points, where those that were chosen are gone.</summary>
    public Task SetMembersAsync(IReadOnlyList<DrillMember> members) => WriteAsync(Take().SetOmap([.. DrillKeys.Of(members)]));

    /// <summary>Says that all of it is made.</summary>
    public Task SetCompleteAsync() => WriteAsync(Take().SetOmap(DrillKeys.Complete, "true"));

    /// <summary>Removes it, and its lock with it.</summary>
    public Task RemoveAsync() => WriteAsync(Take().Remove());

    // The lock is taken again with each write, which fails where it has been lost.
    private ObjectWrite Take() => new ObjectWrite().AssertOmap(DrillKeys.Name, name).Lock(LockName, _owner, LockName, HeldLock.Lease).EvenIfFull();

    private HeldLock Held(Action onLost) =>
        new(pool, _objectName, Take, () => new ObjectWrite().Unlock(LockName, _owner).EvenIfFull(), time, onLost);

    private Task WriteAsync(ObjectWrite write) => pool.WriteAsync(_objectName, write, CancellationToken.None);
}
