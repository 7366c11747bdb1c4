using System.Diagnostics.Metrics;
using RbdReplication.Ceph;

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
        _outcomes = _meter.CreateCounter<long>(
            "rbd_replication.omap_generator.reconciles", "{volume}", "Volumes that were checked, by outcome.");
        _batchDuration = _meter.CreateHistogram(
            "rbd_replication.omap_generator.sync.duration", "s", "Duration of the check of one batch of volumes.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60] });
        Gauge("rbd_replication.omap_generator.leader", "{leader}", "1 while this process keeps the mappings, else 0.", r => r is null ? 0 : 1);
        Gauge("rbd_replication.omap_generator.volumes", "{volume}", "Volumes of the driver that the API server has.", r => r?.Volumes ?? 0);
        Gauge("rbd_replication.omap_generator.queue.depth", "{volume}", "Volumes that wait to be checked.", r => r?.QueueDepth ?? 0);
        Gauge("rbd_replication.omap_generator.queue.backing_off", "{volume}", "Volumes that failed and wait for their next try.", r => r?.BackingOff ?? 0);
        _meter.CreateObservableGauge(
            "rbd_replication.omap_generator.volumes.failing",
            () => (_readings?.Failing ?? []).Select(f => new Measurement<int>(f.Value, new KeyValuePair<string, object?>("reason", f.Key.ToString()))),
            "{volume}", "Volumes without a mapping, by reason.");
        _meter.CreateObservableCounter(
            "rbd_replication.omap_generator.watch.restarts", () => _readings?.WatchRestarts ?? 0, "{restart}", "Watches that broke and lists that had to be repeated.");
        _meter.CreateObservableCounter(
            "rbd_replication.omap_generator.events.dropped", () => _readings?.EventsDropped ?? 0, "{event}", "Kubernetes Events that could not be written.");
    }

    public void Observe(VolumeMapController? readings) => _readings = readings;

    public void CountOutcome(MappingResult result) => _outcomes.Add(1, new KeyValuePair<string, object?>("outcome", result.ToString()));

    public void RecordBatch(TimeSpan duration) => _batchDuration.Record(duration.TotalSeconds);

    public void Dispose() => _meter.Dispose();

    private void Gauge(string name, string unit, string description, Func<VolumeMapController?, int> read) =>
        _meter.CreateObservableGauge(name, () => read(_readings), unit, description);
}
