using RbdReplication.Core;

namespace RbdReplication.Tests.Groups;

public sealed class GroupStatusTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 27, 10, 7, 0, TimeSpan.Zero);

    private static readonly GroupState Primary = new(WantedRole.Primary, new("5m", null)) { Generation = 4, Taken = 4, TakenAt = Now.AddMinutes(-2) };

    private static GroupStatus Of(GroupState state, int members = 3, ReturnPoint? returnPoint = null, params ReplicationHealth[] volumes) =>
        GroupStatus.Of(new VolumeHandle("site-a", 2, "5a2b3c4d-1e2f-4a5b-8c9d-0e1f2a3b4c5d"), "shop", "replicapool", "", members, volumes, state, returnPoint, Now);

    private static void AssertSeen(ReplicationHealth health, string words, GroupStatus status)
    {
        Assert.Equal(health, status.Health);
        Assert.Contains(words, status.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void One_whose_generations_are_taken_in_time_is_healthy()
    {
        Assert.Equal(ReplicationHealth.Healthy, Of(Primary).Health);
        Assert.Equal(ReplicationHealth.Healthy, Of(Primary with { TakenAt = Now.AddMinutes(-10) }).Health);
        Assert.Equal(ReplicationHealth.Healthy, Of(new GroupState(WantedRole.Secondary, null)).Health);
    }

    [Fact]
    public void A_generation_that_is_older_than_two_intervals_is_late_and_names_what_takes_them()
    {
        var status = Of(Primary with { TakenAt = Now.AddMinutes(-10).AddSeconds(-1) });
        AssertSeen(ReplicationHealth.Degraded, "behind: no generation in 2 intervals of 5 min", status);
        Assert.DoesNotContain("manager", status.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_a_schedule_or_a_first_generation_it_is_degraded()
    {
        AssertSeen(ReplicationHealth.Degraded, "set schedulingInterval", Of(Primary with { Schedule = null }));
        AssertSeen(ReplicationHealth.Degraded, "no generation is taken yet", Of(Primary with { TakenAt = null }));
        AssertSeen(ReplicationHealth.Unknown, "no volumes", Of(Primary, members: 0));
    }

    [Fact]
    public void A_forced_promotion_that_has_not_ended_is_an_error_whatever_else_is_seen()
    {
        var status = Of(Primary with { Failover = new(Now.AddMinutes(-1), null) }, returnPoint: new(new(3, Now), ReplicationHealth.Healthy, "the peer has it"));
        AssertSeen(ReplicationHealth.Error, "has not ended", status);
        Assert.DoesNotContain("the peer has it", status.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_the_peer_lacks_degrades_one_that_is_in_time()
    {
        AssertSeen(ReplicationHealth.Degraded, "the peer has none", Of(Primary, returnPoint: new(null, ReplicationHealth.Degraded, "the peer has none")));
        AssertSeen(ReplicationHealth.Healthy, "the peer has it", Of(Primary, returnPoint: new(new(4, Now), ReplicationHealth.Healthy, "the peer has it")));
    }

    [Fact]
    public void It_is_no_better_than_its_volumes()
    {
        ReplicationHealth[] volumes = [ReplicationHealth.Healthy, ReplicationHealth.Error, ReplicationHealth.Degraded];
        AssertSeen(ReplicationHealth.Error, "generations are taken on schedule; 1 of its volumes is in error", Of(Primary, volumes: volumes));
        AssertSeen(ReplicationHealth.Error, "2 of its volumes are degraded", Of(Primary with { Failover = new(Now, null) }, volumes: [ReplicationHealth.Degraded, ReplicationHealth.Degraded]));
        Assert.DoesNotContain("of its volumes", Of(Primary, volumes: [ReplicationHealth.Healthy]).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_it_has_taken_as_the_primary_is_shown_as_long_as_it_is()
    {
        Assert.Equal(new HeldGeneration(4, Now.AddMinutes(-2)), Of(Primary).Newest);
        Assert.Null(Of(Primary with { TakenAt = null }).Newest);
        Assert.Null(Of(Primary with { Role = WantedRole.Secondary }).Newest);
    }

    [Theory]
    [InlineData(null, null, "were left as they were")]
    [InlineData("rbd-replication.5a2b3c4d-1e2f-4a5b-8c9d-0e1f2a3b4c5d.3", null, "returned to generation 3 (snapshot rbd-replication.5a2b3c4d-1e2f-4a5b-8c9d-0e1f2a3b4c5d.3), taken no later than 2026-11-27 09:05:00 UTC; what was written later was left behind")]
    [InlineData("rbd-replication.5a2b3c4d-1e2f-4a5b-8c9d-0e1f2a3b4c5d.3", 5L, "had a part as far as generation 5")]
    public void One_that_is_primary_by_force_says_to_which_generation_it_went_and_what_was_left_behind(string? snapshot, long? left, string words) =>
        AssertSeen(ReplicationHealth.Healthy, words, Of(Primary with { LastFailover = new(Now.AddHours(-1), snapshot, left, Now.AddMinutes(-62)) }));
}
