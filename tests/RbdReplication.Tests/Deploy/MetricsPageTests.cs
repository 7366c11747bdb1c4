using System.Diagnostics.Metrics;
using RbdReplication.Ceph;
using RbdReplication.Core;
using RbdReplication.Csi.Hosting;
using RbdReplication.Csi.VolumeMetrics;
using RbdReplication.PersistentVolumes;
using RbdReplication.Tests.VolumeMetrics;

namespace RbdReplication.Tests.Deploy;

public sealed class MetricsPageTests
{
    private static readonly string Page = Path.Combine(Manifests.Repository, "docs", "metrics.md");

    [Fact]
    public void The_page_is_what_the_code_declares()
    {
        var written = MetricsPage.Write();
        if (Environment.GetEnvironmentVariable(MetricsPage.Variable) is { Length: > 0 })
            File.WriteAllText(Page, written);
        Assert.True(
            File.Exists(Page) && File.ReadAllText(Page) == written,
            $"docs/metrics.md is not what the code declares; to write it again, run this test with {MetricsPage.Variable}=1");
    }

    [Fact]
    public void The_program_has_the_declared_metrics_and_no_others()
    {
        var created = new HashSet<string>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, _) =>
            {
                if (instrument.Meter.Name is CephTelemetry.SourceName or VolumeSeries.MeterName)
                    created.Add($"{instrument.GetType().Name.Split('`')[0].Replace("Observable", "", StringComparison.Ordinal)} {instrument.Name} {instrument.Unit} {instrument.Description}");
            },
        };
        listener.Start();
        System.Runtime.CompilerServices.RuntimeHelpers.RunClassConstructor(typeof(CephTelemetry).TypeHandle);
        using var generator = new GeneratorTelemetry();
        using var serve = new Telemetry(new VolumeGate(TimeProvider.System), new ClusterConnections(TimeProvider.System), TimeProvider.System);
        using var volumes = new VolumeSeries(Listed.Options(maximum: 1), new LastListings(Listed.Interval, TimeProvider.System));
        volumes.Update();
        using var generations = new GenerationLog(Microsoft.Extensions.Logging.Abstractions.NullLogger<GenerationSchedule>.Instance);
        generations.Show(() => []);
        using var points = new PointLog(Microsoft.Extensions.Logging.Abstractions.NullLogger<PointSchedule>.Instance);
        using var readings = new ReadingLog();
        Assert.Equal(
            MetricCatalog.All.Select(metric => $"{metric.Kind} {metric.Name} {metric.Unit} {metric.Description}").Order(StringComparer.Ordinal),
            created.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Every_label_has_a_meaning() =>
        Assert.Equal(MetricCatalog.Labels.Keys.Order(StringComparer.Ordinal), MetricCatalog.All.SelectMany(metric => metric.Labels).Distinct().Order(StringComparer.Ordinal));
}
