using System.Net;
using RbdReplication.Ceph;
using RbdReplication.Core;

namespace RbdReplication.Tests.Fencing;

public sealed class FenceRulesTests
{
    private static readonly IPAddress[] Own = [IPAddress.Parse("10.1.0.7"), IPAddress.Parse("2001:db8:1::7")];
    private static readonly IPAddress[] Monitors = [IPAddress.Parse("10.2.0.1"), IPAddress.Parse("10.2.0.2"), IPAddress.Parse("2001:db8:2::1")];

    private static CidrBlock Read(string text) => CidrBlock.TryParse(text, out var block, out var problem) ? block : throw new ArgumentException(problem);

    [Theory]
    [InlineData("10.3.0.0/16")]
    [InlineData("192.0.2.1/32")]
    [InlineData("2001:db8:3::/48")]
    // A node that is lost may have had a monitor.
    [InlineData("10.2.0.1/32")]
    [InlineData("2001:db8:2::1/128")]
    public void A_network_of_nodes_and_a_single_node_may_be_fenced(string block) => Assert.Null(FenceRules.WhyNot(Read(block), Own, Monitors));

    [Theory]
    [InlineData("192.0.2.7/24", "write 192.0.2.0/24 for the whole block or 192.0.2.7/32 for the one address")]
    [InlineData("0.0.0.0/0", "larger than any network of nodes")]
    [InlineData("::/0", "larger than any network of nodes")]
    [InlineData("64.0.0.0/7", "larger than any network of nodes")]
    [InlineData("2001:d00::/24", "larger than any network of nodes")]
    [InlineData("10.1.0.7/32", "10.1.0.7 in it is this server's own address")]
    [InlineData("10.1.0.0/24", "10.1.0.7 in it is this server's own address")]
    [InlineData("2001:db8:1::/64", "2001:db8:1::7 in it is this server's own address")]
    [InlineData("10.2.0.0/31", "10.2.0.1 in it is a monitor's address")]
    [InlineData("2001:db8:2::/64", "2001:db8:2::1 in it is a monitor's address")]
    public void What_would_cut_off_more_than_was_meant_is_refused(string block, string says) =>
        Assert.Contains(says, FenceRules.WhyNot(Read(block), Own, Monitors), StringComparison.Ordinal);

    [Fact]
    public void Most_of_the_monitors_are_not_fenced_one_by_one_either()
    {
        Assert.Null(FenceRules.WhyNotTogether([Read("10.2.0.1/32"), Read("10.3.0.0/16")], Monitors));
        Assert.Contains(
            "2 of 3 addresses of monitors are among them", FenceRules.WhyNotTogether([Read("10.2.0.1/32"), Read("10.2.0.2/32")], Monitors), StringComparison.Ordinal);
    }

    [Fact]
    public void The_number_of_blocks_is_limited()
    {
        CidrBlock[] blocks = [.. Enumerable.Range(0, 1025).Select(i => Read($"10.{i / 256}.{i % 256}.0/24"))];
        Assert.Null(FenceRules.WhyTooManyBlocks(blocks[1..]));
        Assert.Contains("1025 blocks are more than 1024", FenceRules.WhyTooManyBlocks(blocks), StringComparison.Ordinal);
    }

    [Fact]
    public void Without_ranges_the_number_of_addresses_is_limited()
    {
        Assert.Null(FenceRules.WhyTooMany([Read("10.0.0.0/22")]));
        Assert.Contains("1025 single addresses are more than 1024", FenceRules.WhyTooMany([Read("10.0.0.0/22"), Read("10.0.8.0/32")]), StringComparison.Ordinal);
        Assert.NotNull(FenceRules.WhyTooMany([Read("2001:db8::/64")]));
    }

    [Fact]
    public void A_request_is_read_with_its_faults()
    {
        var secrets = new Dictionary<string, string> { ["userID"] = "csi", ["userKey"] = "AQBdUnlnAAAAABAAc2VjcmV0c2VjcmV0c2Vjcg==" };
        Dictionary<string, string> Parameters(params (string Key, string Value)[] pairs) => pairs.ToDictionary(pair => pair.Key, pair => pair.Value);
        void Refused(Dictionary<string, string> parameters, string[] cidrs, string says)
        {
            var e = Assert.Throws<ReplicationException>(() => FenceRequest.Parse(parameters, cidrs, secrets));
            Assert.Equal(ReplicationError.InvalidArgument, e.Error);
            Assert.Contains(says, e.Message, StringComparison.Ordinal);
        }

        Refused([], ["192.0.2.0/24"], "parameter clusterID is missing");
        Refused(Parameters(("clusterID", "")), ["192.0.2.0/24"], "parameter clusterID is missing");
        Refused(Parameters(("clusterID", "a"), ("force", "yes")), ["192.0.2.0/24"], "parameter force is \"yes\"");
        Refused(Parameters(("clusterID", "a")), [], "names no addresses");
        Refused(Parameters(("clusterID", "a")), ["192.0.2.0/24", ""], "\"\" is no block of addresses");
        var read = FenceRequest.Parse(Parameters(("clusterID", "a"), ("other", "x")), ["192.0.2.0/24", "192.0.2.0/24", "2001:db8::/64"], secrets);
        Assert.Equal(2, read.Blocks.Count);
        Assert.False(read.Force);
    }
}
