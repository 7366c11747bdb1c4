using RbdReplication.Ceph.Interop;

namespace RbdReplication.Ceph;

/// <summary>
/// Steps on one object that the OSD applies all together or not at all, in the order they are added. One instance is used
/// for one write.
/// </summary>
public sealed class ObjectWrite
{
    private const string LockClass = "lock";

    private readonly List<Action<nint>> _steps = [];
    private int _flags;

    /// <summary>Creates the object. Wraps <c>rados_write_op_create</c>.</summary>
    /// <param name="exclusive">The write fails with EEXIST if the object exists.</param>
    public ObjectWrite Create(bool exclusive) =>
        Add(operation => Librados.WriteOpCreate(operation, exclusive ? Librados.CreateExclusive : 0, 0));

    /// <summary>
    /// The write fails with ECANCELED unless <paramref name="key"/> holds <paramref name="value"/>; an empty value stands for
    /// "absent or empty". On a missing object it fails with ENOENT. Wraps <c>rados_write_op_omap_cmp2</c>.
    /// </summary>
    public unsafe ObjectWrite AssertOmap(string key, string value) =>
        Add(operation =>
        {
            using var texts = new KeyList([key, value]);
            Librados.WriteOpOmapCmp2(operation, texts.Texts[0], Librados.CompareEqual, texts.Texts[1], texts.Lengths[0], texts.Lengths[1], null);
        });

    /// <summary>Sets omap entries, and creates the object if it is missing. Wraps <c>rados_write_op_omap_set2</c>.</summary>
    public unsafe ObjectWrite SetOmap(IReadOnlyCollection<KeyValuePair<string, string>> entries) =>
        Add(operation =>
        {
            using var keys = new KeyList(entries.Select(entry => entry.Key));
            using var values = new KeyList(entries.Select(entry => entry.Value));
            Librados.WriteOpOmapSet2(operation, keys.Texts, values.Texts, keys.Lengths, values.Lengths, keys.Count);
        });

    /// <summary>Sets one omap entry.</summary>
    public ObjectWrite SetOmap(string key, string value) => SetOmap([new(key, value)]);

    /// <summary>
    /// Gives an omap entry that is no text another value; the write fails with ECANCELED unless it holds the one before. Wraps <c>rados_write_op_omap_cmp2</c> and
    /// <c>rados_write_op_omap_set2</c>.
    /// </summary>
    public unsafe ObjectWrite ReplaceOmap(string key, byte[] before, byte[] value) =>
        Add(operation =>
        {
            using var keys = new KeyList([key]);
            fixed (byte* old = before)
            fixed (byte* bytes = value)
            {
                Librados.WriteOpOmapCmp2(operation, keys.Texts[0], Librados.CompareEqual, old, keys.Lengths[0], (nuint)before.Length, null);
                var (first, length) = ((nint)bytes, (nuint)value.Length);
                Librados.WriteOpOmapSet2(operation, keys.Texts, (byte**)&first, keys.Lengths, &length, keys.Count);
            }
        });

    /// <summary>Removes omap entries; one that is not there is no failure. Wraps <c>rados_write_op_omap_rm_keys2</c>.</summary>
    public unsafe ObjectWrite RemoveOmap(IReadOnlyCollection<string> keys) =>
        Add(operation =>
        {
            using var list = new KeyList(keys);
            Librados.WriteOpOmapRmKeys2(operation, list.Texts, list.Lengths, list.Count);
        });

    /// <summary>Removes the object; ENOENT if there is none. Wraps <c>rados_write_op_remove</c>.</summary>
    public ObjectWrite Remove() => Add(Librados.WriteOpRemove);

    /// <summary>
    /// Takes a lock that runs out by the OSD's clock, or takes it again if it is this connection's with the same cookie; creates
    /// the object if it is missing. The write fails with EBUSY while somebody else has it. The lock is one of
    /// <c>rados_lock_exclusive</c>, as a step: that call has a form of its own only.
    /// </summary>
    /// <param name="name">Name of the lock.</param>
    /// <param name="cookie">Tells this holder from others of the same connection.</param>
    /// <param name="description">What <c>rados lock info</c> shows.</param>
    /// <param name="lease">How long it lasts.</param>
    public ObjectWrite Lock(string name, string cookie, string description, TimeSpan lease) =>
        Execute(LockClass, "lock", LockRequests.Lock(name, cookie, description, lease));

    /// <summary>Gives a lock back, as <c>rados_unlock</c> does. The write fails with ENOENT if it is not held, or no longer.</summary>
    public ObjectWrite Unlock(string name, string cookie) => Execute(LockClass, "unlock", LockRequests.Unlock(name, cookie));

    /// <summary>The write takes a little room in a full pool too, for what may free some.</summary>
    public ObjectWrite EvenIfFull()
    {
        _flags |= Librados.OperationFullForce;
        return this;
    }

    /// <summary>Calls a method of an object class that the OSDs have. Wraps <c>rados_write_op_exec</c>.</summary>
    /// <param name="objectClass">Name of the class, for example <c>rbd</c>.</param>
    /// <param name="method">Name of the method.</param>
    /// <param name="input">Its input, encoded as Ceph does.</param>
    public unsafe ObjectWrite Execute(string objectClass, string method, byte[] input) =>
        Add(operation =>
        {
            // librados copies the input before it returns.
            fixed (byte* bytes = input)
                Librados.WriteOpExec(operation, objectClass, method, bytes, (nuint)input.Length, null);
        });

    internal async Task ApplyAsync(RadosPool pool, string objectName, CancellationToken cancellationToken)
    {
        var operation = Librados.CreateWriteOp();
        try
        {
            foreach (var step in _steps)
                step(operation);
            await NativeCall.RunAsync(
                ClientLibrary.Rados, "rados_aio_write_op_operate", pool.SpecOf(objectName), pool.Handle,
                completion => Librados.AioWriteOpOperate(operation, pool.Handle, completion, objectName, 0, _flags),
                cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            Librados.ReleaseWriteOp(operation);
        }
    }

    private ObjectWrite Add(Action<nint> step)
    {
        _steps.Add(step);
        return this;
    }
}
