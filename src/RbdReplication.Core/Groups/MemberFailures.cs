namespace RbdReplication.Core;

/// <summary>What the failures of single volumes mean for a call that makes or changes their group.</summary>
public static class MemberFailures
{
    // What no retry mends outweighs what one may.
    private static readonly ReplicationError[] ByWeight =
    [
        ReplicationError.FailedPrecondition, ReplicationError.InvalidArgument, ReplicationError.NotFound, ReplicationError.AccessDenied,
        ReplicationError.NotConfigured, ReplicationError.Unavailable, ReplicationError.TimedOut, ReplicationError.Busy,
    ];

    /// <summary>The failure of the call; null if there was none.</summary>
    /// <param name="failures">Those of the volumes, each with its volume's name.</param>
    /// <param name="group">The group, for the message.</param>
    /// <param name="isCreation">
    /// Whether the group is made: the specification knows "cannot be in one group" for that alone, and "not found" for changes alone.
    /// </param>
    public static ReplicationException? Of(IEnumerable<ReplicationException> failures, string group, bool isCreation)
    {
        var ordered = failures.OrderBy(failure => Weight(failure.Error)).ToList();
        if (ordered is not [var worst, .. var others])
            return null;
        var error = (worst.Error, isCreation) switch
        {
            (ReplicationError.NotFound, true) => ReplicationError.InvalidArgument,
            (ReplicationError.FailedPrecondition, false) => ReplicationError.InvalidArgument,
            var (same, _) => same,
        };
        var more = others.Count == 0 ? "" : $"; and {others.Count} more of its volumes cannot be taken in either";
        return new ReplicationException(error, $"{group}: {worst.Message}{more}", worst);
    }

    private static int Weight(ReplicationError error) => Array.IndexOf(ByWeight, error) is >= 0 and var weight ? weight : -1;
}
