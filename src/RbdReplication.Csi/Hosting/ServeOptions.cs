namespace RbdReplication.Csi.Hosting;

/// <summary>Settings of <c>serve</c>; each is a command-line option of the same name.</summary>
internal sealed record ServeOptions
{
    /// <summary>Path of the unix socket.</summary>
    public required string SocketPath { get; init; }

    /// <summary>Group of the socket; null for the process's own.</summary>
    public required UnixGroup? SocketGroup { get; init; }

    /// <summary>CSI driver name that Identity reports.</summary>
    public required string DriverName { get; init; }

    /// <summary>ceph-csi's instance id.</summary>
    public required string InstanceId { get; init; }

    /// <summary>Path of <c>config.json</c>.</summary>
    public required string ClusterConfigPath { get; init; }

    /// <summary>Path of <c>cluster-mapping.json</c>.</summary>
    public required string ClusterMappingPath { get; init; }

    /// <summary>Where metrics and probes are served; null for nowhere.</summary>
    public required Uri? HttpEndpoint { get; init; }

    /// <summary>Longest time that one call takes.</summary>
    public required TimeSpan OperationTimeout { get; init; }

    /// <summary>Longest time that a server which was asked to stop waits for the changes under way.</summary>
    public required TimeSpan StopTimeout { get; init; }

    /// <summary>Time between two listings of the volumes for their metrics; zero for none.</summary>
    public required TimeSpan VolumeMetricsInterval { get; init; }

    /// <summary>How many volumes get metrics of their own.</summary>
    public required int MaximumVolumeSeries { get; init; }

    /// <summary>Lowest level that is logged.</summary>
    public required LogLevel LogLevel { get; init; }

    /// <summary>JSON lines instead of text.</summary>
    public required bool LogJson { get; init; }
}
