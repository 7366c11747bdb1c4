using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using RbdReplication.Kubernetes;
using RbdReplication.Kubernetes.Events;

namespace RbdReplication.PersistentVolumes;

/// <summary>
/// Tells people about objects without a mapping: one warning in the log when it begins, an Event on the object, one Normal
/// Event when it is over. Only objects that fail are remembered.
/// </summary>
internal sealed class MappingReports(EventRecorder events, MappingWords words, TimeProvider time, ILogger logger)
{
    private const int CommonLimit = 256;

    private static readonly TimeSpan CommonInterval = TimeSpan.FromMinutes(5);

    private readonly ConcurrentDictionary<Guid, ReconcileResult> _failing = new();
    private readonly ConcurrentDictionary<ReconcileOutcome, long> _common = new();

    /// <summary>Objects that fail now, by result.</summary>
    public IEnumerable<KeyValuePair<ReconcileResult, int>> Failing =>
        _failing.Values.GroupBy(result => result).Select(group => KeyValuePair.Create(group.Key, group.Count()));

    /// <summary>Whether objects fail for a reason that the success of another one of the same Secret ends.</summary>
    public bool AreOthersWaiting => _failing.Values.Any(result =>
        result is ReconcileResult.SecretNotFound or ReconcileResult.CredentialsRejected or ReconcileResult.CephUnreachable or ReconcileResult.ApiServerUnreachable);

    /// <summary>Reports what became of an object this time.</summary>
    /// <param name="involved">The object.</param>
    /// <param name="handle">The handle that it has, for messages.</param>
    /// <param name="outcome">What became of it.</param>
    public void Report(ObjectReference involved, string? handle, ReconcileOutcome outcome)
    {
        words.Count(outcome.Result);
        var id = involved.Id;
        if (outcome.IsGood)
        {
            Succeeded(involved, id, handle ?? "", outcome);
            return;
        }
        if (outcome.Result == ReconcileResult.Interrupted)
            return;
        var known = _failing.TryGetValue(id, out var before) && before == outcome.Result;
        _failing[id] = outcome.Result;
        if (!outcome.IsOfObject)
        {
            ReportCommon(outcome);
            return;
        }
        if (!known)
            words.Fails(logger, involved.Name, handle ?? "", outcome);
        events.Warning(involved, outcome.Result.ToString(), outcome.Message);
    }

    /// <summary>Forgets an object that is gone.</summary>
    public void Forget(Guid id) => _failing.TryRemove(id, out _);

    /// <summary>Not a line for each of ten thousand objects: what it has to say is the same for all.</summary>
    private void ReportCommon(ReconcileOutcome outcome)
    {
        if (_common.TryGetValue(outcome, out var last) && time.GetElapsedTime(last) < CommonInterval)
            return;
        if (_common.Count >= CommonLimit)
            _common.Clear();
        _common[outcome] = time.GetTimestamp();
        Log.CommonFailure(logger, outcome.Result, outcome.Message);
    }

    private void Succeeded(ObjectReference involved, Guid id, string handle, ReconcileOutcome outcome)
    {
        if (outcome.Result != ReconcileResult.Unchanged)
            words.Mapped(logger, involved.Name, handle, outcome.Result);
        if (!_failing.TryRemove(id, out var before))
            return;
        if (new ReconcileOutcome(before).IsOfObject)
        {
            words.Recovered(logger, involved.Name, handle, before);
            events.Normal(involved, nameof(ReconcileResult.Mapped), words.Recovery);
        }
    }
}
