namespace RbdReplication.Kubernetes;

/// <summary>
/// Ids of the log's events. Filters and alerts rely on them: none is changed, and none is used again for something else. <c>docs/debugging.md</c> lists them.
/// </summary>
internal static class EventIds
{
    public const int VolumesListed = 3000;
    public const int ListFailed = 3001;
    public const int WatchOutdated = 3002;
    public const int WatchBroke = 3003;
    public const int WatchRefused = 3004;
    public const int WatchEventUnreadable = 3005;
    public const int KindAbsent = 3006;

    public const int LeaderElected = 3020;
    public const int LeadershipLost = 3021;
    public const int LeaseReleased = 3022;
    public const int LeaseFailed = 3023;

    public const int EventNotWritten = 3030;

    public const int WorkCrashed = 3040;
}
