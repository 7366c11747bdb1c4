using System.Diagnostics.Metrics;
using RbdReplication.Ceph;
using RbdReplication.Csi.Hosting;

namespace RbdReplication.Csi.PersistentVolumes;

/// <summary>The generator's instruments; what is measured now is asked of the source that is set while this process leads.</summary>
internal sealed class GeneratorTelemetry : IDisposable
{
    private readonly Meter _meter = new(CephTelemetry.SourceName);
    private readonly Counter<long> _outcomes;
    private readonly Histogram<double> _batchDuration;
    private volatile VolumeMapController? _readings;

    public GeneratorTelemetry()
    {
        _outcomes = MetricCatalog.GeneratorReconciles.Counter(_meter);
        _batchDuration = MetricCatalog.GeneratorSyncDuration.Histogram(_meter);
        Observe(MetricCatalog.GeneratorLeader, readings => readings is null ? 0 : 1);
        Observe(MetricCatalog.GeneratorVolumes, readings => readings?.Volumes ?? 0);
        Observe(MetricCatalog.GeneratorQueueDepth, readings => readings?.QueueDepth ?? 0);
        Observe(MetricCatalog.GeneratorBackingOff, readings => readings?.BackingOff ?? 0);
        MetricCatalog.GeneratorFailing.Observe(
            _meter, () => (_readings?.Failing ?? []).Select(f => new Measurement<int>(f.Value, new KeyValuePair<string, object?>("reason", f.Key.ToString()))));
        Observe(MetricCatalog.GeneratorWatchRestarts, readings => readings?.WatchRestarts ?? 0);
        Observe(MetricCatalog.GeneratorEventsDropped, readings => readings?.EventsDropped ?? 0);
    }

    public void Observe(VolumeMapController? readings) => _readings = readings;

    public void CountOutcome(MappingResult result) => _outcomes.Add(1, new KeyValuePair<string, object?>("outcome", result.ToString()));

    public void RecordBatch(TimeSpan duration) => _batchDuration.Record(duration.TotalSeconds);

    public void Dispose() => _meter.Dispose();

    private void Observe(MetricDeclaration metric, Func<VolumeMapController?, long> read) => metric.Observe(_meter, () => read(_readings));
}
