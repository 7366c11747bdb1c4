namespace RbdReplication.Core;

/// <summary>
/// What the failures of single volumes mean for a call that is for their group: the worst is told, with a code by which the caller does nothing
/// that another member must not have.
/// </summary>
public static class MemberFailures
{
    // What no retry mends outweighs what one may.
    private static readonly ReplicationError[] ByWeight =
    [
        ReplicationError.Damaged, ReplicationError.FailedPrecondition, ReplicationError.InvalidArgument, ReplicationError.NotFound, ReplicationError.AccessDenied,
        ReplicationError.NotConfigured, ReplicationError.Unavailable, ReplicationError.TimedOut, ReplicationError.Busy,
    ];

    /// <summary>The failure of the call; null if there was none.</summary>
    /// <param name="failures">Those of the volumes, each with its volume's name.</param>
    /// <param name="group">The group, for the message.</param>
    /// <param name="call">What is asked for the group.</param>
    public static ReplicationException? Of(IEnumerable<ReplicationException> failures, string group, GroupCall call)
    {
        // The group's own lock fails for all of them at once.
        var ordered = failures.Where(failure => !IsDone(failure.Error, call)).Distinct().OrderBy(failure => Weight(failure.Error, call)).ToList();
        if (ordered is not [var worst, .. var others])
            return null;
        var more = others.Count == 0 ? "" : $"; and {others.Count} more of its volumes {VolumeCount.Are(others.Count)} refused as well";
        return new ReplicationException(CodeOf(worst.Error, call), $"{group}: {worst.Message}{more}", worst);
    }

    /// <summary>Whether what was asked for is so already: an image that is gone is not mirrored.</summary>
    public static bool IsDone(ReplicationError error, GroupCall call) => (error, call) is (ReplicationError.NotFound, GroupCall.Disable);

    // The specification knows "cannot be in one group" for making a group alone, and "not found" for changing one alone. By FailedPrecondition
    // the controller calls enabling invalid for good, but a volume can leave its group.
    private static ReplicationError CodeOf(ReplicationError worst, GroupCall call) => (worst, call) switch
    {
        (ReplicationError.NotFound, GroupCall.Create) => ReplicationError.InvalidArgument,
        (ReplicationError.FailedPrecondition, GroupCall.Modify) => ReplicationError.InvalidArgument,
        (ReplicationError.FailedPrecondition, GroupCall.Enable) => ReplicationError.NotConfigured,
        _ => worst,
    };

    // By FailedPrecondition a promotion is forced at once, which must not meet a member that only has to be waited for.
    private static int Weight(ReplicationError error, GroupCall call) =>
        (error, call) is (ReplicationError.FailedPrecondition, GroupCall.Promote) ? ByWeight.Length
        : Array.IndexOf(ByWeight, error) is >= 0 and var weight ? weight
        : -1;
}
