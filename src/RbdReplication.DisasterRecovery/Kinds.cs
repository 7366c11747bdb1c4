using RbdReplication.Kubernetes.Objects;

namespace RbdReplication.DisasterRecovery;

/// <summary>The kinds of objects that the procedures read and write.</summary>
internal static class Kinds
{
    private const string Replication = "replication.storage.openshift.io/v1alpha1";

    public static ResourceKind Claim { get; } = new("v1", "PersistentVolumeClaim", "persistentvolumeclaims", true);

    public static ResourceKind Volume { get; } = new("v1", "PersistentVolume", "persistentvolumes", false);

    public static ResourceKind Namespace { get; } = new("v1", "Namespace", "namespaces", false);

    public static ResourceKind Pod { get; } = new("v1", "Pod", "pods", true);

    public static ResourceKind ConfigMap { get; } = new("v1", "ConfigMap", "configmaps", true);

    public static ResourceKind Secret { get; } = new("v1", "Secret", "secrets", true);

    public static ResourceKind Deployment { get; } = new("apps/v1", "Deployment", "deployments", true);

    public static ResourceKind ReplicaSet { get; } = new("apps/v1", "ReplicaSet", "replicasets", true);

    public static ResourceKind StatefulSet { get; } = new("apps/v1", "StatefulSet", "statefulsets", true);

    public static ResourceKind StorageClass { get; } = new("storage.k8s.io/v1", "StorageClass", "storageclasses", false);

    public static ResourceKind Attachment { get; } = new("storage.k8s.io/v1", "VolumeAttachment", "volumeattachments", false);

    public static ResourceKind VolumeReplication { get; } = new(Replication, "VolumeReplication", "volumereplications", true);

    public static ResourceKind VolumeReplicationClass { get; } = new(Replication, "VolumeReplicationClass", "volumereplicationclasses", false);

    public static ResourceKind GroupReplication { get; } = new(Replication, "VolumeGroupReplication", "volumegroupreplications", true);

    public static ResourceKind GroupReplicationClass { get; } = new(Replication, "VolumeGroupReplicationClass", "volumegroupreplicationclasses", false);

    public static ResourceKind GroupContent { get; } = new(Replication, "VolumeGroupReplicationContent", "volumegroupreplicationcontents", false);

    public static ResourceKind NetworkFence { get; } = new("csiaddons.openshift.io/v1alpha1", "NetworkFence", "networkfences", false);

    /// <summary>Rook's, to see whether a pool is mirrored; without Rook it is not known.</summary>
    public static ResourceKind BlockPool { get; } = new("ceph.rook.io/v1", "CephBlockPool", "cephblockpools", true);
}
