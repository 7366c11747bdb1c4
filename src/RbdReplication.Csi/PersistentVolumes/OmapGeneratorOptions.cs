namespace RbdReplication.Csi.PersistentVolumes;

/// <summary>Settings of <c>omap-generator</c>; each is a command-line option of the same name.</summary>
internal sealed record OmapGeneratorOptions
{
    /// <summary>CSI driver whose volumes are kept.</summary>
    public required string DriverName { get; init; }

    /// <summary>ceph-csi's instance id.</summary>
    public required string InstanceId { get; init; }

    /// <summary>Path of <c>config.json</c>.</summary>
    public required string ClusterConfigPath { get; init; }

    /// <summary>Path of <c>cluster-mapping.json</c>.</summary>
    public required string ClusterMappingPath { get; init; }

    /// <summary>Where metrics and probes are served; null for nowhere.</summary>
    public required Uri? HttpEndpoint { get; init; }

    /// <summary>Path of a kubeconfig; null for the pod's service account.</summary>
    public required string? KubeConfig { get; init; }

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

    /// <summary>Lowest level that is logged.</summary>
    public required LogLevel LogLevel { get; init; }

    /// <summary>JSON lines instead of text.</summary>
    public required bool LogJson { get; init; }
}
