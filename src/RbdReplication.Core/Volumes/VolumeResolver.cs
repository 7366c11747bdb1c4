using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// Finds the image of a volume handle: its place by <see cref="HandleSearch"/>, journal record by key, image by name. No search among volumes, so
/// the cost does not depend on how many there are.
/// </summary>
/// <param name="files">Cluster configuration.</param>
/// <param name="places">Tells which clusters are this site's.</param>
/// <param name="connections">Connections to clusters.</param>
/// <param name="pools">Gets the pools that images were found in.</param>
public sealed class VolumeResolver(ClusterFiles files, Places places, ClusterConnections connections, PoolsInUse pools)
{
    private readonly HandleSearch _search = new(files, places, connections);

    /// <summary>Opens the image of a volume, for looking at it.</summary>
    /// <param name="handle">The volume.</param>
    /// <param name="credentials">Ceph user and key.</param>
    /// <param name="cancellationToken">Ends the wait; whatever opens later is closed again.</param>
    /// <exception cref="ReplicationException">
    /// NotFound: the image is gone, in a place that is known to be the right one. NotConfigured, Unavailable and AccessDenied
    /// as well name every place that was tried.
    /// </exception>
    public async Task<OpenVolume> OpenAsync(VolumeHandle handle, CephCredentials credentials, CancellationToken cancellationToken) =>
        (await OpenUnlessAsync(handle, credentials, Never, cancellationToken).ConfigureAwait(false))!;

    /// <summary>The same, unless what is known of the volume before it is open makes that needless: then null.</summary>
    /// <inheritdoc cref="OpenAsync"/>
    internal Task<OpenVolume?> OpenUnlessAsync(
        VolumeHandle handle, CephCredentials credentials, Func<Volume, Task<bool>> isNeedless, CancellationToken cancellationToken) =>
        FindAsync(handle, credentials, (cluster, pool) => OpenAtAsync(handle, cluster, pool, credentials, isNeedless, cancellationToken), cancellationToken);

    /// <summary>Opens the image of a volume, unless something is known of it that makes this needless.</summary>
    /// <param name="handle">The volume.</param>
    /// <param name="credentials">Ceph user and key.</param>
    /// <param name="look">What is known of the volume at a place; null: the image is to be opened there.</param>
    /// <param name="cancellationToken">Ends the wait; whatever opens later is closed again.</param>
    /// <returns>What is known, or else the open volume.</returns>
    /// <inheritdoc cref="OpenAsync" path="/exception"/>
    internal Task<(T? Known, OpenVolume? Open)> LookAsync<T>(
        VolumeHandle handle, CephCredentials credentials, Func<LocalCluster, RadosPool, Task<T?>> look, CancellationToken cancellationToken) where T : class =>
        FindAsync<(T?, OpenVolume?)>(
            handle, credentials,
            async (cluster, pool) =>
            {
                if (await look(cluster, pool).ConfigureAwait(false) is not { } known)
                    return (null, await OpenAtAsync(handle, cluster, pool, credentials, Never, cancellationToken).ConfigureAwait(false));
                pools.Note(cluster.Entry.ClusterId, pool, credentials);
                return (known, null);
            }, cancellationToken);

    private static Task<bool> Never(Volume volume) => Task.FromResult(false);

    private Task<T> FindAsync<T>(VolumeHandle handle, CephCredentials credentials, Func<LocalCluster, RadosPool, Task<T>> look, CancellationToken cancellationToken) =>
        _search.FindAsync($"volume {handle}", handle, credentials, look, pool => IsInAsync(pool, handle.Uuid, cancellationToken), cancellationToken);

    private async Task<OpenVolume?> OpenAtAsync(
        VolumeHandle handle, LocalCluster cluster, RadosPool pool, CephCredentials credentials, Func<Volume, Task<bool>> isNeedless, CancellationToken cancellationToken)
    {
        var (entry, connection) = cluster;
        var place = $"the journal entry of volume {handle} in {pool.SpecOf("")}";
        try
        {
            var record = await JournalEntry.ReadAsync(pool, handle.Uuid, cancellationToken).ConfigureAwait(false);
            var volume = new Volume(handle, entry, connection, pool, record);
            place = volume.ToString();
            if (await isNeedless(volume).ConfigureAwait(false))
            {
                pools.Note(entry.ClusterId, pool, credentials);
                return null;
            }
            var image = await RbdImage.OpenAsync(pool, volume.ImageName, readOnly: true, cancellationToken).ConfigureAwait(false);
            pools.Note(entry.ClusterId, pool, credentials);
            return new OpenVolume(volume, image);
        }
        catch (CephException e)
        {
            DropIfCutOff(connection, e);
            throw ReplicationException.From(e, $"open {place} (cluster {entry.ClusterId})");
        }
    }

    private static async Task<bool> IsInAsync(RadosPool pool, string uuid, CancellationToken cancellationToken)
    {
        var record = await JournalEntry.ReadAsync(pool, uuid, cancellationToken).ConfigureAwait(false);
        return record.RequestName is not null
            || (await ImageDirectory.ReadIdsAsync(pool, [record.ImageNameOr(uuid)], cancellationToken).ConfigureAwait(false)).Count > 0;
    }

    /// <summary>Makes the next call connect again if <paramref name="failure"/> says that this connection is of no more use.</summary>
    public void DropIfCutOff(ClusterConnection connection, CephException failure) => connections.DropIfCutOff(connection, failure);
}
