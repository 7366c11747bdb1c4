using RbdReplication.Ceph.Interop;

namespace RbdReplication.Ceph;

/// <summary>
/// Steps on one object that the OSD applies all together or not at all, in the order they are added. One instance is used
/// for one write.
/// </summary>
public sealed class ObjectWrite
{
    private readonly List<Action<nint>> _steps = [];

    /// <summary>Creates the object. Wraps <c>rados_write_op_create</c>.</summary>
    /// <param name="exclusive">The write fails with EEXIST if the object exists.</param>
    public ObjectWrite Create(bool exclusive) =>
        Add(operation => Librados.WriteOpCreate(operation, exclusive ? Librados.CreateExclusive : 0, 0));

    /// <summary>The write fails with ENOENT unless the object exists. Wraps <c>rados_write_op_assert_exists</c>.</summary>
    public ObjectWrite AssertExists() => Add(Librados.WriteOpAssertExists);

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

    /// <summary>Removes omap entries; absent ones are no error. Wraps <c>rados_write_op_omap_rm_keys2</c>.</summary>
    public unsafe ObjectWrite RemoveOmap(IReadOnlyCollection<string> keys) =>
        Add(operation =>
        {
            using var list = new KeyList(keys);
            Librados.WriteOpOmapRmKeys2(operation, list.Texts, list.Lengths, list.Count);
        });

    /// <summary>Removes the object; ENOENT if there is none. Wraps <c>rados_write_op_remove</c>.</summary>
    public ObjectWrite Remove() => Add(Librados.WriteOpRemove);

    internal async Task ApplyAsync(RadosPool pool, string objectName, CancellationToken cancellationToken)
    {
        var operation = Librados.CreateWriteOp();
        try
        {
            foreach (var step in _steps)
                step(operation);
            await NativeCall.RadosAsync(
                "rados_aio_write_op_operate", pool.SpecOf(objectName), pool.Handle,
                completion => Librados.AioWriteOpOperate(operation, pool.Handle, completion, objectName, 0, 0),
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
