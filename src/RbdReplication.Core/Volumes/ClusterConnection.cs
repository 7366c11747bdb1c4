using System.Collections.Concurrent;
using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>A connection with the pools that were opened through it. Pools are opened once and shared.</summary>
public sealed class ClusterConnection
{
    // Site names change when an admin renames a site: rarely, and a stale name in a message for a minute does no harm.
    private static readonly TimeSpan SitesLifetime = TimeSpan.FromMinutes(1);

    // The monitors have this site's name, which is for messages only: what needs nothing else of them does not wait for it.
    private static readonly TimeSpan NamePatience = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<(long Id, string Namespace), Lazy<Task<RadosPool>>> _pools = new();
    private readonly ConcurrentDictionary<(string Name, string Namespace), long> _poolIds = new();
    private readonly ConcurrentDictionary<long, CachedSites> _sites = new();

    internal ClusterConnection(RadosCluster cluster) => Cluster = cluster;

    /// <summary>Turns of the images that give space back: each has a thread, so that none waits for one with its image open.</summary>
    internal SemaphoreSlim ReclaimTurns { get; } = new(RadosCluster.MaximumReclaims);

    /// <summary>The connection itself.</summary>
    public RadosCluster Cluster { get; }

    /// <summary>A pool by its number.</summary>
    /// <exception cref="CephException">ENOENT: no such pool.</exception>
    public async Task<RadosPool> GetPoolAsync(long id, string radosNamespace, CancellationToken cancellationToken)
    {
        var key = (id, radosNamespace);
        return await _pools.GetOrAdd(key, Opening).Value.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    // A failure is for those who wait now, and must not meet who comes later, even if all of these have gone.
    private Lazy<Task<RadosPool>> Opening((long Id, string Namespace) key)
    {
        Lazy<Task<RadosPool>>? opening = null;
        opening = new(async () =>
        {
            try
            {
                return await Cluster.OpenPoolAsync(key.Id, key.Namespace, CancellationToken.None).ConfigureAwait(false);
            }
            catch
            {
                _pools.TryRemove(new(key, opening!));
                throw;
            }
        });
        return opening;
    }

    /// <summary>A pool by its name.</summary>
    /// <exception cref="CephException">ENOENT: no such pool.</exception>
    public async Task<RadosPool> GetPoolAsync(string name, string radosNamespace, CancellationToken cancellationToken)
    {
        if (!_poolIds.TryGetValue((name, radosNamespace), out var id))
        {
            var pool = await Cluster.OpenPoolAsync(name, radosNamespace, cancellationToken).ConfigureAwait(false);
            _poolIds[(name, radosNamespace)] = id = pool.Id;
            pool.Release();
        }
        return await GetPoolAsync(id, radosNamespace, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Names of this site and of the pool's peers, at most a minute old.</summary>
    public async Task<MirrorSites> GetSitesAsync(RadosPool pool, CancellationToken cancellationToken) =>
        _sites.TryGetValue(pool.Id, out var cached) && TimeProvider.System.GetElapsedTime(cached.ReadAt) < SitesLifetime
            ? cached.Sites
            : await ReadSitesAsync(pool, cancellationToken).ConfigureAwait(false);

    /// <summary>The same as it is now.</summary>
    public async Task<MirrorSites> ReadSitesAsync(RadosPool pool, CancellationToken cancellationToken)
    {
        // Peers are kept in the pool's default namespace.
        var root = await GetPoolAsync(pool.Id, "", cancellationToken).ConfigureAwait(false);
        var asked = Cluster.GetMirrorSiteNameAsync(cancellationToken);
        var peers = await new PoolMirroring(root).ListPeersAsync(cancellationToken).ConfigureAwait(false);
        var isAnswered = await Task.WhenAny(asked, Task.Delay(NamePatience, cancellationToken)).ConfigureAwait(false) == asked;
        var local = isAnswered ? await asked.ConfigureAwait(false) : _sites.GetValueOrDefault(pool.Id)?.Sites.Local;
        var sites = new MirrorSites(local is null || local == Cluster.GetFsid() ? "this site" : local, peers);
        _sites[pool.Id] = new CachedSites(sites, TimeProvider.System.GetTimestamp());
        return sites;
    }

    /// <summary>Forgets a pool, for one that was deleted or renamed.</summary>
    public void Forget(RadosPool pool)
    {
        if (_pools.TryRemove((pool.Id, pool.Namespace), out _))
            pool.Release();
        foreach (var entry in _poolIds.Where(entry => entry.Value == pool.Id))
            _poolIds.TryRemove(entry);
        _sites.TryRemove(pool.Id, out _);
    }

    /// <summary>Closes the connection and its pools once nobody uses them; ends when they are closed.</summary>
    internal Task ReleaseAsync()
    {
        foreach (var pool in _pools.Values)
        {
            if (pool is { IsValueCreated: true, Value.IsCompletedSuccessfully: true })
                pool.Value.Result.Release();
        }
        return Cluster.DisposeAsync().AsTask();
    }

    private sealed record CachedSites(MirrorSites Sites, long ReadAt);
}

/// <summary>The sites that mirror a pool, by name.</summary>
/// <param name="Local">Name of this site, or "this site" where the Ceph user may not read it.</param>
/// <param name="Peers">The peers of the pool.</param>
public sealed record MirrorSites(string Local, IReadOnlyList<MirrorPeerSite> Peers)
{
    /// <summary>Name of the site that wrote a status; its uuid if the pool does not know it.</summary>
    public string NameOf(string mirrorUuid) =>
        mirrorUuid.Length == 0 ? Local
        : Peers.FirstOrDefault(peer => peer.MirrorUuid == mirrorUuid) is { } peer ? peer.SiteName
        : Peers.Count == 1 ? Peers[0].SiteName
        : mirrorUuid;

    /// <summary>Whether the pool has peers that copy from this site.</summary>
    public bool HaveFollowers => FollowerUuids.Count > 0;

    /// <summary>Ids of the peers that copy from this site, as mirror snapshots name them.</summary>
    public IReadOnlyCollection<string> FollowerUuids => [.. Peers.Where(peer => peer.Direction != MirrorPeerDirection.Receive).Select(peer => peer.Uuid)];

    /// <summary>
    /// The peers that copy from this site. Of several only those count whose daemon reports this image: one whose site is
    /// gone stays on the snapshots for ever. Where none reports they all count.
    /// </summary>
    public IReadOnlyCollection<MirrorPeerSite> FollowersOf(MirrorGlobalStatus status)
    {
        var followers = Peers.Where(peer => peer.Direction != MirrorPeerDirection.Receive).ToList();
        var alive = followers.Where(peer => IsAlive(peer, status)).ToList();
        return followers.Count > 1 && alive.Count > 0 ? alive : followers;
    }

    /// <summary>Peers that do not report this image while another does.</summary>
    public IReadOnlyList<MirrorPeerSite> AbsentOf(MirrorGlobalStatus status) =>
        Peers.Any(peer => IsAlive(peer, status)) ? [.. Peers.Where(peer => !IsAlive(peer, status))] : [];

    private static bool IsAlive(MirrorPeerSite peer, MirrorGlobalStatus status) =>
        status.Peers.Any(report => report.IsUp && report.MirrorUuid == peer.MirrorUuid);

    /// <summary>Names of all peers, for messages.</summary>
    public string PeerNames => Peers.Count == 0 ? "no peer" : string.Join(", ", Peers.Select(peer => peer.SiteName));
}
