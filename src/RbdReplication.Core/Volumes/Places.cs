using System.Collections.Concurrent;

namespace RbdReplication.Core;

/// <summary>
/// Which of the clusters that a volume may be in can be this site's. A configuration may list the other site's cluster too, and
/// its image must never be taken for the one here. Two things tell. One that another of them names as its
/// <c>replicationDestination</c>, without naming that back, is the other site's and is not even asked. Of the rest it is the one
/// that accepts the user and key of the call, which Kubernetes keeps for the cluster of its own site; one that cannot be
/// reached is passed over where another one accepts them. Where clusters of two sites accept the same key, nothing is done.
/// </summary>
/// <param name="connections">Connections to clusters.</param>
/// <param name="time">Clock.</param>
public sealed class Places(ClusterConnections connections, TimeProvider time)
{
    // Where one cluster accepts the key, the others are asked again beside the calls, which do not wait for a site that is down.
    private static readonly TimeSpan SilenceLifetime = TimeSpan.FromSeconds(30);

    // librados writes a line to stderr for each denial.
    private static readonly TimeSpan DenialLifetime = TimeSpan.FromMinutes(10);

    // Those of old keys would stay for ever.
    private const int EvidenceLimit = 4096;

    private readonly ConcurrentDictionary<(string Monitors, string User, string Key), Evidence> _evidence = new();

    /// <summary>The configured clusters that a volume with this cluster id in its handle may be in: its own, then those that it is mapped to.</summary>
    public static IReadOnlyList<ClusterEntry> CandidatesFor(ClusterSettings settings, string clusterId) =>
        [.. settings.Mapping.ClustersFor(clusterId).Prepend(clusterId).Distinct(StringComparer.Ordinal).Select(settings.Config.Find).OfType<ClusterEntry>()];

    /// <summary>Those of the clusters that another one of the configuration names as its destination, without being named back.</summary>
    public static IReadOnlyList<PassedOver> OfOtherSites(ClusterConfig config, IEnumerable<ClusterEntry> clusters) =>
        [.. clusters.Select(cluster => (Cluster: cluster, NamedBy: config.Clusters.FirstOrDefault(other => IsDestination(cluster, other))))
            .Where(pair => pair.NamedBy is not null)
            .Select(pair => new PassedOver(pair.Cluster.ClusterId, NamedBy(pair.NamedBy!, pair.Cluster), IsOtherSites: true))];

    /// <summary>Connects to those of the candidates that are this site's.</summary>
    /// <param name="config">All clusters of the configuration.</param>
    /// <param name="candidates">Those in question; a single one that no cluster names as its destination is this site's.</param>
    /// <param name="credentials">Ceph user and key.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ReplicationException">NotConfigured: clusters of two sites accept the credentials.</exception>
    public async Task<LocalClusters> FindAsync(
        ClusterConfig config, IReadOnlyList<ClusterEntry> candidates, CephCredentials credentials, CancellationToken cancellationToken)
    {
        List<PassedOver> passed = [.. OfOtherSites(config, candidates)];
        var possible = candidates.Where(cluster => passed.All(other => other.ClusterId != cluster.ClusterId)).ToList();
        var sites = possible.GroupBy(MonitorsOf).Select(entries => entries.First()).ToList();
        // With a single one there is nothing to tell apart.
        if (sites.Count > 1)
            await TellApartAsync(sites, credentials, cancellationToken).ConfigureAwait(false);

        List<LocalCluster> local = [];
        foreach (var cluster in possible)
        {
            if (sites.Count > 1 && EvidenceOf(cluster, credentials) is { Fsid: null, Refusal: { } refusal })
            {
                passed.Add(new(cluster.ClusterId, refusal, IsOtherSites: false));
                continue;
            }
            try
            {
                local.Add(new(cluster, await connections.GetAsync(cluster, credentials, cancellationToken).ConfigureAwait(false)));
            }
            catch (ReplicationException e)
            {
                passed.Add(new(cluster.ClusterId, e, IsOtherSites: false));
            }
        }
        return new LocalClusters(local, local.Count == 0 ? passed : [.. passed.Select(NotHere)]);
    }

    // Nobody has to correct the key there.
    private static PassedOver NotHere(PassedOver cluster) => cluster.Why.Error == ReplicationError.AccessDenied
        ? new(cluster.ClusterId, new(ReplicationError.NotConfigured, $"cluster {cluster.ClusterId} is the other site's: {cluster.Why.Message}", cluster.Why), IsOtherSites: true)
        : cluster;

