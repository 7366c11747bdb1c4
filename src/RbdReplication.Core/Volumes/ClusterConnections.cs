using System.Collections.Concurrent;
using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// The open connections, one for each combination of monitors, Ceph user and key. A changed key or monitor list makes a new
/// connection; unused ones are closed after <see cref="IdleTime"/>. Callers get open pools, which stay usable while they
/// hold them even if the connection is dropped meanwhile.
/// </summary>
public sealed class ClusterConnections : IAsyncDisposable
{
    /// <summary>A connection that nobody used for this long is closed.</summary>
    public static readonly TimeSpan IdleTime = TimeSpan.FromMinutes(10);

    private static readonly TimeSpan CloseTime = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<Key, Entry> _entries = new();
    private readonly TimeProvider _time;
    private readonly ITimer _sweep;

    /// <summary>Starts without connections.</summary>
    public ClusterConnections(TimeProvider time)
    {
        _time = time;
        _sweep = time.CreateTimer(_ => DropIdle(), null, IdleTime / 2, IdleTime / 2);
    }

    /// <summary>Number of open connections.</summary>
    public int Count => _entries.Count;

    /// <summary>The connection to a cluster.</summary>
    /// <param name="cluster">Monitors and id.</param>
    /// <param name="credentials">Ceph user and key.</param>
    /// <param name="cancellationToken">Ends the wait; the connection attempt goes on for those who come later.</param>
    /// <exception cref="ReplicationException">AccessDenied, Unavailable, or NotConfigured where no monitors are listed; with the cluster's id.</exception>
    public async Task<ClusterConnection> GetAsync(ClusterEntry cluster, CephCredentials credentials, CancellationToken cancellationToken)
    {
        if (cluster.Monitors is not { Count: > 0 })
            throw new ReplicationException(ReplicationError.NotConfigured, $"the cluster configuration lists no monitors for cluster {cluster.ClusterId}");
        var monitors = MonitorsOf(cluster);
        var key = new Key(monitors.ToString(), credentials.User, credentials.Key.Fingerprint);
        var entry = _entries.GetOrAdd(key, key => Connecting(key, monitors, credentials));
        entry.LastUsed = _time.GetTimestamp();
        try
        {
            return await entry.Connection.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (CephException e)
        {
            throw ReplicationException.From(e, $"connect to cluster {cluster.ClusterId} as client.{credentials.User}");
        }
    }

    private static MonitorList MonitorsOf(ClusterEntry cluster)
    {
        try
        {
            return MonitorList.Parse(cluster.Monitors);
        }
        catch (FormatException e)
        {
            throw new ReplicationException(
                ReplicationError.Unavailable, $"monitors of cluster {cluster.ClusterId} in the cluster configuration cannot be used: {e.Message}; correct config.json", e);
        }
    }

    // A failure is for those who wait now, and must not meet who comes later, even if all of these have gone.
    private Entry Connecting(Key key, MonitorList monitors, CephCredentials credentials)
    {
        Entry? entry = null;
        entry = new Entry(async () =>
        {
            try
            {
                return await ConnectAsync(monitors, credentials).ConfigureAwait(false);
            }
            catch
            {
                _entries.TryRemove(new(key, entry!));
                throw;
            }
        });
        return entry;
    }

    /// <summary>Forgets a connection that the cluster has cut off; the next call connects again.</summary>
    public void Drop(ClusterConnection connection)
    {
        foreach (var pair in _entries)
        {
            if (pair.Value.Holds(connection) && _entries.TryRemove(pair))
                _ = connection.ReleaseAsync();
        }
    }

    /// <summary>Makes the next call connect again if <paramref name="failure"/> says that this connection is of no more use.</summary>
    public void DropIfCutOff(ClusterConnection connection, CephException failure)
    {
        if (failure.Errno is Errno.ESHUTDOWN or Errno.ENOTCONN)
            Drop(connection);
    }

    private static async Task<ClusterConnection> ConnectAsync(MonitorList monitors, CephCredentials credentials)
    {
        var options = new RadosConnectionOptions { Monitors = monitors, User = credentials.User, Key = credentials.Key };
        return new ClusterConnection(await RadosCluster.ConnectAsync(options, CancellationToken.None).ConfigureAwait(false));
    }

    private void DropIdle()
    {
        foreach (var pair in _entries)
        {
            if (_time.GetElapsedTime(pair.Value.LastUsed) > IdleTime && _entries.TryRemove(pair))
                _ = pair.Value.Release();
        }
    }

    /// <summary>
    /// Closes all connections and waits a little for it: a process that exits while librados is shutting down is aborted by
    /// its destructors (seen on 16.2). What hangs is left behind.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        await _sweep.DisposeAsync().ConfigureAwait(false);
        var closing = Task.WhenAll(_entries.Where(_entries.TryRemove).Select(pair => pair.Value.Release()).ToList());
        await closing.WaitAsync(CloseTime, _time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private sealed record Key(string Monitors, string User, string KeyHash);

    private sealed class Entry(Func<Task<ClusterConnection>> connect)
    {
        private readonly Lazy<Task<ClusterConnection>> _connection = new(connect);

        public Task<ClusterConnection> Connection => _connection.Value;

        public long LastUsed { get; set; }

        public bool Holds(ClusterConnection connection) => Connection.IsCompletedSuccessfully && ReferenceEquals(Connection.Result, connection);

        public async Task Release()
        {
            // Still connecting, or failed to: the one closes itself, the other has nothing to close.
            if (Connection.IsCompletedSuccessfully)
                await Connection.Result.ReleaseAsync().ConfigureAwait(false);
            else
                _ = Connection.ContinueWith(
                    static connected => connected.Result.ReleaseAsync(),
                    CancellationToken.None, TaskContinuationOptions.OnlyOnRanToCompletion, TaskScheduler.Default);
        }
    }
}
