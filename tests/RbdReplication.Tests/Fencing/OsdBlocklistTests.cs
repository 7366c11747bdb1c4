using RbdReplication.Ceph;

namespace RbdReplication.Tests.Fencing;

/// <summary>What monitors print for <c>osd blocklist ls</c>.</summary>
public sealed class OsdBlocklistTests
{
    private const string Addresses = """
        [{"addr":"192.0.2.9:0/0","until":"2031-11-26T18:10:21.433879+0000"},{"addr":"192.0.2.8:0/3624823","until":"2026-11-26T13:06:00.721617+0000"},{"addr":"[2001:db8::9]:0/0","until":"2026-11-26T13:06:00.683390+0000"},{"addr":"192.0.2.7:6800/4294967295","until":"2026-11-26T13:06:00.683390+0000"}]
        """;

    [Fact]
    public void Ranges_and_whole_addresses_are_read_and_single_clients_left_out()
    {
        var blocked = OsdBlocklist.Parse(Addresses + """[{"range":"192.0.2.0:0/24","until":"x"},{"range":"[2001:db8::]:0/64","until":"x"},{"range":"10.1.2.3:0/8","until":"x"}]""");
        Assert.True(blocked.KnowsRanges);
        Assert.Equal(["192.0.2.0/24", "2001:db8::/64", "10.1.2.3/8"], blocked.Ranges.Select(range => range.ToString()));
        Assert.Equal(["192.0.2.9", "2001:db8::9"], blocked.Addresses.Select(address => address.ToString()));
    }

    [Fact]
    public void Monitors_that_know_no_ranges_print_one_list()
    {
        Assert.False(OsdBlocklist.Parse(Addresses).KnowsRanges);
        Assert.False(OsdBlocklist.Parse("[]").KnowsRanges);
        Assert.True(OsdBlocklist.Parse("[][]").KnowsRanges);
        Assert.Equal(2, OsdBlocklist.Parse(Addresses).Addresses.Count);
    }

    [Fact]
    public void Addresses_in_Cephs_words_are_read()
    {
        Assert.Equal(["127.0.0.1"], MonMap.ReadAddresses("127.0.0.1:0/4095534513").Select(ip => ip.ToString()));
        Assert.Equal(["2001:db8::1"], MonMap.ReadAddresses("[2001:db8::1]:0/4095534513").Select(ip => ip.ToString()));
        Assert.Equal(["10.0.0.1"], MonMap.ReadAddresses("[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0]").Select(ip => ip.ToString()));
        Assert.Empty(MonMap.ReadAddresses("-"));
    }
}
