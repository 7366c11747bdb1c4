using RbdReplication.Ceph;
using RbdReplication.Core;
using static RbdReplication.Ceph.MirrorSnapshotState;

namespace RbdReplication.Tests.Drills;

public sealed class DrillRulesTests
{
    private const string Group = "0c23de1c-18fb-11eb-a903-0242ac110005", OtherSites = "0c23de1c-18fb-11eb-a903-0242ac110006";

    private static readonly MirrorSnapshot Copied = Mirror(NonPrimary, from: "site"), Copying = Mirror(NonPrimary, isComplete: false, from: "site"), Taken = Mirror(Primary);

    private static MirrorSnapshot Mirror(MirrorSnapshotState state, bool isComplete = true, string from = "") =>
        new(0, state, isComplete, from, MirrorSnapshot.NoSnapshot, [], 0, default);

    // Snapshots of an image in the order in which they came.
    private static MemberSnapshots Member(params object[] snapshots)
    {
        List<UserSnapshot> users = [];
        List<MirrorSnapshot> mirrors = [];
        for (var i = 0; i < snapshots.Length; i++)
        {
            var id = (ulong)i + 10;
            if (snapshots[i] is string name)
                users.Add(new UserSnapshot(id, name, id * 100, DateTimeOffset.UnixEpoch.AddHours(i)));
            else
                mirrors.Add((MirrorSnapshot)snapshots[i] with { Id = id });
        }
        return new MemberSnapshots("0123", users, mirrors);
    }

    private static string Point(string name) => new PointName(name).ToString();

    private static string Generation(long number, string group = Group) => new GenerationName(group, number).ToString();

    [Fact]
    public void A_volume_s_point_is_the_newest_that_is_whole_here()
    {
        var seen = Member(Copied, Point("one"), Copied, Point("two"), "somebody-elses", Copied, Generation(9), Copied, Point("three"), Copying);
        Assert.Equal("two", DrillRules.PointOf(seen, null)?.Title);
        Assert.Equal(new DrillPoint(Point("two"), 1300, DateTimeOffset.UnixEpoch.AddHours(3), IsExact: false), DrillRules.PointOf(seen, null));
        Assert.Null(DrillRules.PointOf(Member(Copied, Point("one"), Copying), null));
        Assert.Null(DrillRules.PointOf(Member("somebody-elses", Copied), null));
    }

    [Fact]
    public void The_newest_of_which_a_drill_can_be_made_is_a_point_or_a_generation_that_is_whole()
    {
        Assert.Equal(DateTimeOffset.UnixEpoch.AddHours(3), DrillRules.NewestTime(Member(Copied, Generation(1), Copied, Point("two"), Copied, "somebody-elses", Copied)));
        Assert.Equal(DateTimeOffset.UnixEpoch.AddHours(2), DrillRules.NewestTime(Member(Point("one"), Copied, Generation(2), Copied, Point("three"), Copying)));
        Assert.Null(DrillRules.NewestTime(Member(Copied, "somebody-elses", Copied)));
        Assert.Null(DrillRules.NewestTime(Member()));
    }

    [Fact]
    public void One_that_is_named_is_that_one_or_none()
    {
        var seen = Member(Copied, Point("one"), Copied, Point("two"), Copied, Point("three"), Copying);
        Assert.Equal("one", DrillRules.PointOf(seen, "one")?.Title);
        Assert.Null(DrillRules.PointOf(seen, "three"));
        Assert.Null(DrillRules.PointOf(seen, "four"));
    }

    [Fact]
    public void The_instant_is_exact_where_the_point_was_taken_here()
    {
        Assert.True(DrillRules.PointOf(Member(Taken, Point("one")), null)?.IsExact);
        Assert.False(DrillRules.PointOf(Member(Copied, Point("one"), Copied), null)?.IsExact);
    }

    [Fact]
    public void What_a_forced_promotion_has_left_a_part_of_is_no_point() =>
        Assert.Equal("one", DrillRules.PointOf(Member(Copied, Point("one"), Copied, Point("part"), Taken), null)?.Title);

    [Fact]
    public void A_group_s_generation_is_the_newest_that_is_whole_of_all_members()
    {
        MemberSnapshots[] members =
        [
            Member(Copied, Generation(1), Copied, Generation(2), Copied, Generation(3), Copied),
            Member(Copied, Generation(1), Copied, Generation(2), Copied, Generation(3), Copying),
        ];
        Assert.Equal(["generation 2", "generation 2"], DrillRules.GenerationOf(members, null)!.Select(point => point.Title));
        Assert.Equal([Generation(1), Generation(1)], DrillRules.GenerationOf(members, 1)!.Select(point => point.SnapshotName));
        Assert.Null(DrillRules.GenerationOf(members, 3));
        Assert.Null(DrillRules.GenerationOf([], null));
        Assert.Null(DrillRules.GenerationOf([members[0], Member(Copied)], null));
    }

    [Fact]
    public void A_generation_that_is_named_may_be_of_either_site_s_uuid()
    {
        MemberSnapshots[] members = [Member(Generation(4), Copied, Generation(4, OtherSites), Copied), Member(Generation(4, OtherSites), Copied, Generation(4), Copying)];
        Assert.All(DrillRules.GenerationOf(members, 4)!, point => Assert.Equal(Generation(4, OtherSites), point.SnapshotName));
    }

