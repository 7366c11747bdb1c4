using System.Collections.Concurrent;
using RbdReplication.Ceph;
using RbdReplication.Core;
using RbdReplication.Kubernetes;
using RbdReplication.Kubernetes.Secrets;

namespace RbdReplication.PersistentVolumes;

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

/// <summary>A journal with the connection it was opened through, and where it lies.</summary>
internal sealed record OpenJournal(MappingJournal Journal, ClusterConnection Connection, string ClusterId, JournalPlace Place);

/// <summary>Opens journals with the credentials of Secrets. A failure is remembered for a moment, so that thousands of volumes fail on one attempt.</summary>
/// <param name="connections">Connections to Ceph.</param>
/// <param name="places">Tells which cluster is this site's.</param>
/// <param name="readSecret">Reads a Secret.</param>
/// <param name="forgetSecret">Told when Ceph rejects a Secret's credentials, as they may have been corrected meanwhile.</param>
/// <param name="instanceId">ceph-csi's instance id.</param>
/// <param name="time">The clock.</param>
internal sealed class JournalOpener(
    ClusterConnections connections, Places places, Func<ObjectName, CancellationToken, Task<Secret>> readSecret, Action<ObjectName> forgetSecret,
    string instanceId, TimeProvider time)
{
    private const int FailureLimit = 4096;

    private static readonly TimeSpan FailureLifetime = TimeSpan.FromSeconds(1);

    // Each try costs half a minute where OSDs are frozen; the volumes that wait behind it are told at once for so long.
    private static readonly TimeSpan SilenceLifetime = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<(JournalPlace Place, ObjectName? Secret), Failure> _failures = new();

    /// <exception cref="MappingException">Why it cannot be opened.</exception>
    public async Task<OpenJournal> OpenAsync(JournalPlace place, ObjectName secret, CancellationToken cancellationToken)
    {
        ThrowIfFailing((place, null), SilenceLifetime);
        ThrowIfFailing((place, secret), FailureLifetime);
        try
        {
            return await OpenNowAsync(place, secret, cancellationToken);
        }
        catch (MappingException e)
        {
            Remember((place, secret), e.Outcome);
            if (e.Outcome.Result is MappingResult.CredentialsRejected or MappingResult.SecretNotFound)
                forgetSecret(secret);
            throw;
        }
    }

    private void ThrowIfFailing((JournalPlace, ObjectName?) key, TimeSpan lifetime)
    {
        if (!_failures.TryGetValue(key, out var failure))
            return;
        if (time.GetElapsedTime(failure.At) < lifetime)
            throw new MappingException(failure.Outcome);
        _failures.TryRemove(new(key, failure));
    }

    private void Remember((JournalPlace, ObjectName?) key, MappingOutcome outcome)
    {
        // Those of places and Secrets that nobody asks for any more would stay for ever.
        if (_failures.Count >= FailureLimit)
            _failures.Clear();
        _failures[key] = new Failure(outcome, time.GetTimestamp());
    }

    /// <summary>After a failed operation: makes the next one connect anew, or look the pools up again, where that can help.</summary>
    public void Failed(OpenJournal journal, CephException failure)
    {
        if (failure.Errno is Errno.ESHUTDOWN or Errno.ENOTCONN)
            connections.Drop(journal.Connection);
        if (failure.Errno == Errno.ETIMEDOUT)
            Remember((journal.Place, null), MappingException.From(failure, $"work in pool {journal.Place.Pool} of cluster {journal.ClusterId}").Outcome);
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
    public async Task CheckPoolAsync(OpenJournal journal, CancellationToken cancellationToken)
    {
        var place = journal.Place;
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
            return new OpenJournal(new MappingJournal(pool, journalPool, instanceId), connection, cluster.ClusterId, place);
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
        var found = await places.FindAsync(place.Settings.Config, candidates, credentials, cancellationToken);
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
