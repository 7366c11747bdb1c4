using RbdReplication.Ceph.Interop;

namespace RbdReplication.Ceph;

/// <summary>A pool, or one rados namespace in it. Safe for concurrent use. Wraps <c>rados_ioctx_t</c>.</summary>
public sealed class RadosPool : IAsyncDisposable
{
    internal RadosPool(RadosCluster cluster, PoolHandle handle, long id, string name, string radosNamespace)
    {
        Cluster = cluster;
        Handle = handle;
        Id = id;
        Name = name;
        Namespace = radosNamespace;
    }

    /// <summary>The connection this pool was opened through.</summary>
    public RadosCluster Cluster { get; }

    /// <summary>Pool number.</summary>
    public long Id { get; }

    /// <summary>Pool name.</summary>
    public string Name { get; }

    /// <summary>Rados namespace; empty for the default one.</summary>
    public string Namespace { get; }

    internal PoolHandle Handle { get; }

    /// <summary>An image or object of this pool as <c>pool/name</c> or <c>pool/namespace/name</c>, as the rbd tool writes it.</summary>
    public string SpecOf(string name) => Namespace.Length == 0 ? $"{Name}/{name}" : $"{Name}/{Namespace}/{name}";

    /// <summary>
    /// Reads omap keys by name in one operation; keys that do not exist are missing in the answer. Null: no such object.
    /// Wraps <c>rados_read_op_omap_get_vals_by_keys2</c>.
    /// </summary>
    /// <param name="objectName">The object.</param>
    /// <param name="keys">Keys to read; thousands are fine, they travel in one request.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task<IReadOnlyDictionary<string, string>?> ReadOmapAsync(
        string objectName, IReadOnlyCollection<string> keys, CancellationToken cancellationToken) =>
        OmapRead.RunAsync(this, objectName, OmapRead.Text, OmapRead.Of(keys), cancellationToken).WaitAsync(cancellationToken);

    /// <summary>Reads one omap value that is no text. Null: no such object or key. Wraps <c>rados_read_op_omap_get_vals_by_keys2</c>.</summary>
    public async Task<byte[]?> ReadOmapValueAsync(string objectName, string key, CancellationToken cancellationToken)
    {
        var entries = await OmapRead.RunAsync(this, objectName, OmapRead.Bytes, OmapRead.Of([key]), cancellationToken).WaitAsync(cancellationToken).ConfigureAwait(false);
        return entries?.GetValueOrDefault(key);
    }

    /// <summary>
    /// Reads all omap entries whose keys begin with <paramref name="prefix"/>, a thousand at a time; what is written meanwhile may be in the answer or
    /// not. Null: no such object. Wraps <c>rados_read_op_omap_get_vals2</c>.
    /// </summary>
    public Task<IReadOnlyDictionary<string, string>?> ListOmapAsync(string objectName, string prefix, CancellationToken cancellationToken) =>
        OmapRead.AllAsync(this, objectName, OmapRead.Text, prefix, cancellationToken).WaitAsync(cancellationToken);

    /// <summary>The same where values are no text.</summary>
    public Task<IReadOnlyDictionary<string, byte[]>?> ListOmapBytesAsync(string objectName, string prefix, CancellationToken cancellationToken) =>
        OmapRead.AllAsync(this, objectName, OmapRead.Bytes, prefix, cancellationToken).WaitAsync(cancellationToken);

    /// <summary>
    /// Reads the first omap entries whose keys begin with <paramref name="prefix"/>, in one operation, for whoever needs no more of them. Null: no such
    /// object. Wraps <c>rados_read_op_omap_get_vals2</c>.
    /// </summary>
    /// <param name="objectName">The object.</param>
    /// <param name="prefix">What the keys begin with.</param>
    /// <param name="maximum">How many are read, where there are as many.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task<IReadOnlyDictionary<string, byte[]>?> ReadFirstOmapAsync(string objectName, string prefix, int maximum, CancellationToken cancellationToken) =>
        OmapRead.RunAsync(this, objectName, OmapRead.Bytes, OmapRead.After("", prefix, maximum), cancellationToken).WaitAsync(cancellationToken);

    /// <summary>Applies all steps of <paramref name="write"/> in one atomic operation. Wraps <c>rados_aio_write_op_operate</c>.</summary>
    /// <exception cref="CephException">
    /// EEXIST: an exclusive create met an existing object. ENOENT: the object had to exist. ECANCELED: a comparison did not
    /// hold. In each case nothing was changed.
    /// </exception>
    public Task WriteAsync(string objectName, ObjectWrite write, CancellationToken cancellationToken) =>
        write.ApplyAsync(this, objectName, cancellationToken).WaitAsync(cancellationToken);

    /// <summary>Closes the pool once the images opened in it are closed.</summary>
    public ValueTask DisposeAsync()
    {
        Handle.Dispose();
        return new ValueTask(Handle.Closed);
    }

    /// <summary>As <see cref="DisposeAsync"/>, without waiting.</summary>
    public void Release() => Handle.Dispose();

    /// <summary>Keeps the pool usable until the result is disposed, whoever closes it meanwhile.</summary>
    public IDisposable Hold() => Handle.Hold();
}
