using RbdReplication.Kubernetes;
using RbdReplication.Kubernetes.Groups;
using RbdReplication.PersistentVolumes;

namespace RbdReplication.Tests.PersistentVolumes;

public sealed class GroupRequestTests
{
    private const string Driver = "rbd.csi.ceph.com";
    private const string Uuid = "0c23de1c-18fb-11eb-a903-0242ac110005";
    private const string Member = "0001-0009-rook-ceph-0000000000000002-1c23de1c-18fb-11eb-a903-0242ac110005";

    private static readonly VolumeGroupContent Good = new()
    {
        Name = "vgrcontent-1",
        Driver = Driver,
        Handle = "0001-0009-rook-ceph-0000000000000002-" + Uuid,
        ClassName = "rbd-groups",
        VolumeHandles = [Member],
        Attributes = new VolumeGroupAttributes { Pool = "replicapool" },
        Secret = new ObjectName("ceph", "csi-rbd"),
    };

    [Fact]
    public void A_good_object_gives_its_group()
    {
        var request = GroupRequest.From(Good, out _)!;
        Assert.Equal(("vgrcontent-1", Uuid, "csi-vol-group-" + Uuid), (request.Reservation.RequestName, request.Reservation.Uuid, request.Reservation.GroupName));
        Assert.Equal(Member, Assert.Single(request.Reservation.Members).Id);
        Assert.Equal(("replicapool", "rook-ceph"), (request.Pool, request.Handle.ClusterId));
        Assert.Equal("gold-" + Uuid, GroupRequest.From(Good with { Attributes = new() { Pool = "p", JournalPool = "p", VolumeNamePrefix = "gold-" } }, out _)!.Reservation.GroupName);
        Assert.Empty(GroupRequest.From(Good with { VolumeHandles = [] }, out _)!.Reservation.Members);
    }

    public static TheoryData<VolumeGroupContent, string> BrokenGroups => new()
    {
        { Good with { Handle = "garbage" }, "its volumeGroupReplicationHandle 'garbage' is not valid" },
        { Good with { Handle = new string('x', 100_000) }, "volumeGroupReplicationHandle" },
        { Good with { Attributes = null }, "rbd-groups have a pool" },
        { Good with { Attributes = new() { Pool = "p", JournalPool = "other" } }, "must be p like pool" },
        { Good with { Attributes = new() { Pool = "p", VolumeNamePrefix = "a/b" } }, "volumeNamePrefix" },
        { Good with { Secret = null }, "group-replication-secret-name" },
        { Good with { VolumeHandles = [Member, "garbage"] }, "\"garbage\"" },
        { Good with { VolumeHandles = [Member, Member] }, "more than once" },
        { Good with { VolumeHandles = [.. Enumerable.Repeat(Member, 101)] }, "100 at most" },
    };

    [Theory]
    [MemberData(nameof(BrokenGroups))]
    public void A_broken_object_gives_a_short_reason(VolumeGroupContent content, string part)
    {
        Assert.Null(GroupRequest.From(content, out var problem));
        Assert.Contains(part, problem, StringComparison.Ordinal);
        Assert.InRange(problem.Length, 1, 400);
    }

    [Fact]
    public void Objects_that_need_nothing_are_exempt()
    {
        Assert.False(GroupRequest.IsExempt(Good, Driver));
        Assert.True(GroupRequest.IsExempt(Good with { Deleting = true }, Driver));
        Assert.True(GroupRequest.IsExempt(Good with { Handle = "" }, Driver));
        Assert.True(GroupRequest.IsExempt(Good with { Handle = null }, Driver));
        Assert.True(GroupRequest.IsExempt(Good, "another.example.com"));
    }
}
