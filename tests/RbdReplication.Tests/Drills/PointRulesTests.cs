using RbdReplication.Ceph;
using RbdReplication.Core;
using static RbdReplication.Ceph.MirrorSnapshotState;

namespace RbdReplication.Tests.Drills;

public sealed class PointRulesTests
{
    private const string B = "peer-b", C = "peer-c";

    // Snapshots of an image in the order in which they were taken.
    private static MemberSnapshots Image(params object[] snapshots)
    {
        List<UserSnapshot> users = [];
        List<MirrorSnapshot> mirrors = [];
        for (var i = 0; i < snapshots.Length; i++)
        {
            var id = (ulong)i + 10;
            if (snapshots[i] is string name)
                users.Add(new UserSnapshot(id, name, 1, default));
            else
                mirrors.Add((MirrorSnapshot)snapshots[i] with { Id = id });
        }
        return new MemberSnapshots("id", users, mirrors);
    }

    private static string P(string name) => new PointName(name).ToString();

    private static string At(int hour) => PointRules.NameOf(new DateTimeOffset(2026, 11, 28, hour, 0, 0, TimeSpan.Zero)).ToString();

    private static MirrorSnapshot Mirror(MirrorSnapshotState state, bool isComplete = true, string from = "", params string[] neededBy) =>
        new(0, state, isComplete, from, MirrorSnapshot.NoSnapshot, neededBy, 0, default);

    private static MirrorSnapshot Taken(params string[] neededBy) => Mirror(Primary, neededBy: neededBy);

    private static readonly MirrorSnapshot Copied = Mirror(NonPrimary, from: "site"), Copying = Mirror(NonPrimary, isComplete: false, from: "site");

    private static PointFollower Peer(string uuid, DateTimeOffset? lastSync = null) => new(uuid, "site of " + uuid, lastSync);

    private static string[] Unneeded(MemberSnapshots image, int keep, params string[] followers) =>
        [.. PointRules.Unneeded(image, followers, keep).Select(snapshot => snapshot.SnapshotName)];

    [Fact]
    public void A_point_without_a_name_is_named_by_the_time_in_utc()
    {
        Assert.Equal("20261128-021500", PointRules.NameOf(new DateTimeOffset(2026, 11, 28, 4, 15, 0, TimeSpan.FromHours(2))).Name);
        Assert.True(PointName.IsValid(PointRules.NameOf(DateTimeOffset.UnixEpoch).Name));
    }

    [Theory]
    [InlineData("")]
    [InlineData("-a")]
    [InlineData("a.b")]
    [InlineData("a/b")]
    [InlineData("a@b")]
    [InlineData("a b")]
    [InlineData("a\n")]
    [InlineData("ä")]
    [InlineData("0123456789012345678901234567890123456789012345678901234567890123")]
    public void Names_that_are_none_are_neither_taken_nor_read(string name)
    {
        Assert.False(PointName.IsValid(name));
        Assert.Null(PointName.Parse("rbd-replication.point." + name));
    }

