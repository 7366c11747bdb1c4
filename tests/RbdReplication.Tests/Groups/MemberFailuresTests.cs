using RbdReplication.Core;
using static RbdReplication.Core.GroupCall;
using static RbdReplication.Core.ReplicationError;

namespace RbdReplication.Tests.Groups;

/// <summary>What the caller does by the code of a group: see the tables of what the controller does with each answer.</summary>
public sealed class MemberFailuresTests
{
    private static readonly ReplicationError[] Waiting = [Busy, TimedOut, Unavailable, NotConfigured, AccessDenied];

    private static ReplicationException Failure(ReplicationError error) => new(error, $"{error}!");

    private static ReplicationError? Code(GroupCall call, params ReplicationError[] errors) => MemberFailures.Of(errors.Select(Failure), "group", call)?.Error;

    public static TheoryData<GroupCall, ReplicationError[], ReplicationError?> Table => new()
    {
        { Create, [Busy, FailedPrecondition], FailedPrecondition },
        { Create, [NotFound], InvalidArgument },
        { Create, [NotConfigured], NotConfigured },
        { Create, [Unexpected, FailedPrecondition], Unexpected },
        { Modify, [Busy, FailedPrecondition], InvalidArgument },
        { Modify, [NotFound, Unavailable], NotFound },
        // Validated=False for good, though the volume may leave the group.
        { Enable, [FailedPrecondition, Busy], NotConfigured },
        { Enable, [NotFound, Busy], NotFound },
        // Success: the group is forgotten.
        { Disable, [NotFound], null },
        { Disable, [NotFound, Busy], Busy },
        { Disable, [NotFound, FailedPrecondition], FailedPrecondition },
        // Forced at once.
        { Promote, [FailedPrecondition, FailedPrecondition], FailedPrecondition },
        { Promote, [FailedPrecondition, Busy], Busy },
        { Promote, [FailedPrecondition, NotFound], NotFound },
        { Promote, [FailedPrecondition, Unexpected], Unexpected },
        { Promote, [FailedPrecondition, Damaged], Damaged },
        // Retried, whatever it is: what no retry mends is told.
        { Demote, [Busy, FailedPrecondition, Unavailable], FailedPrecondition },
        { Resync, [Busy, FailedPrecondition, Unavailable], FailedPrecondition },
        { Resync, [Damaged, FailedPrecondition], Damaged },
        { GetInfo, [Busy, FailedPrecondition], FailedPrecondition },
    };

    [Theory]
    [MemberData(nameof(Table))]
    public void The_worst_code_wins_by_what_the_caller_does_with_it(GroupCall call, ReplicationError[] errors, ReplicationError? code)
    {
        Assert.Equal(code, Code(call, errors));
        Assert.Equal(code, Code(call, [.. errors.Reverse()]));
    }

    [Fact]
    public void Where_none_failed_the_call_has_not()
    {
        foreach (var call in Enum.GetValues<GroupCall>())
            Assert.Null(Code(call));
    }

    [Fact]
    public void A_promotion_is_never_forced_while_one_member_has_to_be_waited_for()
    {
        foreach (var waiting in Waiting)
            Assert.Equal(waiting, Code(Promote, FailedPrecondition, waiting));
    }

    [Fact]
    public void No_code_of_one_member_makes_the_controller_forget_or_give_up_a_group()
    {
        foreach (var error in Enum.GetValues<ReplicationError>())
        {
            Assert.NotEqual(FailedPrecondition, Code(Enable, error));
            Assert.NotEqual(NotFound, Code(Disable, error));
        }
    }

    [Fact]
    public void The_message_names_the_worst_and_counts_the_rest()
    {
        Assert.Equal(
            "group: NotFound!; and 1 more of its volumes is refused as well",
            MemberFailures.Of([Failure(Busy), Failure(NotFound)], "group", Create)?.Message);
        Assert.EndsWith("; and 2 more of its volumes are refused as well", MemberFailures.Of([Failure(Busy), Failure(NotFound), Failure(Busy)], "group", Create)?.Message, StringComparison.Ordinal);
        // The group's own lock fails for all of them.
        var same = Failure(Busy);
        Assert.Equal("group: Busy!", MemberFailures.Of([same, same, same], "group", Demote)?.Message);
    }
}
