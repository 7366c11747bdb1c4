namespace RbdReplication.PersistentVolumes;

/// <summary>What <see cref="OmapGenerator"/> is to keep, and how.</summary>
public sealed record OmapGeneratorOptions
{
    /// <summary>CSI driver whose volumes are kept.</summary>
    public required string DriverName { get; init; }

    /// <summary>ceph-csi's instance id.</summary>
    public required string InstanceId { get; init; }

    /// <summary>Namespace of the Lease; null for the one of the pod or of the kubeconfig's context.</summary>
    public required string? LeaderElectionNamespace { get; init; }

    /// <summary>Write the names of claim, namespace and cluster onto images.</summary>
    public required bool SetMetadata { get; init; }

    /// <summary>Name of the Kubernetes cluster for images' metadata; empty for none.</summary>
    public required string ClusterName { get; init; }

    /// <summary>Batches that are checked side by side.</summary>
    public required int Workers { get; init; }

    /// <summary>Longest wait between two tries of one volume.</summary>
    public TimeSpan LongestRetryDelay { get; init; } = TimeSpan.FromSeconds(1000);
}
