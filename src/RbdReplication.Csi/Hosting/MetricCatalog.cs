using RbdReplication.Core;
using RbdReplication.PersistentVolumes;

namespace RbdReplication.Csi.Hosting;

/// <summary>
/// All metrics of the program. Names follow OpenTelemetry's conventions
/// (https://opentelemetry.io/docs/specs/semconv/general/naming/), those of RPCs where they say something.
/// </summary>
internal static class MetricCatalog
{
    private static readonly string[] PoolLabels = ["cluster", "pool", "rados_namespace"];
    private static readonly string[] VolumeLabels = [.. PoolLabels, "image", "persistentvolume"];

    public static MetricDeclaration RpcDuration { get; } =
        new("rbd_replication.rpc.duration", MetricKind.Histogram, "s", "Duration of the RPCs.", "rpc.method", "rpc.response.status_code")
        {
            Buckets = [.. MetricDeclaration.CallBuckets, 150],
        };

    public static MetricDeclaration OperationsPending { get; } =
        new("rbd_replication.operations.pending", MetricKind.Gauge, "{operation}",
            "Changing operations that run now, including those whose caller has given up waiting.");

    public static MetricDeclaration OperationsOverdue { get; } =
        new("rbd_replication.operations.overdue", MetricKind.Gauge, "{operation}",
            "Changing operations that go on though their caller has stopped waiting; their volumes are reported busy.");

    public static MetricDeclaration OverdueAge { get; } =
        new("rbd_replication.operations.overdue.age", MetricKind.Gauge, "s",
            "Time since the start of the oldest overdue operation; 0 if none is overdue.");

    public static MetricDeclaration Connections { get; } =
        new("rbd_replication.connections", MetricKind.Gauge, "{connection}", "Open connections to Ceph clusters.");

    public static MetricDeclaration Infos { get; } =
        new("rbd_replication.replication_info.answers", MetricKind.Counter, "{answer}",
            "Replication infos of volumes, by where they came from. None are counted with `--status-max-age 0`.", "source");

    public static MetricDeclaration ReadingAge { get; } =
        new("rbd_replication.replication_info.reading_age", MetricKind.Histogram, "s",
            "How long before the answer the reading was begun, of those that came from one.")
        {
            Buckets = [0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 15, 20, 30],
        };

    public static MetricDeclaration ReadingDuration { get; } =
        new("rbd_replication.status_reading.duration", MetricKind.Histogram, "s",
            "Duration of the readings of all mirrored images of a pool, for infos and for listings.", "error.type")
        {
            Buckets = MetricDeclaration.CallBuckets,
        };

    public static MetricDeclaration VolumeRole { get; } =
        new("rbd_replication.volume.role", MetricKind.UpDownCounter, "{volume}",
            "Which copy of the image this site has: 1 for the role it is in, 0 for the others.", [.. VolumeLabels, "role"]);

    public static MetricDeclaration VolumeHealth { get; } =
        new("rbd_replication.volume.health", MetricKind.UpDownCounter, "{volume}",
            "How well the image is replicated, as `status` judges it: 1 for the health it is in, 0 for the others.", [.. VolumeLabels, "health"]);

    public static MetricDeclaration VolumeLastSyncTimestamp { get; } =
        new("rbd_replication.volume.last_sync.timestamp", MetricKind.Gauge, "s",
            "Unix time of the newest data that the secondary site holds completely. Missing until a site reports it.", VolumeLabels);

    public static MetricDeclaration VolumeLag { get; } =
        new("rbd_replication.volume.lag", MetricKind.Gauge, "s",
            "Age of that data when it was listed: what a failover at that moment would have lost.", VolumeLabels);

    public static MetricDeclaration VolumeLastSyncSize { get; } =
        new("rbd_replication.volume.last_sync.size", MetricKind.Gauge, "By",
            "Size of the last snapshot that was copied. Missing in journal mode.", VolumeLabels);

    public static MetricDeclaration VolumeLastSyncDuration { get; } =
        new("rbd_replication.volume.last_sync.duration", MetricKind.Gauge, "s",
            "How long copying it took, in whole seconds. Missing in journal mode.", VolumeLabels);

    public static MetricDeclaration VolumeScheduleInterval { get; } =
        new("rbd_replication.volume.schedule.interval", MetricKind.Gauge, "s",
            "Interval of the shortest snapshot schedule in force at this site. Missing without a schedule.", VolumeLabels);

    public static MetricDeclaration Volumes { get; } =
        new("rbd_replication.volumes", MetricKind.UpDownCounter, "{volume}",
            "Mirrored images of the pool, with and without series of their own.", [.. PoolLabels, "role", "health"]);

    public static MetricDeclaration VolumesLeftOut { get; } =
        new("rbd_replication.volumes.left_out", MetricKind.UpDownCounter, "{volume}",
            "Mirrored images without series of their own, because of `--max-volume-series`. The healthiest are left out.");

    public static MetricDeclaration ListingTimestamp { get; } =
        new("rbd_replication.volume_listing.timestamp", MetricKind.Gauge, "s",
            "Unix time of the last listing of the pool that succeeded. Three intervals later its volumes' series vanish.", PoolLabels);

    public static MetricDeclaration ListingFailures { get; } =
        new("rbd_replication.volume_listing.failures", MetricKind.Counter, "{listing}",
            "Listings of the pool that failed, or were due while the one before had not ended. The log says why.", PoolLabels);

