using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace RbdReplication.Ceph;

/// <summary>Duration and traces of the calls into librados and librbd.</summary>
public static class CephTelemetry
{
    /// <summary>Name of the activity source and of the meter.</summary>
    public const string SourceName = "RbdReplication";

    /// <summary>Seconds a call took; tags <c>rbd.call</c> (the C function) and, on failure, <c>error.type</c> (errno name).</summary>
    public const string CallDurationName = "rbd_replication.ceph.call.duration";

    /// <summary>What that metric tells.</summary>
    public const string CallDurationDescription = "Duration of calls into librados and librbd.";

    /// <summary>Calls that wait for one of the threads that a connection has; tag <c>rbd.threads</c>: what those are for.</summary>
    public const string QueuedCallsName = "rbd_replication.ceph.calls.queued";

    /// <summary>What that metric tells.</summary>
    public const string QueuedCallsDescription = "Blocking calls that wait for a thread: changes, lookups, long (flatten), rollbacks (of groups that are failed over), reclaims (sparsify), fencing, barriers (of groups) or monitors (their commands).";

    private static readonly ActivitySource Source = new(SourceName);
    private static readonly Meter Meter = new(SourceName);

    private static readonly Histogram<double> CallDuration = Meter.CreateHistogram(
        CallDurationName, "s", CallDurationDescription,
        advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60] });

    private static readonly UpDownCounter<long> QueuedCalls = Meter.CreateUpDownCounter<long>(QueuedCallsName, "{call}", QueuedCallsDescription);

    internal static void CountQueued(string threads, int change) => QueuedCalls.Add(change, new KeyValuePair<string, object?>("rbd.threads", threads));

    internal static Activity? StartCall(string function, string subject)
    {
        // Starting an activity allocates even when it is not sampled; most of the time nobody listens.
        if (!Source.HasListeners())
            return null;
        var activity = Source.StartActivity(function, ActivityKind.Client);
        activity?.SetTag("rbd.subject", subject);
        return activity;
    }

    internal static void EndCall(string function, long result, TimeSpan duration, Activity? activity)
    {
        if (result >= 0)
        {
            CallDuration.Record(duration.TotalSeconds, new KeyValuePair<string, object?>("rbd.call", function));
            return;
        }
        var error = ((Errno)(-result)).ToString();
        CallDuration.Record(duration.TotalSeconds, new("rbd.call", function), new("error.type", error));
        activity?.SetStatus(ActivityStatusCode.Error, error);
    }
}
