using System.Net;
using RbdReplication.Ceph;

namespace RbdReplication.Tests.Fencing;

public sealed class CidrBlockTests
{
    private static CidrBlock Read(string text)
    {
        Assert.True(CidrBlock.TryParse(text, out var block, out var problem), problem);
        return block;
    }

    [Theory]
    [InlineData("192.0.2.0/24", "192.0.2.0/24", 8)]
    [InlineData("192.0.2.7/24", "192.0.2.0/24", 8)]
    [InlineData("192.0.2.200/25", "192.0.2.128/25", 7)]
    [InlineData("192.0.2.7/32", "192.0.2.7/32", 0)]
    [InlineData("0.0.0.0/0", "0.0.0.0/0", 32)]
    [InlineData("2001:DB8:0::1/64", "2001:db8::/64", 64)]
    [InlineData("2001:db8::ff/127", "2001:db8::fe/127", 1)]
    [InlineData("::/0", "::/0", 128)]
    public void A_block_is_read_and_known_without_the_bits_behind_its_prefix(string text, string normal, int freeBits)
    {
        var block = Read(text);
        Assert.Equal(normal, block.Normal.ToString());
        Assert.Equal(block.Normal, Read(normal));
        Assert.Equal(freeBits, block.FreeBits);
    }

    [Theory]
    [InlineData("", "no prefix length")]
    [InlineData("192.0.2.1", "no prefix length")]
    [InlineData("/24", "no IP address")]
    [InlineData("192.0.2/24", "no IP address")]
    [InlineData("192.0.2.010/24", "no IP address")]
    [InlineData("1/8", "no IP address")]
    [InlineData("node-a.example/32", "no IP address")]
    [InlineData("fe80::1%eth0/64", "no IP address")]
    [InlineData("[2001:db8::]/64", "no IP address")]
    [InlineData("::ffff:192.0.2.0/120", "no IP address")]
    [InlineData("192.0.2.0/", "from 0 to 32")]
    [InlineData("192.0.2.0/33", "from 0 to 32")]
    [InlineData("192.0.2.0/-1", "from 0 to 32")]
    [InlineData("192.0.2.0/24/24", "from 0 to 32")]
    [InlineData("192.0.2.0/ 24", "from 0 to 32")]
    [InlineData("2001:db8::/129", "from 0 to 128")]
    public void What_is_no_block_is_told_with_its_fault(string text, string says)
    {
        Assert.False(CidrBlock.TryParse(text, out _, out var problem));
        Assert.Contains(says, problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("192.0.2.0/24", "192.0.2.255", true)]
    [InlineData("192.0.2.0/24", "192.0.3.0", false)]
    [InlineData("192.0.2.0/31", "192.0.2.1", true)]
    [InlineData("192.0.2.0/31", "192.0.2.2", false)]
    [InlineData("0.0.0.0/0", "203.0.113.1", true)]
    [InlineData("0.0.0.0/0", "2001:db8::1", false)]
    [InlineData("2001:db8::/64", "2001:db8::ffff:0:0:1", true)]
    [InlineData("2001:db8::/64", "2001:db8:0:1::1", false)]
    public void An_address_is_in_a_block_or_not(string block, string address, bool isIn) =>
        Assert.Equal(isIn, Read(block).Contains(IPAddress.Parse(address)));

    [Fact]
    public void The_addresses_of_a_block_are_counted_out_up_to_a_limit()
    {
        Assert.Equal(["192.0.2.254", "192.0.2.255"], Read("192.0.2.255/31").Addresses(100).Select(address => address.ToString()));
        Assert.Equal(256, Read("192.0.2.0/24").Addresses(1024).Distinct().Count());
        Assert.Equal(["192.0.2.255", "192.0.3.0"], Read("192.0.2.0/23").Addresses(1024).Skip(255).Take(2).Select(address => address.ToString()));
        Assert.Equal(1024, Read("2001:db8::/64").Addresses(1024).Count());
        Assert.Equal("2001:db8::3ff", Read("2001:db8::/64").Addresses(1024).Last().ToString());
    }
}
