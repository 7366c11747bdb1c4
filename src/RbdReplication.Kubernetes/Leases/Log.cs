using Microsoft.Extensions.Logging;

namespace RbdReplication.Kubernetes.Leases;

internal static partial class Log
{
    [LoggerMessage(EventIds.LeaderElected, LogLevel.Information, "Leader now, by lease {Lease}, as {Identity}")]
    public static partial void Elected(ILogger logger, string lease, string identity);

    [LoggerMessage(EventIds.LeadershipLost, LogLevel.Warning, "No longer leader: lease {Lease} could not be renewed in time or was taken from {Identity}")]
    public static partial void Lost(ILogger logger, string lease, string identity);

    [LoggerMessage(EventIds.LeaseReleased, LogLevel.Information, "Lease {Lease} released")]
    public static partial void Released(ILogger logger, string lease);

    [LoggerMessage(EventIds.LeaseFailed, LogLevel.Warning, "Lease {Lease} could not be read or written: {Reason}")]
    public static partial void LeaseFailed(ILogger logger, string lease, string reason);
}
