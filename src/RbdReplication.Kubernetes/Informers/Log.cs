using Microsoft.Extensions.Logging;

namespace RbdReplication.Kubernetes.Informers;

internal static partial class Log
{
    [LoggerMessage(EventIds.VolumesListed, LogLevel.Information, "{Count} {Kind} {Selection} listed in {Seconds:0.000} s")]
    public static partial void Listed(ILogger logger, int count, string kind, string selection, double seconds);

    [LoggerMessage(EventIds.ListFailed, LogLevel.Warning, "Listing {Kind} failed, will try again: {Reason}")]
    public static partial void ListFailed(ILogger logger, string kind, string reason);

    [LoggerMessage(EventIds.WatchOutdated, LogLevel.Information, "The watch cannot go on from version {Version}, listing again: {Reason}")]
    public static partial void VersionGone(ILogger logger, string version, string reason);

    [LoggerMessage(EventIds.WatchBroke, LogLevel.Information, "The watch broke at version {Version}, will resume: {Reason}")]
    public static partial void WatchBroke(ILogger logger, string version, string reason);

    [LoggerMessage(EventIds.WatchRefused, LogLevel.Warning, "The API server ended the watch with error {Code}, listing again: {Reason}")]
    public static partial void ErrorEvent(ILogger logger, int code, string reason);

    [LoggerMessage(EventIds.WatchEventUnreadable, LogLevel.Warning, "A watch event could not be read and was passed over: {Reason}")]
    public static partial void BadEvent(ILogger logger, string reason);

    [LoggerMessage(EventIds.KindAbsent, LogLevel.Information, "The API server has no {Kind}, so nothing is done about them; looking again every {Minutes} min")]
    public static partial void KindAbsent(ILogger logger, string kind, double minutes);
}
