using RbdReplication.Core;
using static RbdReplication.Tests.Mirroring.Rules.Sightings;

namespace RbdReplication.Tests.Groups;

public sealed class GroupInfoTests
{
    private static MemberInfo Member(string volume, ReplicationHealth health, int? age = null, int seconds = 0, long bytes = 0, bool isAwaited = false) =>
        new(volume, new ReplicationInfo(health, $"words of {volume}", age is { } ago ? Ago(ago) : null, age is null ? null : TimeSpan.FromSeconds(seconds), bytes, isAwaited));

    private static MemberInfo Fine(string volume, int age = 10) => Member(volume, ReplicationHealth.Healthy, age, seconds: age, bytes: age);

    [Fact]
    public void Time_is_that_of_the_generation_duration_the_longest_and_bytes_are_the_sum()
    {
        var info = GroupInfo.Of([Fine("a", 10), Fine("b", 30), Fine("c", 20)], new(7, Ago(35)), taken: 7);
        Assert.Equal((ReplicationHealth.Healthy, Ago(35), TimeSpan.FromSeconds(30), 60), (info.Health, info.LastSyncTime, info.LastSyncDuration, info.LastSyncBytes));
        Assert.Equal("the peer has generation 7 of all 3 volumes, as of 2026-01-01 11:59:25 UTC", info.Message);
        Assert.False(info.IsAwaited);
        Assert.StartsWith("the peer has generation 7 of its one volume, as of", GroupInfo.Of([Fine("a")], new(7, Ago(35)), taken: 7).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_a_generation_at_the_peer_there_is_no_time_however_well_each_volume_is_replicated()
    {
        var info = GroupInfo.Of([Fine("a"), Fine("b")], null, taken: 0);
        Assert.Equal((ReplicationHealth.Degraded, null), (info.Health, info.LastSyncTime));
        Assert.Equal("the peer has no generation of the group, to which a forced promotion could return", info.Message);
    }

    [Theory]
    [InlineData(ReplicationHealth.Error, ReplicationHealth.Degraded, "in error")]
    [InlineData(ReplicationHealth.Degraded, ReplicationHealth.Unknown, "degraded")]
    [InlineData(ReplicationHealth.Unknown, ReplicationHealth.Healthy, "of unknown health")]
    public void The_worst_health_is_told_with_its_volume(ReplicationHealth worse, ReplicationHealth better, string words)
    {
        var info = GroupInfo.Of([Member("a", better, 1), Member("b", worse, 1), Member("c", worse, 1)], new(7, Ago(35)), taken: 7);
        Assert.Equal((worse, Ago(35)), (info.Health, info.LastSyncTime));
        Assert.StartsWith($"2 of 3 volumes of the group are {words}; volume b: words of b; the peer has generation 7", info.Message, StringComparison.Ordinal);
        info = GroupInfo.Of([Fine("a"), Member("b", worse, 1)], new(7, Ago(35)), taken: 7);
        Assert.StartsWith($"1 of 2 volumes of the group is {words}; volume b:", info.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_first_minutes_of_one_are_those_of_the_group_unless_something_worse_is_seen()
    {
        var first = Member("a", ReplicationHealth.Degraded, isAwaited: true);
        Assert.True(GroupInfo.Of([first, Fine("b")], null, taken: 0).IsAwaited);
        foreach (var health in (ReplicationHealth[])[ReplicationHealth.Error, ReplicationHealth.Degraded, ReplicationHealth.Unknown])
        {
            var info = GroupInfo.Of([first, Member("b", health, 1)], null, taken: 0);
            Assert.Equal((health, false, null), (info.Health, info.IsAwaited, info.LastSyncTime));
            Assert.Contains("words of b", info.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(6, true)]
    [InlineData(7, false)]
    public void One_that_does_not_follow_any_more_is_not_awaited_once_the_peer_has_a_generation_that_was_taken_here(long taken, bool isAwaited)
    {
        var info = GroupInfo.Of([Member("a", ReplicationHealth.Degraded, isAwaited: true), Fine("b")], new(7, Ago(35)), taken);
        Assert.Equal((ReplicationHealth.Degraded, isAwaited, Ago(35)), (info.Health, info.IsAwaited, info.LastSyncTime));
    }

    [Fact]
    public void A_group_without_volumes_replicates_nothing() =>
        Assert.Equal((ReplicationHealth.Unknown, false, null), (GroupInfo.Of([], null, taken: 0).Health, GroupInfo.Of([], null, taken: 0).IsAwaited, GroupInfo.Of([], null, taken: 0).LastSyncTime));
}