    public static MetricDeclaration Points { get; } =
        new("rbd_replication.volume.points", MetricKind.Counter, "{point}",
            "Consistency points of volumes that were due at this server by `consistencyPoints` of the class, by what became of them. The log names the volume.", "result");

    public static MetricDeclaration VolumeDrillPoint { get; } =
        new("rbd_replication.volume.drill_point.timestamp", MetricKind.Gauge, "s",
            "Unix time of the newest consistency point of the volume, or generation of its group, that this site has whole: what a drill would be of. It is the time when it came. Missing where there is none, and where the volume is not secondary.", VolumeLabels);

    public static MetricDeclaration Drills { get; } =
        new("rbd_replication.drills", MetricKind.UpDownCounter, "{drill}", "Drills of the pool.", PoolLabels);

    public static MetricDeclaration OldestDrill { get; } =
        new("rbd_replication.drills.oldest_created.timestamp", MetricKind.Gauge, "s",
            "Unix time when the oldest of them was begun. Missing where there is none.", PoolLabels);

    public static MetricDeclaration Generations { get; } =
        new("rbd_replication.group.generations", MetricKind.Counter, "{generation}",
            "Generations of the volume group that were due at this server, by what became of them.", "group", "result");

    public static MetricDeclaration GenerationHold { get; } =
        new("rbd_replication.group.hold.duration", MetricKind.Histogram, "s",
            "For how long writers of the group's volumes were held for a generation, at most.", "group")
        {
            Buckets = MetricDeclaration.CallBuckets,
        };

    public static MetricDeclaration LastGeneration { get; } =
        new("rbd_replication.group.last_generation.timestamp", MetricKind.Gauge, "s",
            "Unix time of the group's last generation, whichever server took it. Missing until there is one.", "group");

    public static MetricDeclaration GenerationInterval { get; } =
        new("rbd_replication.group.schedule.interval", MetricKind.Gauge, "s",
            "Interval of the group's schedule, where the group is primary at this site.", "group");

    /// <summary>Groups, at <c>serve --volume-groups</c>.</summary>
    public static IReadOnlyList<MetricDeclaration> Groups { get; } = [Generations, GenerationHold, LastGeneration, GenerationInterval];

    /// <summary>Calls and operations of <c>serve</c>.</summary>
    public static IReadOnlyList<MetricDeclaration> Calls { get; } =
        [RpcDuration, OperationsPending, OperationsOverdue, OverdueAge, Connections, Infos, ReadingAge, ReadingDuration];

    /// <summary>Replication of volumes, at <c>serve</c>.</summary>
    public static IReadOnlyList<MetricDeclaration> Replication { get; } =
    [
        VolumeRole, VolumeHealth, VolumeLastSyncTimestamp, VolumeLag, VolumeLastSyncSize, VolumeLastSyncDuration, VolumeScheduleInterval,
        VolumeDrillPoint, Volumes, VolumesLeftOut, ListingTimestamp, ListingFailures, Points, Drills, OldestDrill,
    ];

    /// <summary>Calls into Ceph, at both.</summary>
    public static IReadOnlyList<MetricDeclaration> Ceph => CephMetrics.All;

    /// <summary>The omap generator.</summary>
    public static IReadOnlyList<MetricDeclaration> Generator => GeneratorMetrics.All;

    /// <summary>All of them.</summary>
    public static IReadOnlyList<MetricDeclaration> All { get; } = [.. Calls, .. Replication, .. Groups, .. Ceph, .. Generator];

    /// <summary>What the labels mean.</summary>
    public static IReadOnlyDictionary<string, string> Labels { get; } = new SortedDictionary<string, string>(StringComparer.Ordinal)
    {
        ["rpc.method"] = "Service and method, `replication.Controller/PromoteVolume`; of calls that are forwarded `_OTHER` for methods that the driver does not know, and beyond 64 of those that it does",
        ["rpc.response.status_code"] = "gRPC code as the .NET library spells it, `FailedPrecondition`",
        ["rbd.call"] = "C function of librados or librbd",
        ["rbd.threads"] = "What the threads are for: `changes`, `lookups`, `long`, `rollbacks`, `reclaims`, `fencing`, `barriers` or `monitors`",
        ["error.type"] = "Name of the errno; missing when the call succeeded. Of a reading also the kind of another failure",
        ["cluster"] = "Cluster id, as in `config.json` and in volume handles",
        ["pool"] = "Pool name",
        ["rados_namespace"] = "Rados namespace, empty for the default one. Not `namespace`: Prometheus sets that one to the pod's",
        ["group"] = "Handle of the volume group",
        ["result"] = "`Taken`, `HeldTooLong` (a volume was not ready within `maximumHold`), `Torn` (others took snapshots at the same moment) or `Failed`; of a point `Taken` or `Failed`",
        ["image"] = "Image name",
        ["persistentvolume"] = "Name of the PersistentVolume, from the CSI journal; empty where the journal has no entry. kube-state-metrics calls it so too",
        ["role"] = "`primary`, `secondary` or `unknown`",
        ["health"] = "`healthy`, `degraded`, `error` or `unknown`",
        ["outcome"] = "What became of the check of a volume or group",
        ["reason"] = "Why there is no mapping",
        ["source"] = "`Reading`, the [shared reading](performance.md#one-reading-for-all) of the pool; else the image was opened, because there was no reading that was new enough (`NoReading`), this server has changed the volume since (`Changed`), it is not listed as mirrored (`NotListed`), not reported on by a site (`NotReported`), not primary (`NotPrimary`), mirrored by journal (`Journal`), or could not be looked at (`Failed`)",
    };
}
