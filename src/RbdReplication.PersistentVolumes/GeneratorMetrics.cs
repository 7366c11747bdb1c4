using RbdReplication.Core;

namespace RbdReplication.PersistentVolumes;

/// <summary>The metrics of the omap generator.</summary>
public static class GeneratorMetrics
{
    internal static MetricDeclaration Reconciles { get; } =
        new("rbd_replication.omap_generator.reconciles", MetricKind.Counter, "{volume}", "Volumes that were checked.", "outcome");

    internal static MetricDeclaration SyncDuration { get; } =
        new("rbd_replication.omap_generator.sync.duration", MetricKind.Histogram, "s", "Duration of the check of one batch of volumes.")
        {
            Buckets = MetricDeclaration.CallBuckets,
        };

    internal static MetricDeclaration Leader { get; } =
        new("rbd_replication.omap_generator.leader", MetricKind.Gauge, "{leader}", "1 while this process keeps the mappings, else 0.");

    internal static MetricDeclaration Volumes { get; } =
        new("rbd_replication.omap_generator.volumes", MetricKind.Gauge, "{volume}", "Volumes of the driver that the API server has.");

    internal static MetricDeclaration QueueDepth { get; } =
        new("rbd_replication.omap_generator.queue.depth", MetricKind.Gauge, "{volume}", "Volumes and groups that wait to be checked.");

    internal static MetricDeclaration BackingOff { get; } =
        new("rbd_replication.omap_generator.queue.backing_off", MetricKind.Gauge, "{volume}", "Volumes and groups that failed and wait for their next try.");

    internal static MetricDeclaration Failing { get; } =
        new("rbd_replication.omap_generator.volumes.failing", MetricKind.Gauge, "{volume}", "Volumes without a mapping.", "reason");

    internal static MetricDeclaration Groups { get; } =
        new("rbd_replication.omap_generator.groups", MetricKind.Gauge, "{group}", "Volume groups of the driver that the API server has.");

    internal static MetricDeclaration GroupReconciles { get; } =
        new("rbd_replication.omap_generator.group.reconciles", MetricKind.Counter, "{group}", "Volume groups that were checked.", "outcome");

    internal static MetricDeclaration GroupsFailing { get; } =
        new("rbd_replication.omap_generator.groups.failing", MetricKind.Gauge, "{group}", "Volume groups that the journal does not have.", "reason");

    internal static MetricDeclaration WatchRestarts { get; } =
        new("rbd_replication.omap_generator.watch.restarts", MetricKind.Counter, "{restart}", "Watches that broke and lists that had to be repeated.");

    internal static MetricDeclaration EventsDropped { get; } =
        new("rbd_replication.omap_generator.events.dropped", MetricKind.Counter, "{event}", "Kubernetes Events that could not be written.");

    /// <summary>All of them.</summary>
    public static IReadOnlyList<MetricDeclaration> All { get; } =
    [
        Reconciles, SyncDuration, Leader, Volumes, QueueDepth, BackingOff, Failing,
        Groups, GroupReconciles, GroupsFailing, WatchRestarts, EventsDropped,
    ];
}
