using System.Diagnostics.Metrics;

namespace RbdReplication.Core;

/// <summary>A metric: the program creates its instrument from this, and <c>docs/metrics.md</c> is written from it.</summary>
/// <param name="Name">OpenTelemetry name.</param>
/// <param name="Kind">Kind of instrument.</param>
/// <param name="Unit">Unit by the UCUM, or what is counted in braces.</param>
/// <param name="Description">What it tells.</param>
/// <param name="Labels">Its labels.</param>
public sealed record MetricDeclaration(string Name, MetricKind Kind, string Unit, string Description, params IReadOnlyList<string> Labels)
{
    /// <summary>Bounds in seconds for what takes as long as a call.</summary>
    public static IReadOnlyList<double> CallBuckets { get; } = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

    /// <summary>Bounds of a histogram's buckets.</summary>
    public IReadOnlyList<double> Buckets { get; init; } = [];

    /// <summary>Under which name Prometheus gets it; of a histogram, without <c>_bucket</c>, <c>_sum</c> and <c>_count</c>.</summary>
    public string PrometheusName => PrometheusForm(Name) + Unit switch
    {
        "s" => "_seconds",
        "By" => "_bytes",
        _ => "",
    } + (Kind == MetricKind.Counter ? "_total" : "");

    /// <summary>A name as Prometheus takes it.</summary>
    public static string PrometheusForm(string name) => name.Replace('.', '_');

    /// <summary>Creates the instrument of a distribution.</summary>
    public Histogram<double> Histogram(Meter meter) =>
        meter.CreateHistogram(Name, Unit, Description, advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = Buckets });

    /// <summary>Creates the instrument of what is counted as it happens.</summary>
    public Counter<long> Counter(Meter meter) => meter.CreateCounter<long>(Name, Unit, Description);

    /// <summary>Creates the instrument of what is looked at when it is asked for.</summary>
    public void Observe(Meter meter, Func<long> value) => Observe<long>(meter, () => [new Measurement<long>(value())]);

    /// <inheritdoc cref="Observe(Meter, Func{long})"/>
    public void Observe<T>(Meter meter, Func<IEnumerable<Measurement<T>>> values) where T : struct
    {
        _ = Kind switch
        {
            MetricKind.Counter => (Instrument)meter.CreateObservableCounter(Name, values, Unit, Description),
            MetricKind.UpDownCounter => meter.CreateObservableUpDownCounter(Name, values, Unit, Description),
            _ => meter.CreateObservableGauge(Name, values, Unit, Description),
        };
    }
}
