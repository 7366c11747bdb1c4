using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>The meter and activity source of the program, and the metrics of the calls into librados and librbd.</summary>
public static class CephMetrics
{
    /// <inheritdoc cref="CephTelemetry.SourceName"/>
    public const string SourceName = CephTelemetry.SourceName;

    /// <inheritdoc cref="CephTelemetry.CallDurationName"/>
    public static MetricDeclaration CallDuration { get; } =
        new(CephTelemetry.CallDurationName, MetricKind.Histogram, "s", CephTelemetry.CallDurationDescription, "rbd.call", "error.type");

    /// <inheritdoc cref="CephTelemetry.QueuedCallsName"/>
    public static MetricDeclaration CallsQueued { get; } =
        new(CephTelemetry.QueuedCallsName, MetricKind.UpDownCounter, "{call}", CephTelemetry.QueuedCallsDescription, "rbd.threads");

    /// <summary>All of them.</summary>
    public static IReadOnlyList<MetricDeclaration> All { get; } = [CallDuration, CallsQueued];
}
