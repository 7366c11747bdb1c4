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

    [LoggerMessage(EventIds.GroupFails, LogLevel.Warning, "VolumeGroupReplicationContent {Group} has no group in the journal ({Result}), will try again: {Reason} (group handle {GroupHandle})")]
    public static partial void GroupFails(ILogger logger, string group, string groupHandle, ReconcileResult result, string reason);

    [LoggerMessage(EventIds.GroupRecovered, LogLevel.Information, "VolumeGroupReplicationContent {Group} has its group in the journal now, after {Result} (group handle {GroupHandle})")]
    public static partial void GroupRecovered(ILogger logger, string group, string groupHandle, ReconcileResult result);

    [LoggerMessage(EventIds.GroupMapped, LogLevel.Information, "VolumeGroupReplicationContent {Group}: entries of its group {Result} (group handle {GroupHandle})")]
    public static partial void GroupMapped(ILogger logger, string group, string groupHandle, ReconcileResult result);

    [LoggerMessage(EventIds.CephFsVolume, LogLevel.Information, "PV {Volume} is a volume of CephFS (it has fsName), which has no image: it and others like it are left alone")]
    public static partial void CephFsVolume(ILogger logger, string volume);
}
