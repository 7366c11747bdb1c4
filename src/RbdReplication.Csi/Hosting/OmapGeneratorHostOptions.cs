using RbdReplication.PersistentVolumes;

namespace RbdReplication.Csi.Hosting;

/// <summary>Settings of <c>omap-generator</c>; each is a command-line option of the same name.</summary>
internal sealed record OmapGeneratorHostOptions
{
    /// <summary>What is kept.</summary>
    public required OmapGeneratorOptions Generator { get; init; }

    /// <summary>Path of <c>config.json</c>.</summary>
    public required string ClusterConfigPath { get; init; }

    /// <summary>Path of <c>cluster-mapping.json</c>.</summary>
    public required string ClusterMappingPath { get; init; }

    /// <summary>Where metrics and probes are served; null for nowhere.</summary>
    public required Uri? HttpEndpoint { get; init; }

    /// <summary>Path of a kubeconfig; null for the pod's service account.</summary>
    public required string? KubeConfig { get; init; }

    /// <summary>Lowest level that is logged.</summary>
    public required LogLevel LogLevel { get; init; }

    /// <summary>JSON lines instead of text.</summary>
    public required bool LogJson { get; init; }
}
