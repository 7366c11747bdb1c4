using Microsoft.Extensions.Logging;

namespace RbdReplication.Kubernetes.Work;

internal static partial class Log
{
    [LoggerMessage(EventIds.WorkCrashed, LogLevel.Error, "Work on {Key} and what was done together with it, {Count} in all, ended with an unforeseen error, will try again")]
    public static partial void WorkFailed(ILogger logger, string key, int count, Exception error);
}