    private async Task TellApartAsync(List<ClusterEntry> sites, CephCredentials credentials, CancellationToken cancellationToken)
    {
        var pairs = sites.Select(site => (Site: site, Known: EvidenceOf(site, credentials))).ToList();
        // As long as none accepts the key, every call asks again, as where there is only one cluster.
        var isAccepted = pairs.Any(pair => pair.Known.Fsid is not null);
        await Task.WhenAll(pairs.Where(pair => pair.Known.Fsid is null && (!isAccepted || pair.Known.Refusal is null)).Select(pair => AskAsync(pair.Known, pair.Site, credentials)))
            .WaitAsync(cancellationToken).ConfigureAwait(false);
        foreach (var (site, known) in pairs.Where(pair => pair.Known.Fsid is null && time.GetElapsedTime(pair.Known.At) > LifetimeOf(pair.Known)))
            _ = AskAsync(known, site, credentials);
        var accepting = pairs.Where(pair => pair.Known.Fsid is not null).DistinctBy(pair => pair.Known.Fsid).Select(pair => pair.Site.ClusterId).ToList();
        if (accepting.Count > 1)
        {
            throw new ReplicationException(
                ReplicationError.NotConfigured,
                $"clusters {string.Join(" and ", accepting)} both accept client.{credentials.User} with this key, so it cannot be told which one is this site's; "
                + "take the other site's cluster out of config.json, or name it as the replicationDestination of this site's");
        }
    }

    private static TimeSpan LifetimeOf(Evidence known) =>
        known.Refusal?.Error == ReplicationError.AccessDenied ? DenialLifetime : SilenceLifetime;

    private Evidence EvidenceOf(ClusterEntry cluster, CephCredentials credentials)
    {
        if (_evidence.Count > EvidenceLimit)
            _evidence.Clear();
        return _evidence.GetOrAdd((MonitorsOf(cluster), credentials.User, credentials.Key.Fingerprint), static _ => new Evidence());
    }

    private Task AskAsync(Evidence evidence, ClusterEntry cluster, CephCredentials credentials)
    {
        lock (evidence)
        {
            // Nobody's cancellation ends what others wait for as well.
            if (evidence.Asking is null or { IsCompleted: true })
                evidence.Asking = Task.Run(() => LearnAsync(evidence, cluster, credentials), CancellationToken.None);
            return evidence.Asking;
        }
    }

    private async Task LearnAsync(Evidence evidence, ClusterEntry cluster, CephCredentials credentials)
    {
        try
        {
            evidence.Fsid = (await connections.GetAsync(cluster, credentials, CancellationToken.None).ConfigureAwait(false)).Cluster.GetFsid();
        }
        catch (ReplicationException e)
        {
            evidence.Refusal = e;
        }
        catch (ObjectDisposedException e)
        {
            // Another call found the connection to be of no more use and closed it.
            evidence.Refusal = new ReplicationException(ReplicationError.Unavailable, $"the connection to cluster {cluster.ClusterId} was closed", e);
        }
        evidence.At = time.GetTimestamp();
    }

    private static bool IsDestination(ClusterEntry cluster, ClusterEntry other) =>
        Names(other, cluster) && !Names(cluster, other) && MonitorsOf(other) != MonitorsOf(cluster);

    private static bool Names(ClusterEntry cluster, ClusterEntry other) => cluster.ReplicationDestination?.RemoteClusterId == other.ClusterId;

    private static string MonitorsOf(ClusterEntry cluster) => cluster.MonitorsText;

    private static ReplicationException NamedBy(ClusterEntry other, ClusterEntry cluster) => new(
        ReplicationError.NotConfigured,
        $"cluster {cluster.ClusterId} is the other site's: config.json names it as the replicationDestination of {other.ClusterId}");

    /// <summary>
    /// What is known of a cluster and a key. That it has once accepted the key stays true while it is down: else the other
    /// site's cluster could be taken for it then.
    /// </summary>
    private sealed class Evidence
    {
        public string? Fsid { get; set; }

        public ReplicationException? Refusal { get; set; }

        public long At { get; set; }

        public Task? Asking { get; set; }
    }
}

/// <summary>A cluster of this site.</summary>
/// <param name="Entry">Its entry in the configuration.</param>
/// <param name="Connection">The connection to it.</param>
public sealed record LocalCluster(ClusterEntry Entry, ClusterConnection Connection);

/// <summary>A cluster that is not this site's, or that cannot be told to be.</summary>
/// <param name="ClusterId">Its id.</param>
/// <param name="Why">Why not.</param>
/// <param name="IsOtherSites">Whether it is known to be the other site's.</param>
public sealed record PassedOver(string ClusterId, ReplicationException Why, bool IsOtherSites);

/// <summary>What <see cref="Places"/> made of the candidates.</summary>
/// <param name="Clusters">Those of this site, in the order of the candidates; several entries of one Ceph cluster at most.</param>
/// <param name="PassedOver">The others.</param>
public sealed record LocalClusters(IReadOnlyList<LocalCluster> Clusters, IReadOnlyList<PassedOver> PassedOver);
