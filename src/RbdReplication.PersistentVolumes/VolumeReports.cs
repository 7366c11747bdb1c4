using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using RbdReplication.Kubernetes.Events;
using RbdReplication.Kubernetes.Volumes;

namespace RbdReplication.PersistentVolumes;

/// <summary>
/// Tells people about volumes without a mapping: one warning in the log when it begins, an Event on the volume, one Normal
/// Event when it is over. Only volumes that fail are remembered.
/// </summary>
internal sealed class VolumeReports(
    EventRecorder events, GeneratorTelemetry telemetry, TimeProvider time, ILogger<VolumeMapController> logger)
{
    private const int CommonLimit = 256;

    private static readonly TimeSpan CommonInterval = TimeSpan.FromMinutes(5);

    private readonly ConcurrentDictionary<Guid, ReconcileResult> _failing = new();
    private readonly ConcurrentDictionary<ReconcileOutcome, long> _common = new();

    /// <summary>Volumes that fail now, by result.</summary>
    public IEnumerable<KeyValuePair<ReconcileResult, int>> Failing =>
        _failing.Values.GroupBy(result => result).Select(group => KeyValuePair.Create(group.Key, group.Count()));

    /// <summary>Whether volumes fail for a reason that the success of another one of the same Secret ends.</summary>
    public bool AreOthersWaiting => _failing.Values.Any(result =>
        result is ReconcileResult.SecretNotFound or ReconcileResult.CredentialsRejected or ReconcileResult.CephUnreachable or ReconcileResult.ApiServerUnreachable);

    /// <summary>Reports what became of a volume this time.</summary>
    public void Report(PersistentVolume volume, ReconcileOutcome outcome)
    {
        telemetry.CountOutcome(outcome.Result);
        var id = VolumeId.Of(volume);
        if (outcome.IsGood)
        {
            Succeeded(volume, id, outcome);
            return;
        }
        if (outcome.Result == ReconcileResult.Interrupted)
            return;
        var known = _failing.TryGetValue(id, out var before) && before == outcome.Result;
        _failing[id] = outcome.Result;
        if (!outcome.IsOfVolume)
        {
            ReportCommon(outcome);
            return;
        }
        if (!known)
            Log.VolumeFails(logger, volume.Name, volume.VolumeHandle ?? "", outcome.Result, outcome.Message);
        events.Warning(volume, outcome.Result.ToString(), outcome.Message);
    }

    /// <summary>Forgets a volume that is gone.</summary>
    public void Forget(Guid id) => _failing.TryRemove(id, out _);

    /// <summary>Not a line for each of ten thousand volumes: what it has to say is the same for all.</summary>
    private void ReportCommon(ReconcileOutcome outcome)
    {
        if (_common.TryGetValue(outcome, out var last) && time.GetElapsedTime(last) < CommonInterval)
            return;
        if (_common.Count >= CommonLimit)
            _common.Clear();
        _common[outcome] = time.GetTimestamp();
        Log.CommonFailure(logger, outcome.Result, outcome.Message);
    }

    private void Succeeded(PersistentVolume volume, Guid id, ReconcileOutcome outcome)
    {
        if (outcome.Result != ReconcileResult.Unchanged)
            Log.VolumeMapped(logger, volume.Name, volume.VolumeHandle ?? "", outcome.Result);
        if (!_failing.TryRemove(id, out var before))
            return;
        if (new ReconcileOutcome(before).IsOfVolume)
        {
            Log.VolumeRecovered(logger, volume.Name, volume.VolumeHandle ?? "", before);
            events.Normal(volume, nameof(ReconcileResult.Mapped), "the volume's image can be found by the CSI driver now");
        }
    }
}
