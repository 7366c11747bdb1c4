namespace RbdReplication.PersistentVolumes;

/// <summary>
/// Ids of the log's events. Filters and alerts rely on them: none is changed, and none is used again for something else. <c>docs/debugging.md</c> lists them.
/// </summary>
internal static class EventIds
{
    public const int FirstPassEnded = 4501;
    public const int VolumeFails = 4502;
    public const int VolumeRecovered = 4503;
    public const int VolumeMapped = 4504;
    public const int MappingFails = 4505;

    public const int GroupFails = 4510;
    public const int GroupRecovered = 4511;
    public const int GroupMapped = 4512;
    public const int CephFsVolume = 4513;
}
