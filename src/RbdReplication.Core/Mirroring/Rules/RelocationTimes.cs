namespace RbdReplication.Core;

/// <summary>How old what the rules decide by can be, and how long they wait for something newer.</summary>
public static class RelocationTimes
{
    /// <summary>
    /// How long after the copy of the peer's demotion has begun a promotion needs no report. The site that was demoted does
    /// not let itself be promoted again before <see cref="OwnDemotionWait"/>, which is longer.
    /// </summary>
    public static readonly TimeSpan FreshDemotion = TimeSpan.FromSeconds(60);

    /// <summary>
    /// How old the content of a report can be when it is stored: a mirror daemon looks at an image that it does not copy
    /// every 30 s, and stores its reports every 30 s whether or not it has looked again.
    /// </summary>
    public static readonly TimeSpan ContentDelay = TimeSpan.FromSeconds(30);

    /// <summary>The same with room for a busy daemon, where believing an old report would make a caller force.</summary>
    public static readonly TimeSpan ReportDelay = 2 * ContentDelay;

    /// <summary>
    /// How much newer than the question a report must be before a site may take back its own demotion: the time in which a
    /// peer may still be promoted without a report, and the delay of its report of that.
    /// </summary>
    public static readonly TimeSpan OwnDemotionWait = FreshDemotion + ReportDelay;

    /// <summary>How far the clocks of a cluster and of this server may be apart.</summary>
    public static readonly TimeSpan ClockSkew = TimeSpan.FromSeconds(5);

    /// <summary>How long a peer that has not reported, or whose cluster still seems to be followed, is waited for.</summary>
    public static readonly TimeSpan SilenceLimit = TimeSpan.FromSeconds(45);
}
