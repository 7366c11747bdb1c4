using RbdReplication.Core;
using RbdReplication.Csi.Hosting;
using RbdReplication.Csi.Page;
using RbdReplication.Csi.VolumeMetrics;

namespace RbdReplication.Csi.Composition;

/// <summary>Settings of <c>serve</c>; each is a command-line option of the same name. No part gets more of them than it uses.</summary>
internal sealed record ServeHostOptions
{
    /// <summary>What it has in common with the generator.</summary>
    public required CommandHostOptions Host { get; init; }

    /// <summary>Path of the unix socket.</summary>
    public required string SocketPath { get; init; }

    /// <summary>Group of the socket; null for the process's own.</summary>
    public required UnixGroup? SocketGroup { get; init; }

    /// <summary>CSI driver name that Identity reports.</summary>
    public required string DriverName { get; init; }

    /// <summary>Socket of the driver that calls of services which are not served here go on to; null for none.</summary>
    public required string? ForwardSocketPath { get; init; }

    /// <summary>What volume groups are told; null where they are not served.</summary>
    public required GroupOptions? VolumeGroups { get; init; }

    /// <summary>Longest time that one call takes.</summary>
    public required TimeSpan OperationTimeout { get; init; }

    /// <summary>Longest time that a server which was asked to stop waits for the changes under way.</summary>
    public required TimeSpan StopTimeout { get; init; }

    /// <summary>How old a reading of the statuses may be that the replication info is answered from; zero: it is not.</summary>
    public required TimeSpan StatusMaximumAge { get; init; }

    /// <summary>The metrics of single volumes.</summary>
    public required VolumeMetricsOptions VolumeMetrics { get; init; }

    /// <summary>The page.</summary>
    public required PageOptions Page { get; init; }
}