    [Fact]
    public void A_point_is_taken_where_the_image_is_primary_and_mirrored_by_snapshots()
    {
        Assert.Null(PointRules.Take(isPrimary: true, MirrorImageMode.Snapshot).Refusal);
        Assert.Equal(ReplicationError.FailedPrecondition, PointRules.Take(isPrimary: false, MirrorImageMode.Snapshot).Refusal);
        Assert.Contains("at the primary site", PointRules.Take(isPrimary: false, MirrorImageMode.Snapshot).Reason, StringComparison.Ordinal);
        Assert.Equal(ReplicationError.FailedPrecondition, PointRules.Take(isPrimary: true, MirrorImageMode.Journal).Refusal);
        Assert.Contains("journal mode", PointRules.Take(isPrimary: true, MirrorImageMode.Journal).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void What_a_peer_stands_behind_it_holds()
    {
        var points = PointRules.List(Image(Taken(), At(1), Taken(B), At(2), Taken(B, C), At(3), Taken(B, C)), [Peer(B), Peer(C)]);
        Assert.Equal(["20261128-010000", "20261128-020000", "20261128-030000"], points.Select(point => point.Name.Name));
        Assert.All(points, point => Assert.True(point is { IsTakenHere: true, IsWhole: true }));
        Assert.Equal(["site of peer-b", "site of peer-c"], points[0].HeldBy);
        Assert.True(points[0].IsHeldByAll);
        Assert.Equal(["site of peer-c"], points[1].HeldBy);
        Assert.Equal(["site of peer-b"], points[1].AwaitedBy);
        Assert.False(points[1].IsHeldByAll);
        Assert.Empty(points[2].HeldBy);
    }

    [Fact]
    public void Who_stands_on_the_oldest_snapshot_which_may_be_that_of_the_promotion_holds_what_it_reports_to_hold()
    {
        Assert.Empty(PointRules.List(Image(Copied, At(1), Taken(B)), [Peer(B)])[0].HeldBy);
        Assert.Empty(PointRules.List(Image(Copied, At(1), Taken(B), Taken(B)), [Peer(B)])[0].HeldBy);
        Assert.Single(PointRules.List(Image(Copied, At(1), Taken(), Taken(B)), [Peer(B)])[0].HeldBy);
        // In step: librbd has removed all other mirror snapshots.
        var image = Image(At(1), Taken(B));
        image = image with { Users = [image.Users[0] with { TakenAt = DateTimeOffset.UnixEpoch.AddSeconds(60.9) }] };
        Assert.Empty(PointRules.List(image, [Peer(B)])[0].HeldBy);
        Assert.Empty(PointRules.List(image, [Peer(B, DateTimeOffset.UnixEpoch.AddSeconds(59))])[0].HeldBy);
        Assert.Single(PointRules.List(image, [Peer(B, DateTimeOffset.UnixEpoch.AddSeconds(60))])[0].HeldBy);
    }

    [Fact]
    public void What_has_outlasted_all_mirror_snapshots_before_it_is_whole_and_parts_of_a_copy_are_told_before_a_forced_promotion()
    {
        Assert.True(PointRules.List(Image(At(1), Taken(B)), [])[0] is { IsTakenHere: true, IsWhole: true });
        Assert.Null(PointRules.Reuse(Image(At(1), Taken(B)), Image(At(1), Taken(B)).Users[0]).Refusal);
        Assert.False(PointRules.List(Image(At(1), Copying), [])[0].IsWhole);
        Assert.Equal([new PointName("20261128-020000")], PointRules.Partial(Image(Copied, At(1), Copied, At(2), Copying)));
        Assert.Empty(PointRules.Partial(Image(Copied, At(1), Copied, "by-hand")));
    }

    [Fact]
    public void Without_followers_a_point_is_held_by_nobody_and_never_by_all() =>
        Assert.False(PointRules.List(Image(Taken(), At(1), Taken()), [])[0].IsHeldByAll);

    [Fact]
    public void A_copy_is_whole_with_the_mirror_snapshot_that_it_came_with()
    {
        var points = PointRules.List(Image(Copied, At(1), Copied, At(2), Copying), []);
        Assert.Equal([true, false], points.Select(point => point.IsWhole));
        Assert.All(points, point => Assert.False(point.IsTakenHere));
    }

    [Fact]
    public void A_mirror_snapshot_carries_what_is_older_once_it_is_complete()
    {
        Assert.False(Carried(Taken(), At(1)));
        Assert.False(Carried(Taken(), At(1), Mirror(Primary, isComplete: false)));
        Assert.True(Carried(Taken(), At(1), Taken()));
        Assert.True(Carried(Taken(), At(1), Mirror(PrimaryDemoted)));

        static bool Carried(params object[] snapshots)
        {
            var image = Image(snapshots);
            return PointRules.IsCarried(image, PointRules.Find(image, PointRules.NameOf(new DateTimeOffset(2026, 11, 28, 1, 0, 0, TimeSpan.Zero)))!);
        }
    }

    [Fact]
    public void The_newest_are_kept_and_what_got_a_name_of_its_own_is_neither_counted_nor_removed()
    {
        var image = Image(Taken(), P("before-upgrade"), At(1), "by-hand", Taken(), At(2), Taken(), At(3), Taken(B));
        Assert.Equal([At(1)], Unneeded(image, 2, B));
        Assert.Equal([At(1), At(2)], Unneeded(image, 1, B));
        Assert.Empty(Unneeded(image, 3, B));
        Assert.Empty(Unneeded(image, 30, B));
    }

    [Fact]
    public void The_newest_that_all_followers_hold_stays_until_they_have_a_newer_one()
    {
        var image = Image(Taken(), At(1), Taken(), At(2), Taken(B), At(3), Taken(B), At(4), Taken(B, C));
        Assert.Equal([At(1), At(3)], Unneeded(image, 1, B));
        Assert.Equal([At(1), At(3), At(4)], Unneeded(image, 0, B));
        // The slowest of them counts.
        Assert.Equal([At(1), At(3)], Unneeded(image, 1, B, C));
        Assert.Equal([At(1), At(2), At(3)], Unneeded(image, 1));
    }

    [Fact]
    public void What_got_a_name_of_its_own_can_be_the_newest_that_they_hold() =>
        Assert.Equal([At(1)], Unneeded(Image(Taken(), At(1), P("held"), Taken(B), At(2), Taken(B)), 1, B));

    [Fact]
    public void Where_a_follower_has_nothing_the_newest_are_kept_all_the_same() =>
        Assert.Equal([At(1)], Unneeded(Image(Taken(), At(1), Taken(), At(2), Taken()), 1, B));

    [Fact]
    public void A_volume_that_is_not_replicated_any_more_keeps_none_of_points_and_generations()
    {
        var generation = new GenerationName("0c23de1c-18fb-11eb-a903-0242ac110005", 1).ToString();
        Assert.Equal(
            [generation, At(1), P("before-upgrade")],
            GenerationRules.All(Image(At(1), "by-hand", generation, P("before-upgrade"))).Select(snapshot => snapshot.SnapshotName));
    }

    [Fact]
    public void The_newest_that_was_cut_off_is_finished_first()
    {
        Assert.Equal(new PointName("20261128-020000"), PointRules.Unfinished(Image(Taken(), At(1), Taken(), At(2))));
        Assert.Null(PointRules.Unfinished(Image(Taken(), At(1), Taken(), At(2), Taken())));
        Assert.Null(PointRules.Unfinished(Image(Taken(), At(1), Taken(), P("by-hand"))));
        Assert.Null(PointRules.Unfinished(Image(Taken())));
    }

    [Fact]
    public void A_point_of_the_other_site_is_no_more_asked_for_by_its_name_where_it_may_be_a_part()
    {
        var image = Image(Copied, At(1), Copied, At(2), Mirror(NonPrimary), Taken(), At(3), Taken());
        RelocationDecision Reuse(int hour) => PointRules.Reuse(image, image.Users.Single(snapshot => snapshot.Name == At(hour)));
        Assert.Null(Reuse(1).Refusal);
        Assert.Equal(ReplicationError.FailedPrecondition, Reuse(2).Refusal);
        Assert.Null(Reuse(3).Refusal);
    }

    [Fact]
    public void A_plan_is_due_by_its_schedule()
    {
        var now = new DateTimeOffset(2026, 11, 28, 2, 2, 0, TimeSpan.Zero);
        var plan = new PointPlan(new ReplicationSchedule("5m", null), 3);
        Assert.Equal(TimeSpan.Zero, plan.UntilDue(now));
        Assert.Equal(TimeSpan.FromMinutes(3), (plan with { TakenAt = now.AddMinutes(-2) }).UntilDue(now));
        Assert.Equal(TimeSpan.Zero, (plan with { TakenAt = now.AddMinutes(-2).AddSeconds(-1) }).UntilDue(now));
        Assert.Null((plan with { Schedule = new("never", null) }).UntilDue(now));
        Assert.True(plan.Means(plan with { TakenAt = now }));
        Assert.False(plan.Means(plan with { Keep = 4 }));
        Assert.False(plan.Means(plan with { Schedule = new("5m", "14:00") }));
    }
}
