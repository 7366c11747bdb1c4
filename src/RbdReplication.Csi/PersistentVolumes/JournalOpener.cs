using System.Collections.Concurrent;
using RbdReplication.Ceph;
using RbdReplication.Core;
using RbdReplication.Kubernetes;
using RbdReplication.Kubernetes.Secrets;

namespace RbdReplication.Csi.PersistentVolumes;

/// <summary>Where a set of mappings lies.</summary>
/// <param name="Settings">The configuration.</param>
/// <param name="ClusterId">Cluster id of the volumes' handles.</param>
/// <param name="Pool">Pool of images.</param>
/// <param name="JournalPool">Pool of the directory object.</param>
/// <param name="OnlySecret">
/// The only Secret that may open it, where several clusters are possible: which of them it is depends on the key; else null.
/// </param>
internal sealed record JournalPlace(ClusterSettings Settings, string ClusterId, string Pool, string JournalPool, ObjectName? OnlySecret)
{
    /// <summary>The configured clusters that volumes with a cluster id may be in, the mapped ones first: the order of ceph-csi's generator.</summary>
    public static IReadOnlyList<ClusterEntry> CandidatesFor(ClusterSettings settings, string clusterId) =>
        [.. Places.CandidatesFor(settings, clusterId).Where(cluster => cluster.Monitors.Count > 0).OrderBy(cluster => cluster.ClusterId == clusterId)];
}

/// <summary>A journal with the connection it was opened through.</summary>
internal sealed record OpenJournal(MappingJournal Journal, ClusterConnection Connection, string ClusterId);

/// <summary>Opens journals with the credentials of Secrets. A failure is remembered for a moment, so that thousands of volumes fail on one attempt.</summary>
/// <param name="connections">Connections to Ceph.</param>
/// <param name="readSecret">Reads a Secret.</param>
/// <param name="forgetSecret">Told when Ceph rejects a Secret's credentials, as they may have been corrected meanwhile.</param>
/// <param name="instanceId">ceph-csi's instance id.</param>
/// <param name="time">The clock.</param>
internal sealed class JournalOpener(
    ClusterConnections connections, Func<ObjectName, CancellationToken, Task<Secret>> readSecret, Action<ObjectName> forgetSecret,
    string instanceId, TimeProvider time)
{
    private const int FailureLimit = 4096;

    private static readonly TimeSpan FailureLifetime = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<(JournalPlace, ObjectName), Failure> _failures = new();
    private readonly Places _places = new(connections, time);

    /// <exception cref="MappingException">Why it cannot be opened.</exception>
    public async Task<OpenJournal> OpenAsync(JournalPlace place, ObjectName secret, CancellationToken cancellationToken)
    {
        var key = (place, secret);
        if (_failures.TryGetValue(key, out var failure))
        {
            if (time.GetElapsedTime(failure.At) < FailureLifetime)
                throw new MappingException(failure.Outcome);
            _failures.TryRemove(new(key, failure));
        }
        try
        {
            return await OpenNowAsync(place, secret, cancellationToken);
        }
        catch (MappingException e)
        {
            // Those of places and Secrets that nobody asks for any more would stay for ever.
            if (_failures.Count >= FailureLimit)
                _failures.Clear();
            _failures[key] = new Failure(e.Outcome, time.GetTimestamp());
            if (e.Outcome.Result is MappingResult.CredentialsRejected or MappingResult.SecretNotFound)
                forgetSecret(secret);
            throw;
        }
    }

    /// <summary>After a failed operation: makes the next one connect anew, or look the pools up again, where that can help.</summary>
    public void Failed(OpenJournal journal, CephException failure)
    {
        if (failure.Errno is Errno.ESHUTDOWN or Errno.ENOTCONN)
            connections.Drop(journal.Connection);
        if (failure.Errno == Errno.ENOENT)
        {
            // Not the object, whose absence is no error: the pool that this handle names is gone.
            journal.Connection.Forget(journal.Journal.ImagePool);
            journal.Connection.Forget(journal.Journal.JournalPool);
        }
    }

    /// <summary>
    /// Everything in a pool that was deleted looks like an object that does not exist. Asks whether the pool is still there.
    /// </summary>
    /// <exception cref="MappingException">It is not, or another one has its name now.</exception>
    public async Task CheckPoolAsync(JournalPlace place, OpenJournal journal, CancellationToken cancellationToken)
    {
        var pool = journal.Journal.ImagePool;
        try
        {
            await using var now = await journal.Connection.Cluster.OpenPoolAsync(place.Pool, pool.Namespace, cancellationToken);
            if (now.Id == pool.Id)
                return;
            journal.Connection.Forget(pool);
        }
        catch (CephException e)
        {
            Failed(journal, e);
            throw MappingException.From(e, $"use pool {place.Pool} of cluster {journal.ClusterId}");
        }
        throw new MappingException(new(MappingResult.Interrupted, $"pool {place.Pool} was replaced by another of the same name"));
    }

    private async Task<OpenJournal> OpenNowAsync(JournalPlace place, ObjectName secret, CancellationToken cancellationToken)
    {
        try
        {
            var credentials = Credentials(await readSecret(secret, cancellationToken));
            var (cluster, connection) = await FindLocalAsync(place, credentials, cancellationToken);
            var pool = await PoolAsync(connection, cluster, place.Pool, cancellationToken);
            var journalPool = place.JournalPool == place.Pool ? pool : await PoolAsync(connection, cluster, place.JournalPool, cancellationToken);
            return new OpenJournal(new MappingJournal(pool, journalPool, instanceId), connection, cluster.ClusterId);
        }
        catch (ReplicationException e)
        {
            throw MappingException.From(e);
        }
        catch (KubernetesApiException e)
        {
            throw MappingException.From(e, secret);
        }
    }

    private async Task<LocalCluster> FindLocalAsync(JournalPlace place, CephCredentials credentials, CancellationToken cancellationToken)
    {
        var candidates = JournalPlace.CandidatesFor(place.Settings, place.ClusterId);
        var found = await _places.FindAsync(candidates, credentials, cancellationToken);
        if (found.Clusters.Count > 0)
            return found.Clusters[0];
        var tried = new TriedPlaces();
        foreach (var passed in found.PassedOver)
            tried.Add(passed.Why);
        throw tried.ToException($"a volume of cluster {place.ClusterId}");
    }

    private async Task<RadosPool> PoolAsync(ClusterConnection connection, ClusterEntry cluster, string name, CancellationToken cancellationToken)
    {
        try
        {
            return await connection.GetPoolAsync(name, cluster.RadosNamespace, cancellationToken);
        }
        catch (CephException e)
        {
            if (e.Errno is Errno.ESHUTDOWN or Errno.ENOTCONN)
                connections.Drop(connection);
            throw ReplicationException.From(e, $"open pool {name} of cluster {cluster.ClusterId}");
        }
    }

    private static CephCredentials Credentials(Secret secret)
    {
        foreach (var field in new[] { CephCredentials.UserField, CephCredentials.KeyField })
        {
            if (!secret.TryGetValue(field, out var value) || string.IsNullOrWhiteSpace(value))
                throw new ReplicationException(ReplicationError.InvalidArgument, $"{secret} has no {field}");
        }
        return CephCredentials.FromSecrets(secret.ToDictionary());
    }

    private sealed record Failure(MappingOutcome Outcome, long At);
}
