using System.Diagnostics;
using System.Diagnostics.Metrics;
using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.Core;

namespace RbdReplication.Csi.Hosting;

/// <summary>
/// The server's own instruments and traces. Names follow OpenTelemetry's conventions for RPC
/// (https://opentelemetry.io/docs/specs/semconv/rpc/) where they say something.
/// </summary>
internal sealed class Telemetry : IDisposable
{
    private readonly ActivitySource _source = new(CephTelemetry.SourceName);
    private readonly Meter _meter = new(CephTelemetry.SourceName);
    private readonly Histogram<double> _callDuration;

    public Telemetry(VolumeGate gate, ClusterConnections connections)
    {
        _callDuration = _meter.CreateHistogram(
            "rbd_replication.rpc.duration", "s", "Duration of the RPCs by method and status code.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 150] });
        _meter.CreateObservableGauge(
            "rbd_replication.operations.pending", () => gate.Pending.Count, "{operation}",
            "Changing operations that run now, including those whose caller has given up waiting.");
        _meter.CreateObservableGauge("rbd_replication.connections", () => connections.Count, "{connection}", "Open connections to Ceph clusters.");
    }

    public Activity? StartCall(string method) =>
        _source.HasListeners() ? _source.StartActivity(method.TrimStart('/'), ActivityKind.Server) : null;

    public void EndCall(string method, StatusCode code, TimeSpan duration, Activity? activity)
    {
        _callDuration.Record(
            duration.TotalSeconds, new("rpc.method", method.TrimStart('/')), new KeyValuePair<string, object?>("rpc.response.status_code", code.ToString()));
        if (code != StatusCode.OK)
            activity?.SetStatus(ActivityStatusCode.Error, code.ToString());
    }

    public void Dispose()
    {
        _source.Dispose();
        _meter.Dispose();
    }
}
