using Microsoft.Extensions.Logging;

namespace RbdReplication.PersistentVolumes;

internal static partial class Log
{
    [LoggerMessage(EventIds.FirstPassEnded, LogLevel.Information, "First pass over {Count} volumes ended after {Seconds:0.000} s; {Failing} have no mapping yet")]
    public static partial void FirstPass(ILogger logger, int count, double seconds, int failing);

    [LoggerMessage(EventIds.VolumeFails, LogLevel.Warning, "PV {Volume} has no mapping ({Result}), will try again: {Reason} (volume handle {VolumeHandle})")]
    public static partial void VolumeFails(ILogger logger, string volume, string volumeHandle, ReconcileResult result, string reason);

    [LoggerMessage(EventIds.VolumeRecovered, LogLevel.Information, "PV {Volume} has its mapping now, after {Result} (volume handle {VolumeHandle})")]
    public static partial void VolumeRecovered(ILogger logger, string volume, string volumeHandle, ReconcileResult result);

    [LoggerMessage(EventIds.VolumeMapped, LogLevel.Debug, "PV {Volume}: mapping {Result} (volume handle {VolumeHandle})")]
    public static partial void VolumeMapped(ILogger logger, string volume, string volumeHandle, ReconcileResult result);

    [LoggerMessage(EventIds.MappingFails, LogLevel.Warning, "Mappings cannot be kept at the moment ({Result}), will try again: {Reason}")]
    public static partial void CommonFailure(ILogger logger, ReconcileResult result, string reason);
}
