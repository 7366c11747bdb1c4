using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// The CSI journal of a pool, with the connection it was opened through. Failed calls get their meaning here; a connection or
/// a pool that they show to be of no more use is opened again by the next call.
/// </summary>
public sealed class OpenJournal
{
    private readonly ClusterConnections _connections;
    private readonly CsiJournal _journal;
    private readonly Action<ReplicationException> _silent;

    private OpenJournal(
        ClusterConnections connections, LocalCluster cluster, string poolName, CsiJournal journal, GroupJournal groups, Action<ReplicationException> silent)
    {
        _connections = connections;
        _journal = journal;
        _silent = silent;
        Connection = cluster.Connection;
        ClusterId = cluster.Entry.ClusterId;
        PoolName = poolName;
        Groups = groups;
    }

    /// <summary>The connection it was opened through.</summary>
    public ClusterConnection Connection { get; }

    /// <summary>Cluster id, as in <c>config.json</c>.</summary>
    public string ClusterId { get; }

    /// <summary>Name of the pool of images and volume objects, as it was asked for.</summary>
    public string PoolName { get; }

    /// <summary>The entries of the volume groups of the images' pool.</summary>
    public GroupJournal Groups { get; }

    /// <summary>Pool and name of the directory object, for messages.</summary>
    public string DirectorySpec => _journal.DirectorySpec;

    /// <summary>Opens the journal of a pool.</summary>
    /// <param name="connections">Connections to Ceph.</param>
    /// <param name="cluster">The cluster.</param>
    /// <param name="poolName">Pool of images and volume objects.</param>
    /// <param name="journalPoolName">Pool of the directory object; normally the same.</param>
    /// <param name="instanceId">ceph-csi's instance id.</param>
    /// <param name="silent">Told when the cluster does not answer in time.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ReplicationException">NotFound: there is no such pool; AccessDenied, Unavailable.</exception>
    public static async Task<OpenJournal> OpenAsync(
        ClusterConnections connections, LocalCluster cluster, string poolName, string journalPoolName, string instanceId,
        Action<ReplicationException> silent, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(connections);
        ArgumentNullException.ThrowIfNull(cluster);
        var pool = await OpenPoolAsync(connections, cluster, poolName, cancellationToken).ConfigureAwait(false);
        var journalPool = journalPoolName == poolName
            ? pool
            : await OpenPoolAsync(connections, cluster, journalPoolName, cancellationToken).ConfigureAwait(false);
        return new OpenJournal(connections, cluster, poolName, new CsiJournal(pool, journalPool, instanceId), new GroupJournal(pool, instanceId), silent);
    }

    /// <summary>An image or object of the pool as the rbd tool writes it.</summary>
    public string SpecOf(string name) => _journal.ImagePool.SpecOf(name);

    /// <inheritdoc cref="CsiJournal.PlanAsync"/>
    /// <exception cref="ReplicationException">The pool cannot be read; nothing is known then.</exception>
    public async Task<IReadOnlyList<ReservationPlan>> PlanAsync(IReadOnlyList<Reservation> reservations, CancellationToken cancellationToken)
    {
        try
        {
            return await _journal.PlanAsync(reservations, cancellationToken).ConfigureAwait(false);
        }
        catch (CephException e)
        {
            throw Failure(e, "read the journal");
        }
    }

    /// <inheritdoc cref="CsiJournal.ApplyAsync"/>
    /// <returns>For each, how it ended.</returns>
    public async Task<IReadOnlyList<JournalWrite>> ApplyAsync(
        IReadOnlyList<(Reservation Reservation, ReservationPlan.Write Write)> writes, Action beforeWrite)
    {
        var failures = await _journal.ApplyAsync(writes, beforeWrite).ConfigureAwait(false);
        return [.. failures.Select(Judge)];
    }

    /// <summary>Those of the images that exist.</summary>
    /// <exception cref="ReplicationException">The pool cannot be read.</exception>
    public async Task<IReadOnlySet<string>> FindImagesAsync(IReadOnlyCollection<string> imageNames, CancellationToken cancellationToken)
    {
        try
        {
            var ids = await ImageDirectory.ReadIdsAsync(_journal.ImagePool, imageNames, cancellationToken).ConfigureAwait(false);
            return ids.Keys.ToHashSet(StringComparer.Ordinal);
        }
        catch (CephException e)
        {
            throw Failure(e, "look for images");
        }
    }

    /// <summary>
    /// Everything in a pool that was deleted looks like an object that does not exist: asks whether the pool is still there.
    /// </summary>
    /// <returns>False if another one has its name now.</returns>
    /// <exception cref="ReplicationException">NotFound: it is gone. Others: that cannot be told.</exception>
    public async Task<bool> IsPoolCurrentAsync(CancellationToken cancellationToken)
    {
        var pool = _journal.ImagePool;
        try
        {
            var now = await Connection.Cluster.OpenPoolAsync(PoolName, pool.Namespace, cancellationToken).ConfigureAwait(false);
            await using (now.ConfigureAwait(false))
            {
                if (now.Id == pool.Id)
                    return true;
            }
        }
        catch (CephException e)
        {
            Withdraw(e);
            throw ReplicationException.From(e, $"use pool {PoolName} of cluster {ClusterId}");
        }
        Connection.Forget(pool);
        return false;
    }

