using System.Diagnostics.Metrics;
using RbdReplication.Core;

namespace RbdReplication.PersistentVolumes;

/// <summary>The generator's instruments; what is measured now is asked of the source that is set while this process leads.</summary>
public sealed class GeneratorTelemetry : IDisposable
{
    private readonly Meter _meter = new(CephMetrics.SourceName);
    private readonly Counter<long> _outcomes;
    private readonly Counter<long> _groupOutcomes;
    private readonly Histogram<double> _batchDuration;
    private volatile GeneratorTerm? _readings;

    /// <summary>Creates the instruments.</summary>
    public GeneratorTelemetry()
    {
        _outcomes = GeneratorMetrics.Reconciles.Counter(_meter);
        _groupOutcomes = GeneratorMetrics.GroupReconciles.Counter(_meter);
        _batchDuration = GeneratorMetrics.SyncDuration.Histogram(_meter);
        Observe(GeneratorMetrics.Leader, readings => readings is null ? 0 : 1);
        Observe(GeneratorMetrics.Volumes, readings => readings?.Volumes.Volumes ?? 0);
        Observe(GeneratorMetrics.QueueDepth, readings => readings?.QueueDepth ?? 0);
        Observe(GeneratorMetrics.BackingOff, readings => readings is null ? 0 : readings.Volumes.BackingOff + readings.Groups.BackingOff);
        GeneratorMetrics.Failing.Observe(_meter, () => ByReason(_readings?.Volumes.Failing));
        Observe(GeneratorMetrics.Groups, readings => readings?.Groups.Groups ?? 0);
        GeneratorMetrics.GroupsFailing.Observe(_meter, () => ByReason(_readings?.Groups.Failing));
        Observe(GeneratorMetrics.WatchRestarts, readings => readings is null ? 0 : readings.Volumes.WatchRestarts + readings.Groups.WatchRestarts);
        Observe(GeneratorMetrics.EventsDropped, readings => readings?.Volumes.EventsDropped ?? 0);
    }

    internal void Observe(GeneratorTerm? readings) => _readings = readings;

    internal void CountOutcome(ReconcileResult result) => _outcomes.Add(1, new KeyValuePair<string, object?>("outcome", result.ToString()));

    internal void CountGroupOutcome(ReconcileResult result) => _groupOutcomes.Add(1, new KeyValuePair<string, object?>("outcome", result.ToString()));

    internal void RecordBatch(TimeSpan duration) => _batchDuration.Record(duration.TotalSeconds);

    /// <summary>Removes the instruments.</summary>
    public void Dispose() => _meter.Dispose();

    private static IEnumerable<Measurement<int>> ByReason(IEnumerable<KeyValuePair<ReconcileResult, int>>? failing) =>
        (failing ?? []).Select(f => new Measurement<int>(f.Value, new KeyValuePair<string, object?>("reason", f.Key.ToString())));

    private void Observe(MetricDeclaration metric, Func<GeneratorTerm?, long> read) => metric.Observe(_meter, () => read(_readings));
}
