namespace RbdReplication.Csi.Hosting;

/// <summary>Settings that <c>serve</c> and <c>omap-generator</c> have in common; each is a command-line option of the same name.</summary>
internal sealed record CommandHostOptions
{
    /// <summary>Path of <c>config.json</c>.</summary>
    public required string ClusterConfigPath { get; init; }

    /// <summary>Path of <c>cluster-mapping.json</c>.</summary>
    public required string ClusterMappingPath { get; init; }

    /// <summary>Where metrics and probes are served; null for nowhere.</summary>
    public required Uri? HttpEndpoint { get; init; }

    /// <summary>Lowest level that is logged.</summary>
    public required LogLevel LogLevel { get; init; }

    /// <summary>JSON lines instead of text.</summary>
    public required bool LogJson { get; init; }
}
