using System.Diagnostics.Metrics;
using RbdReplication.Core;

namespace RbdReplication.PersistentVolumes;

/// <summary>The generator's instruments; what is measured now is asked of the source that is set while this process leads.</summary>
public sealed class GeneratorTelemetry : IDisposable
{
    private readonly Meter _meter = new(CephMetrics.SourceName);
    private readonly Counter<long> _outcomes;
    private readonly Histogram<double> _batchDuration;
    private volatile VolumeMapController? _readings;

    /// <summary>Creates the instruments.</summary>
    public GeneratorTelemetry()
    {
        _outcomes = GeneratorMetrics.Reconciles.Counter(_meter);
        _batchDuration = GeneratorMetrics.SyncDuration.Histogram(_meter);
        Observe(GeneratorMetrics.Leader, readings => readings is null ? 0 : 1);
        Observe(GeneratorMetrics.Volumes, readings => readings?.Volumes ?? 0);
        Observe(GeneratorMetrics.QueueDepth, readings => readings?.QueueDepth ?? 0);
        Observe(GeneratorMetrics.BackingOff, readings => readings?.BackingOff ?? 0);
        GeneratorMetrics.Failing.Observe(
            _meter, () => (_readings?.Failing ?? []).Select(f => new Measurement<int>(f.Value, new KeyValuePair<string, object?>("reason", f.Key.ToString()))));
        Observe(GeneratorMetrics.WatchRestarts, readings => readings?.WatchRestarts ?? 0);
        Observe(GeneratorMetrics.EventsDropped, readings => readings?.EventsDropped ?? 0);
    }

    internal void Observe(VolumeMapController? readings) => _readings = readings;

    internal void CountOutcome(ReconcileResult result) => _outcomes.Add(1, new KeyValuePair<string, object?>("outcome", result.ToString()));

    internal void RecordBatch(TimeSpan duration) => _batchDuration.Record(duration.TotalSeconds);

    /// <summary>Removes the instruments.</summary>
    public void Dispose() => _meter.Dispose();

    private void Observe(MetricDeclaration metric, Func<VolumeMapController?, long> read) => metric.Observe(_meter, () => read(_readings));
}
