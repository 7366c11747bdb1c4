using RbdReplication.Core;

namespace RbdReplication.Tests.Groups;

public sealed class GroupStateTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 27, 10, 7, 0, TimeSpan.Zero);

    private static GroupState? Read(params (string Key, string Value)[] keys) => GroupStateKeys.Read(keys.ToDictionary(key => key.Key, key => key.Value));

    [Fact]
    public void Object_and_keys_stay_as_they_are()
    {
        Assert.Equal("rbd-replication.group.u", GroupStateKeys.ObjectOf("u"));
        string[] keys =
        [
            GroupStateKeys.Role, GroupStateKeys.Interval, GroupStateKeys.StartTime, GroupStateKeys.MaximumHold, GroupStateKeys.Generation, GroupStateKeys.Taken,
            GroupStateKeys.TakenAt, GroupStateKeys.Failover, GroupStateKeys.FailoverSnapshot, GroupStateKeys.FailoverLeft, GroupStateKeys.FailoverTakenBy,
            GroupStateKeys.Last,
        ];
        Assert.Equal(
            ["role", "interval", "start_time", "maximum_hold_ms", "generation", "taken", "taken_at", "failover", "failover_snapshot", "failover_left", "failover_taken_by", "last_"],
            keys);
        Assert.Equal(("primary", "secondary"), (GroupStateKeys.RoleText(WantedRole.Primary), GroupStateKeys.RoleText(WantedRole.Secondary)));
    }

    [Fact]
    public void Without_a_role_a_group_is_not_replicated()
    {
        Assert.Null(Read());
        Assert.Null(Read(("generation", "4")));
    }

    [Fact]
    public void What_is_there_is_read()
    {
        Assert.Equal(new GroupState(WantedRole.Secondary, null), Read(("role", "secondary")));
        Assert.Equal(new GroupState(WantedRole.Primary, new("5m", "14:00:00")) { Generation = 12 }, Read(("role", "primary"), ("interval", "5m"), ("start_time", "14:00:00"), ("generation", "12")));
        var taken = Read(("role", "primary"), ("maximum_hold_ms", "500"), ("taken_at", GroupStateKeys.TimeText(Now)))!;
        Assert.Equal((TimeSpan.FromMilliseconds(500), Now), (taken.MaximumHold, taken.TakenAt));
    }

    [Fact]
    public void What_cannot_be_read_makes_nothing_primary() =>
        Assert.Equal(new GroupState(WantedRole.Secondary, new("x", null)), Read(("role", "of a later release"), ("interval", "x"), ("generation", "many")));

    [Fact]
    public void A_generation_is_due_where_none_was_begun_since_the_interval_did()
    {
        var state = new GroupState(WantedRole.Primary, new("5m", null));
        Assert.Equal(TimeSpan.Zero, state.UntilDue(Now));
        Assert.Equal(TimeSpan.Zero, (state with { TakenAt = Now.AddMinutes(-2).AddSeconds(-1) }).UntilDue(Now));
        Assert.Equal(TimeSpan.FromMinutes(3), (state with { TakenAt = Now.AddMinutes(-2) }).UntilDue(Now));
    }

    [Fact]
    public void None_is_taken_of_a_secondary_without_a_schedule_or_in_the_middle_of_a_forced_promotion()
    {
        var state = new GroupState(WantedRole.Primary, new("5m", null));
        Assert.Null((state with { Role = WantedRole.Secondary }).UntilDue(Now));
        Assert.Null((state with { Schedule = null }).UntilDue(Now));
        Assert.Null((state with { Schedule = new("never", null) }).UntilDue(Now));
        Assert.Null((state with { Failover = new(Now, null) }).UntilDue(Now));
    }

    [Fact]
    public void A_forced_promotion_that_has_not_ended_is_read_with_what_it_returns_to()
    {
        var since = new DateTimeOffset(2026, 11, 27, 10, 0, 0, TimeSpan.Zero);
        Assert.Equal(new GroupFailover(since, "snap"), Read(("role", "primary"), ("failover", GroupStateKeys.TimeText(since)), ("failover_snapshot", "snap"))?.Failover);
        Assert.Equal(new GroupFailover(DateTimeOffset.UnixEpoch, null), Read(("role", "primary"), ("failover", "when?"))?.Failover);
    }

    [Fact]
    public void The_forced_promotion_by_which_a_group_is_primary_is_read_beside_one_that_has_not_ended()
    {
        var state = Read(
            ("role", "primary"), ("last_failover", GroupStateKeys.TimeText(Now)), ("last_failover_snapshot", "snap"), ("last_failover_left", "7"),
            ("last_failover_taken_by", GroupStateKeys.TimeText(Now.AddMinutes(-2))))!;
        Assert.Equal((null, new GroupFailover(Now, "snap", 7, Now.AddMinutes(-2))), (state.Failover, state.LastFailover));
        Assert.Equal(Now, state.PartedAt);
        Assert.Null((state with { LastFailover = new(Now, null) }).PartedAt);
    }
}