    [Fact]
    public void Of_a_group_that_is_primary_it_is_the_newest_that_all_have()
    {
        MemberSnapshots[] members = [Member(Generation(1), Generation(2), Taken), Member(Generation(1), Taken, Generation(2), Taken, Generation(3))];
        Assert.Null(DrillRules.GenerationOf([members[0], Member(Generation(1), Copied, Generation(2), Copying)], null));
        members[1] = Member(Generation(1), Taken, Generation(2), Taken, Generation(3), Taken);
        var points = DrillRules.GenerationOf(members, null)!;
        Assert.All(points, point => Assert.Equal(("generation 2", true), (point.Title, point.IsExact)));
    }

    [Fact]
    public void Of_a_volume_that_is_primary_a_point_counts_while_the_mirror_snapshot_before_it_is_there()
    {
        Assert.Equal("one", DrillRules.PointOf(Member(Taken, Point("one"), Taken), null)?.Title);
        Assert.Null(DrillRules.PointOf(Member(Point("one"), Taken), null));
    }

    private static DrillMember DrillOf(string handle, string snapshot = "rbd-replication.point.one") =>
        new(handle, "pvc-1", "csi-vol-1", "0123", Guid.NewGuid().ToString(), "csi-vol-", new DrillPoint(snapshot, 1, DateTimeOffset.UnixEpoch, false));

    private static VolumeHandle Handle(string cluster, int number) => new(cluster, 1, $"0c23de1c-18fb-11eb-a903-{number:D12}");

    private static RelocationDecision Same(Drill drill, DrillRequest request) =>
        DrillRules.Same(drill, request, [.. request.Volumes.Select(volume => $"{volume}")]);

    [Fact]
    public void A_drill_is_gone_on_with_where_it_is_the_one_that_is_asked_for()
    {
        var drill = new Drill("q4", default, "drill-q4", null, [DrillOf($"{Handle("a", 1)}"), DrillOf($"{Handle("a", 2)}")]);
        var request = new DrillRequest("q4", [Handle("a", 2), Handle("a", 1)], null, null, null, "drill-q4");
        Assert.Null(Same(drill, request).Refusal);
        // By the other site's handles.
        Assert.Null(Same(drill, request with { Volumes = [Handle("b", 1), Handle("b", 2)] }).Refusal);
        Assert.Null(Same(drill, request with { Point = "one" }).Refusal);
        DrillRequest[] others =
        [
            request with { Volumes = [Handle("a", 1)] }, request with { Volumes = [Handle("a", 1), Handle("a", 3)] }, request with { Point = "two" },
            request with { Namespace = "other" }, request with { Group = Handle("a", 9) },
        ];
        Assert.All(others, other => Assert.Equal(ReplicationError.AlreadyExists, Same(drill, other).Refusal));
    }

    [Fact]
    public void One_that_somebody_has_open_is_not_removed_and_all_who_have_are_named()
    {
        Assert.Null(DrillRules.Removal([]).Refusal);
        var refused = DrillRules.Removal([new("pvc-1", "10.0.0.1:0/1", 4151), new("pvc-2", "10.0.0.2:0/2", 4152)]);
        Assert.Equal(ReplicationError.FailedPrecondition, refused.Refusal);
        Assert.Contains("pvc-1 is open at 10.0.0.1:0/1 (client.4151), pvc-2 is open at 10.0.0.2:0/2 (client.4152)", refused.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("q4", true)]
    [InlineData("a", true)]
    [InlineData("2026-q4", true)]
    [InlineData("", false)]
    [InlineData("-a", false)]
    [InlineData("a-", false)]
    [InlineData("A", false)]
    [InlineData("a.b", false)]
    [InlineData("a/b", false)]
    [InlineData("a b", false)]
    [InlineData("a\n", false)]
    [InlineData("ä", false)]
    [InlineData("../etc", false)]
    public void A_name_is_a_dns_label(string name, bool isValid) => Assert.Equal(isValid, DrillName.IsValid(name));

    [Fact]
    public void A_name_leaves_room_for_that_of_its_namespace()
    {
        var longest = new string('a', DrillName.MaximumLength);
        Assert.True(DrillName.IsValid(longest));
        Assert.True(DrillName.IsLabel(DrillName.NamespaceOf(longest)));
        Assert.False(DrillName.IsLabel(DrillName.NamespaceOf(longest + "a")));
        Assert.False(DrillName.IsValid(longest + "a"));
    }

    [Fact]
    public void A_fresh_clone_keeps_what_is_true_of_it_alone() => Assert.Equal(
        [".rbd.csi.ceph.com/clientAddress/1", ".rbd.csi.ceph.com/userID/1", CreationMark.Key, "csi.storage.k8s.io/pv/name"],
        DrillMarks.Foreign(new Dictionary<string, string>
        {
            ["csi.storage.k8s.io/pv/name"] = "pvc-1",
            ["rbd.csi.ceph.com/encrypted"] = "encrypted",
            ["rbd.csi.ceph.com/dek"] = "key",
            [CreationMark.Key] = "seconds:1 nanos:1",
            [".rbd.csi.ceph.com/clientAddress/1"] = "10.0.0.1",
            [".rbd.csi.ceph.com/userID/1"] = "csi",
            ["conf_rbd_cache"] = "false",
        }).Order(StringComparer.Ordinal));
}
