using RbdReplication.Core;

namespace RbdReplication.Tests.Groups;

public sealed class GroupStateTests
{
    private static GroupState? Read(params (string Key, string Value)[] keys) => GroupStateKeys.Read(keys.ToDictionary(key => key.Key, key => key.Value));

    [Fact]
    public void Object_and_keys_stay_as_they_are()
    {
        Assert.Equal("rbd-replication.group.u", GroupStateKeys.ObjectOf("u"));
        string[] keys = [GroupStateKeys.Role, GroupStateKeys.Interval, GroupStateKeys.StartTime, GroupStateKeys.Generation, GroupStateKeys.Failover, GroupStateKeys.FailoverSnapshot];
        Assert.Equal(["role", "interval", "start_time", "generation", "failover", "failover_snapshot"], keys);
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
        Assert.Equal(new GroupState(WantedRole.Primary, new("5m", "14:00:00"), 12), Read(("role", "primary"), ("interval", "5m"), ("start_time", "14:00:00"), ("generation", "12")));
    }

    [Fact]
    public void What_cannot_be_read_makes_nothing_primary() =>
        Assert.Equal(new GroupState(WantedRole.Secondary, new("x", null)), Read(("role", "of a later release"), ("interval", "x"), ("generation", "many")));

    [Fact]
    public void A_forced_promotion_that_has_not_ended_is_read_with_what_it_returns_to()
    {
        var since = new DateTimeOffset(2026, 11, 27, 10, 0, 0, TimeSpan.Zero);
        Assert.Equal(new GroupFailover(since, "snap"), Read(("role", "primary"), ("failover", GroupStateKeys.TimeText(since)), ("failover_snapshot", "snap"))?.Failover);
        Assert.Equal(new GroupFailover(DateTimeOffset.UnixEpoch, null), Read(("role", "primary"), ("failover", "when?"))?.Failover);
    }
}
