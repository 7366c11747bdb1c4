using System.Collections.Concurrent;
using RbdReplication.Core;
using RbdReplication.Kubernetes;
using RbdReplication.Kubernetes.Secrets;

namespace RbdReplication.PersistentVolumes;

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

    /// <exception cref="ReconcileException">Why it cannot be opened.</exception>
    public async Task<OpenJournal> OpenAsync(JournalPlace place, ObjectName secret, CancellationToken cancellationToken)
    {
        ThrowIfFailing((place, null), SilenceLifetime);
        ThrowIfFailing((place, secret), FailureLifetime);
        try
        {
            return await OpenNowAsync(place, secret, cancellationToken);
        }
        catch (ReconcileException e)
        {
            Remember((place, secret), e.Outcome);
            if (e.Outcome.Result is ReconcileResult.CredentialsRejected or ReconcileResult.SecretNotFound)
                forgetSecret(secret);
            throw;
        }
    }

    private void ThrowIfFailing((JournalPlace, ObjectName?) key, TimeSpan lifetime)
    {
        if (!_failures.TryGetValue(key, out var failure))
            return;
        if (time.GetElapsedTime(failure.At) < lifetime)
            throw new ReconcileException(failure.Outcome);
        _failures.TryRemove(new(key, failure));
    }

    private void Remember((JournalPlace, ObjectName?) key, ReconcileOutcome outcome)
    {
        // Those of places and Secrets that nobody asks for any more would stay for ever.
        if (_failures.Count >= FailureLimit)
            _failures.Clear();
        _failures[key] = new Failure(outcome, time.GetTimestamp());
    }

    private async Task<OpenJournal> OpenNowAsync(JournalPlace place, ObjectName secret, CancellationToken cancellationToken)
    {
        try
        {
            var credentials = Credentials(await readSecret(secret, cancellationToken));
            var cluster = await FindLocalAsync(place, credentials, cancellationToken);
            return await OpenJournal.OpenAsync(
                connections, cluster, place.Pool, place.JournalPool, instanceId,
                silence => Remember((place, null), ReconcileException.From(silence).Outcome), cancellationToken);
        }
        catch (ReplicationException e)
        {
            throw ReconcileException.From(e);
        }
        catch (KubernetesApiException e)
        {
            throw ReconcileException.From(e, secret);
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

    private static CephCredentials Credentials(Secret secret)
    {
        foreach (var field in new[] { CephCredentials.UserField, CephCredentials.KeyField })
        {
            if (!secret.TryGetValue(field, out var value) || string.IsNullOrWhiteSpace(value))
                throw new ReplicationException(ReplicationError.InvalidArgument, $"{secret} has no {field}");
        }
        return CephCredentials.FromSecrets(secret.ToDictionary());
    }

    private sealed record Failure(ReconcileOutcome Outcome, long At);
}
