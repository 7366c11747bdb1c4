using System.Diagnostics;
using System.Diagnostics.Metrics;
using Grpc.Core;
using RbdReplication.Core;

namespace RbdReplication.Csi.Hosting;

/// <summary>Metrics and traces of the server's calls.</summary>
internal sealed class Telemetry : IDisposable
{
    private readonly ActivitySource _source = new(CephMetrics.SourceName);
    private readonly Meter _meter = new(CephMetrics.SourceName);
    private readonly Histogram<double> _callDuration;

    public Telemetry(VolumeGate gate, ClusterConnections connections, TimeProvider time)
    {
        _callDuration = MetricCatalog.RpcDuration.Histogram(_meter);
        MetricCatalog.OperationsPending.Observe(_meter, () => gate.Pending.Count);
        MetricCatalog.OperationsOverdue.Observe(_meter, () => gate.Pending.Count(IsOverdue));
        MetricCatalog.OverdueAge.Observe<double>(_meter, () => [new(OverdueAge(gate, time.GetUtcNow()).TotalSeconds)]);
        MetricCatalog.Connections.Observe(_meter, () => connections.Count);
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

    // What gives way holds nobody up, however long it takes.
    private static bool IsOverdue(PendingOperation operation) => operation.OverdueSince is not null && !operation.GivesWay;

    private static TimeSpan OverdueAge(VolumeGate gate, DateTimeOffset now) => gate.Pending
        .Where(IsOverdue)
        .Select(operation => now - operation.StartedAt)
        .DefaultIfEmpty(TimeSpan.Zero)
        .Max();
}
