using Microsoft.Extensions.Logging;

namespace RbdReplication.Kubernetes.Events;

internal static partial class Log
{
    [LoggerMessage(EventIds.EventNotWritten, LogLevel.Debug, "Event {Reason} on PersistentVolume {Volume} was not written: {Cause}")]
    public static partial void EventFailed(ILogger logger, string volume, string reason, string cause);
}
