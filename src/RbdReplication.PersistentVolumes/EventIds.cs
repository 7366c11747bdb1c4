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
}
