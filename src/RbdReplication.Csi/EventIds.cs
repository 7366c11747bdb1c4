namespace RbdReplication.Csi;

/// <summary>
/// Ids of the log's events. Filters and alerts rely on them: none is changed, and none is used again for something else. <c>docs/debugging.md</c> lists them.
/// Those of what happens to volumes begin with 2.
/// </summary>
internal static class EventIds
{
    public const int Flattening = 2001;
    public const int OperationOverdue = 2002;
    public const int OverdueSucceeded = 2003;
    public const int OverdueFailed = 2004;
    public const int LockLost = 2005;
    public const int ReclaimingSpace = 2006;
    public const int NothingReclaimed = 2007;
    public const int GroupFailedOver = 2008;
    public const int GenerationTaken = 2009;
    public const int GenerationNotTaken = 2010;
    public const int MirrorDaemonCutOff = 2011;
    public const int PointTaken = 2012;
    public const int PointNotTaken = 2013;

    public const int CallEnded = 4001;
    public const int CallWithoutVolumeEnded = 4002;
    public const int CallCrashed = 4003;
    public const int CallRefused = 4004;
    public const int CallUnserved = 4005;
    public const int ClusterCallEnded = 4006;
    public const int ParameterIgnored = 4010;

    public const int ServerStarted = 4020;
    public const int ServerStopped = 4021;
    public const int ConfigurationGood = 4022;
    public const int ConfigurationBad = 4023;
    public const int StopWaits = 4024;
    public const int OperationLeftBehind = 4025;

    public const int ListingFails = 4030;
    public const int ListingRecovered = 4031;

    public const int CallForwarded = 4040;
    public const int ForwardedLeftBehind = 4041;
    public const int DriverKnown = 4042;
    public const int OtherDriver = 4043;
    public const int DriverSilent = 4044;
    public const int DriverGivenUp = 4045;

    public const int GeneratorStarted = 4500;
    public const int GeneratorStopped = 4506;
    public const int GeneratorCrashed = 4507;
}