    /// <summary>
    /// Sets those entries of an image's metadata that differ. A secondary, which gets its metadata from the primary, and an image
    /// that does not exist are left as they are.
    /// </summary>
    /// <param name="imageName">The image.</param>
    /// <param name="prefix">What the keys of all entries begin with.</param>
    /// <param name="entries">What should be.</param>
    /// <param name="beforeWrite">Called before each write; throws when no more may be written.</param>
    /// <param name="cancellationToken">Ends the wait; a write in hand is finished.</param>
    /// <exception cref="ReplicationException">The image cannot be read or written.</exception>
    public async Task SetMetadataAsync(
        string imageName, string prefix, IReadOnlyList<KeyValuePair<string, string>> entries, Action beforeWrite, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(beforeWrite);
        try
        {
            var missing = await MissingMetadataAsync(imageName, prefix, entries, cancellationToken).ConfigureAwait(false);
            if (missing.Count == 0)
                return;
            var image = await RbdImage.OpenAsync(_journal.ImagePool, imageName, readOnly: false, cancellationToken).ConfigureAwait(false);
            await using (image.ConfigureAwait(false))
                await SetMetadataAsync(image, missing, beforeWrite).ConfigureAwait(false);
        }
        catch (CephException e) when (e.Errno == Errno.ENOENT)
        {
        }
        catch (CephException e)
        {
            Withdraw(e);
            throw ReplicationException.From(e, $"set metadata of image {SpecOf(imageName)}");
        }
    }

    // Read-only: that leaves no watcher on the image, and nearly always there is nothing to write.
    private async Task<IReadOnlyList<KeyValuePair<string, string>>> MissingMetadataAsync(
        string imageName, string prefix, IReadOnlyList<KeyValuePair<string, string>> entries, CancellationToken cancellationToken)
    {
        var image = await RbdImage.OpenAsync(_journal.ImagePool, imageName, readOnly: true, cancellationToken).ConfigureAwait(false);
        await using (image.ConfigureAwait(false))
        {
            var present = await image.ListMetadataAsync(prefix, cancellationToken).ConfigureAwait(false);
            return [.. entries.Where(entry => present.GetValueOrDefault(entry.Key) != entry.Value)];
        }
    }

    private static async Task SetMetadataAsync(RbdImage image, IReadOnlyList<KeyValuePair<string, string>> entries, Action beforeWrite)
    {
        try
        {
            foreach (var (key, value) in entries)
            {
                beforeWrite();
                await image.SetMetadataAsync(key, value, CancellationToken.None).ConfigureAwait(false);
            }
        }
        catch (CephException e) when (e.Errno == Errno.EROFS)
        {
        }
    }

    private static async Task<RadosPool> OpenPoolAsync(
        ClusterConnections connections, LocalCluster cluster, string name, CancellationToken cancellationToken)
    {
        try
        {
            return await cluster.Connection.GetPoolAsync(name, cluster.Entry.RadosNamespace, cancellationToken).ConfigureAwait(false);
        }
        catch (CephException e)
        {
            connections.DropIfCutOff(cluster.Connection, e);
            throw ReplicationException.From(e, $"open pool {name} of cluster {cluster.Entry.ClusterId}");
        }
    }

    /// <summary>What a failed call means; the connection or pool that it shows to be of no more use is given up.</summary>
    /// <param name="error">Its failure.</param>
    /// <param name="doing">What was done, to follow "cannot".</param>
    internal ReplicationException Failure(CephException error, string doing)
    {
        Withdraw(error);
        return ReplicationException.From(error, $"{doing} in pool {PoolName} of cluster {ClusterId}");
    }

    private JournalWrite Judge(CephException? error)
    {
        if (error is null)
            return default;
        Withdraw(error);
        return CsiJournal.IsOvertaken(error)
            ? new(IsOvertaken: true, null)
            : new(IsOvertaken: false, ReplicationException.From(error, $"write the journal in pool {PoolName} of cluster {ClusterId}"));
    }

    private void Withdraw(CephException error)
    {
        _connections.DropIfCutOff(Connection, error);
        if (error.Errno == Errno.ETIMEDOUT)
            _silent(ReplicationException.From(error, $"work in pool {PoolName} of cluster {ClusterId}"));
        if (error.Errno == Errno.ENOENT)
        {
            // Not the object, whose absence is no error: the pool that this handle names is gone.
            Connection.Forget(_journal.ImagePool);
            Connection.Forget(_journal.JournalPool);
        }
    }
}
