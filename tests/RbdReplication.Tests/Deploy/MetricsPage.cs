using System.Text;
using RbdReplication.Core;
using RbdReplication.Csi.Hosting;

namespace RbdReplication.Tests.Deploy;

/// <summary>Writes <c>docs/metrics.md</c> from the metrics that the program declares.</summary>
internal static class MetricsPage
{
    public const string Variable = "RBD_REPLICATION_WRITE_DOCS";

    private const string Start = $"""
        # Metrics

        Written from `src/RbdReplication.Csi/Hosting/MetricCatalog.cs`; a test compares it. To write it again, run the test with
        `{Variable}=1`:

        ```
        {Variable}=1 tests/RbdReplication.Tests/bin/Debug/net10.0/RbdReplication.Tests \
          -class RbdReplication.Tests.Deploy.MetricsPageTests
        ```

        Prometheus finds them at `/metrics`: port 8080 of `serve`, 8081 of the generator. With `OTEL_EXPORTER_OTLP_ENDPOINT` set they
        go to a collector as well. Of a histogram Prometheus gets `_bucket`, `_sum` and `_count`. Alerts and a dashboard are in
        [deploy/monitoring](../deploy/monitoring).

        """;

    private const string Replication = """
        Each pool is listed once in `--volume-metrics-interval` (60 s; 0 switches these metrics off), whoever asks for them and
        however often. A listing takes one call for 1024 images, opens none, and reads a PersistentVolume's name once in the life of
        its image; a group costs four small reads, the drills of a pool one, and a secondary image one after each sync, for its points. A scrape reads the last listing and never waits for Ceph.

        - `serve` has no credentials of its own. It lists the pools in which RPCs have found volumes since it started, with the key
          that the last of them brought: after a restart a pool shows with the first call for one of its volumes, and it vanishes
          when it is taken out of `config.json` or no call has come for 24 hours.
        - Pools are listed independently: one in a cluster that hangs delays neither the others nor a scrape. A listing that fails is
          counted and logged once. Series are shown until three intervals after the listing that they come from, then they vanish;
          `rbd_replication_volume_listing_timestamp_seconds` stays, and tells the age.
        - `--max-volume-series` (5000) volumes have series of their own, each one of every metric named `volume` here, and one for each
          state of role and health. Over all pools the worst come first: error, degraded, unknown, healthy.
          `rbd_replication_volumes_left_out` tells how many have none; `rbd_replication_volumes` counts them all.
        - Both sites show a volume, each from its own view. Where a site is primary, figures come from the peer's mirror daemon; its
          report is up to 30 s old.

        **Role and health have one series for each state**, 1 for the present one and 0 for the others, as OpenTelemetry's conventions
        do it for states (`k8s.pod.status.phase`, `hw.status`: an up-down counter each). An alert then reads `{health="error"} == 1` and not `== 3`;
        `avg_over_time` is the part of the time that a volume was in a state; and a change of state ends no series. With only the
        present state shown, the old one would still count as 1 for five minutes where metrics come through OTLP and nobody marks the
        end of a series. The price is seven series for a volume instead of two.

        """;

    public static string Write()
    {
        var page = new StringBuilder(Start);
        Add(page, "Replication of volumes (`serve`)", Replication, MetricCatalog.Replication);
        Add(page, "Calls and operations (`serve`)", "", MetricCatalog.Calls);
        Add(page, "Volume groups (`serve --volume-groups`)", "", MetricCatalog.Groups);
        Add(page, "Ceph (both)", "", MetricCatalog.Ceph);
        Add(page, "Omap generator", "", MetricCatalog.Generator);
        page.Append("\n## Labels\n\n| label | meaning |\n|---|---|\n");
        foreach (var (label, meaning) in MetricCatalog.Labels)
            page.Append($"| `{MetricDeclaration.PrometheusForm(label)}` | {meaning} |\n");
        return page.ToString();
    }

    private static void Add(StringBuilder page, string title, string text, IReadOnlyList<MetricDeclaration> metrics)
    {
        page.Append($"\n## {title}\n\n{text}");
        if (text.Length > 0)
            page.Append('\n');
        page.Append("| Prometheus | OpenTelemetry | labels | meaning |\n|---|---|---|---|\n");
        foreach (var metric in metrics)
        {
            var labels = metric.Labels.Count == 0 ? "none" : string.Join(", ", metric.Labels.Select(label => $"`{MetricDeclaration.PrometheusForm(label)}`"));
            page.Append($"| `{metric.PrometheusName}` | `{metric.Name}`, {KindOf(metric)}, {metric.Unit} | {labels} | {metric.Description} |\n");
        }
    }

    private static string KindOf(MetricDeclaration metric) => metric.Kind switch
    {
        MetricKind.Histogram => "histogram",
        MetricKind.Counter => "counter",
        MetricKind.UpDownCounter => "up-down counter",
        _ => "gauge",
    };
}
