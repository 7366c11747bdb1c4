using System.Diagnostics.Metrics;
using RbdReplication.Core;

namespace RbdReplication.Csi.Hosting;

/// <summary>Tells metrics of the readings of pools, and where the replication infos came from.</summary>
internal sealed class ReadingLog : IDisposable
{
    private readonly Meter _meter = new(CephMetrics.SourceName);
    private readonly Histogram<double> _duration;
    private readonly Histogram<double> _age;
    private readonly Counter<long> _infos;

    public ReadingLog()
    {
        _duration = MetricCatalog.ReadingDuration.Histogram(_meter);
        _age = MetricCatalog.ReadingAge.Histogram(_meter);
        _infos = MetricCatalog.Infos.Counter(_meter);
    }

    public void Read(TimeSpan duration, string? failure)
    {
        if (failure is null)
            _duration.Record(duration.TotalSeconds);
        else
            _duration.Record(duration.TotalSeconds, new KeyValuePair<string, object?>("error.type", failure));
    }

    public void Answered(InfoSource source, TimeSpan age)
    {
        _infos.Add(1, new KeyValuePair<string, object?>("source", source.ToString()));
        if (source == InfoSource.Reading)
            _age.Record(age.TotalSeconds);
    }

    public void Dispose() => _meter.Dispose();
}
