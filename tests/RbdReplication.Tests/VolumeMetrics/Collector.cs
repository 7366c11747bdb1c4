using OpenTelemetry;
using OpenTelemetry.Metrics;
using RbdReplication.Core;
using RbdReplication.Csi.VolumeMetrics;

namespace RbdReplication.Tests.VolumeMetrics;

/// <summary>What the SDK would hand to Prometheus, set up as the server sets it up.</summary>
internal sealed class Collector : IDisposable
{
    private readonly Exporter _exporter = new();
    private readonly BaseExportingMetricReader _reader;
    private readonly MeterProvider _provider;

    public Collector(VolumeMetricsOptions options)
    {
        _reader = new BaseExportingMetricReader(_exporter);
        _provider = Sdk.CreateMeterProviderBuilder().AddMeter(VolumeSeries.MeterName)
            .AddView(instrument => VolumeSeries.LimitOf(instrument, options)).AddReader(_reader).Build();
    }

    /// <summary>Name of a series: <c>name{label=value,…}</c>, with the labels in their own order.</summary>
    public static string Key(MetricDeclaration metric, params IEnumerable<string> labels) => Key(metric.Name, labels);

    private static string Key(string name, IEnumerable<string> labels) => $"{name}{{{string.Join(',', labels.Order(StringComparer.Ordinal))}}}";

    /// <summary>The series that a scrape at this moment shows.</summary>
    public IReadOnlyDictionary<string, double> Scrape()
    {
        _exporter.Series.Clear();
        _reader.Collect();
        return new Dictionary<string, double>(_exporter.Series);
    }

    /// <summary>The images that a metric has series for.</summary>
    public IEnumerable<string> Images(MetricDeclaration metric) => Scrape().Keys.Where(key => key.StartsWith(metric.Name + "{", StringComparison.Ordinal))
        .Select(key => key.Split("image=")[1].Split(',')[0]).Distinct().Order(StringComparer.Ordinal);

    public void Dispose() => _provider.Dispose();

    private sealed class Exporter : BaseExporter<Metric>
    {
        public Dictionary<string, double> Series { get; } = [];

        public override ExportResult Export(in Batch<Metric> batch)
        {
            foreach (var metric in batch)
            {
                foreach (ref readonly var point in metric.GetMetricPoints())
                {
                    List<string> labels = [];
                    foreach (var tag in point.Tags)
                        labels.Add($"{tag.Key}={tag.Value}");
                    Series.Add(Key(metric.Name, labels), metric.MetricType switch
                    {
                        MetricType.DoubleGauge => point.GetGaugeLastValueDouble(),
                        MetricType.LongGauge => point.GetGaugeLastValueLong(),
                        _ => point.GetSumLong(),
                    });
                }
            }
            return ExportResult.Success;
        }
    }
}
