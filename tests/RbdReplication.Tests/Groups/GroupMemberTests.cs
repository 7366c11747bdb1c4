using RbdReplication.Core;

namespace RbdReplication.Tests.Groups;

public sealed class GroupMemberTests
{
    private static string Handle(int number, string cluster = "site-a") => new VolumeHandle(cluster, 2, $"00000000-0000-4000-8000-{number:000000000000}").ToString();

    private static ReplicationException Refusal(IReadOnlyCollection<string> list) => Assert.Throws<ReplicationException>(() => GroupMember.ParseList(list));

    [Fact]
    public void Handles_are_kept_letter_by_letter()
    {
        var written = Handle(1).Replace("0000000000000002", "000000000000000A", StringComparison.Ordinal);
        var member = Assert.Single(GroupMember.ParseList([written]));
        Assert.Equal(written, member.Id);
        Assert.Equal(10, member.Handle.PoolId);
        Assert.Empty(GroupMember.ParseList([]));
    }

    [Fact]
    public void A_volume_is_listed_once_by_whichever_sites_handle()
    {
        foreach (var twice in (string[])[Handle(1), Handle(1, "site-b")])
        {
            var refusal = Refusal([Handle(1), Handle(2), twice]);
            Assert.Equal(ReplicationError.InvalidArgument, refusal.Error);
            Assert.Contains("more than once", refusal.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void What_is_no_handle_is_named_with_its_fault()
    {
        var refusal = Refusal([Handle(1), "csi-vol-1"]);
        Assert.Equal(ReplicationError.InvalidArgument, refusal.Error);
        Assert.Contains("\"csi-vol-1\", which is not a volume handle of ceph-csi: ", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_hundred_are_taken_and_one_more_is_too_many()
    {
        Assert.Equal(100, GroupMember.ParseList([.. Enumerable.Range(0, 100).Select(i => Handle(i))]).Count);
        var refusal = Refusal([.. Enumerable.Range(0, 101).Select(i => Handle(i))]);
        Assert.Equal(ReplicationError.TooMany, refusal.Error);
        Assert.Contains("lists 101 volumes, and a volume group has 100 at most", refusal.Message, StringComparison.Ordinal);
    }
}
