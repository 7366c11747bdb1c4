using System.Collections.Concurrent;
using RbdReplication.Core;
using RbdReplication.Kubernetes;

namespace RbdReplication.PersistentVolumes;

/// <summary>The journal of one place, opened with the Secret of each volume that needs it.</summary>
internal sealed class OpenedJournals(JournalOpener opener, JournalPlace place)
{
    // Each costs a request to the API server.
    private const int ParallelSecrets = 16;

    private readonly ConcurrentDictionary<ObjectName, OpenJournal> _opened = new();
    private readonly ConcurrentDictionary<ObjectName, ReconcileOutcome> _failures = new();

    /// <summary>The journal as it was opened with a Secret; null if it was not.</summary>
    public OpenJournal? With(ObjectName secret) => _opened.GetValueOrDefault(secret);

    /// <summary>Why the journal could not be opened with a Secret, or with another one if this was not tried after that.</summary>
    public ReconcileOutcome FailureOf(ObjectName secret) => _failures.TryGetValue(secret, out var own) ? own : _failures.Values.First();

    /// <summary>The journal, opened with the first Secret that works; null if none does.</summary>
    public async Task<OpenJournal?> OpenAnyAsync(IEnumerable<ObjectName> secrets, CancellationToken cancellationToken)
    {
        foreach (var secret in secrets.Distinct())
        {
            if (await TryOpenAsync(secret, cancellationToken))
                return _opened[secret];
            // Other credentials would not help, only take as long again.
            if (_failures[secret].Result is ReconcileResult.CephUnreachable or ReconcileResult.ApiServerUnreachable)
                break;
        }
        return null;
    }

    /// <summary>Opens the journal with each of the Secrets that was not tried before.</summary>
    public Task OpenAllAsync(IEnumerable<ObjectName> secrets, CancellationToken cancellationToken) =>
        Parallel.ForEachAsync(
            secrets.Distinct().Where(secret => !_opened.ContainsKey(secret) && !_failures.ContainsKey(secret)),
            new ParallelOptions { MaxDegreeOfParallelism = ParallelSecrets, CancellationToken = cancellationToken },
            async (secret, token) => await TryOpenAsync(secret, token));

    private async Task<bool> TryOpenAsync(ObjectName secret, CancellationToken cancellationToken)
    {
        try
        {
            _opened[secret] = await opener.OpenAsync(place, secret, cancellationToken);
            return true;
        }
        catch (ReconcileException e)
        {
            _failures[secret] = e.Outcome;
            return false;
        }
    }
}
