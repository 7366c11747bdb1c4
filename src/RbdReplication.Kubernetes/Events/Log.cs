using Microsoft.Extensions.Logging;

namespace RbdReplication.Kubernetes.Events;

internal static partial class Log
{
    [LoggerMessage(EventIds.EventNotWritten, LogLevel.Debug, "Event {Reason} on {Kind} {Name} was not written: {Cause}")]
    public static partial void EventFailed(ILogger logger, string reason, string kind, string name, string cause);
}
