using CsCheck;
using RbdReplication.Ceph;

namespace RbdReplication.Tests.Volumes;

public sealed class MonitorListTests
{
    [Theory]
    // Every way that Ceph, Rook and people write one monitor.
    [InlineData("10.0.0.1:6789", "v1:10.0.0.1:6789")]
    [InlineData("10.0.0.1:3300", "v2:10.0.0.1:3300")]
    [InlineData("10.0.0.1", "[v2:10.0.0.1:3300,v1:10.0.0.1:6789]")]
    [InlineData("10.0.0.1:0", "[v2:10.0.0.1:3300,v1:10.0.0.1:6789]")]
    [InlineData("10.0.0.1:7000", "10.0.0.1:7000")]
    [InlineData("v1:10.0.0.1", "v1:10.0.0.1:6789")]
    [InlineData("v2:10.0.0.1", "v2:10.0.0.1:3300")]
    [InlineData("V2:10.0.0.1:7000", "v2:10.0.0.1:7000")]
    [InlineData("any:10.0.0.1:7000", "10.0.0.1:7000")]
    [InlineData("10.0.0.1:6789/0", "v1:10.0.0.1:6789")]
    [InlineData("v2:10.0.0.1:3300/1234", "v2:10.0.0.1:3300")]
    [InlineData("[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0]", "[v2:10.0.0.1:3300,v1:10.0.0.1:6789]")]
    [InlineData("[v1:10.0.0.1:6789 v2:10.0.0.1:3300]", "[v2:10.0.0.1:3300,v1:10.0.0.1:6789]")]
    [InlineData("[10.0.0.1:3300,10.0.0.1:6789]", "[v2:10.0.0.1:3300,v1:10.0.0.1:6789]")]
    [InlineData("[fd00::1]:6789", "v1:[fd00::1]:6789")]
    [InlineData("[fd00::1]", "[v2:[fd00::1]:3300,v1:[fd00::1]:6789]")]
    [InlineData("fd00::1", "[v2:[fd00::1]:3300,v1:[fd00::1]:6789]")]
    [InlineData("FD00:0:0::1", "[v2:[fd00::1]:3300,v1:[fd00::1]:6789]")]
    [InlineData("[::ffff:10.0.0.1]:6789", "v1:10.0.0.1:6789")]
    [InlineData("[v2:[fd00::1]:3300/0,v1:[fd00::1]:6789/0]", "[v2:[fd00::1]:3300,v1:[fd00::1]:6789]")]
    [InlineData("Mon-A.Example:6789", "v1:mon-a.example:6789")]
    [InlineData("mon-a.example.", "[v2:mon-a.example:3300,v1:mon-a.example:6789]")]
    [InlineData(" 10.0.0.1:6789\n", "v1:10.0.0.1:6789")]
    // Several in one entry.
    [InlineData("b:6789,a:6789", "v1:a:6789,v1:b:6789")]
    [InlineData("a:6789; b:6789 c:6789,,", "v1:a:6789,v1:b:6789,v1:c:6789")]
    [InlineData("[v2:a,v1:a][v2:b,v1:b]", "[v2:a:3300,v1:a:6789],[v2:b:3300,v1:b:6789]")]
    // Twice, each of which ends a process that passes it to librados, or makes it ask for ever.
    [InlineData("[v2:a:1,v1:a:2],[v2:a:1,v1:a:2]", "[v2:a:1,v1:a:2]")]
    [InlineData("a:2,[v2:a:1,v1:a:2]", "[v2:a:1,v1:a:2]")]
    [InlineData("[v2:a:1,v1:a:2],a:1", "[v2:a:1,v1:a:2]")]
    [InlineData("v1:a:2/5,[v2:a:1,v1:a:2/0]", "v1:a:2,v2:a:1")]
    [InlineData("a,a:6789,a:3300", "[v2:a:3300,v1:a:6789]")]
    [InlineData("[v2:a:1,v2:a:1]", "v2:a:1")]
    public void Monitors_are_read_as_they_are_written_and_each_address_is_kept_once(string entry, string expected) =>
        Assert.Equal(expected, MonitorList.Parse([entry]).ToString());

    [Fact]
    public void The_order_and_the_number_of_entries_make_no_difference() => Assert.Equal(
        MonitorList.Parse(["10.0.0.2", "", null, "10.0.0.1:6789 v2:10.0.0.1:3300"]).ToString(),
        MonitorList.Parse(["10.0.0.1:3300", "v1:10.0.0.1", "[v1:10.0.0.2,v2:10.0.0.2]"]).ToString());

    [Theory]
    [InlineData("10.0.0.1:99999")]
    [InlineData("10.0.0.1:-1")]
    [InlineData("10.0.0.1:")]
    [InlineData("10.0.0.1:67x")]
    [InlineData("10.0.0.1:6789/x")]
    [InlineData("256.1.1.1")]
    [InlineData("010.0.0.1")]
    [InlineData("1")]
    [InlineData("0.0.0.0:6789")]
    [InlineData("::")]
    [InlineData("[fe80::1%eth0]:6789")]
    [InlineData("[10.0.0.1]:6789")]
    [InlineData("v3:10.0.0.1")]
    [InlineData("v2:")]
    [InlineData("[]")]
    [InlineData("[v2:10.0.0.1:3300")]
    [InlineData("v2:10.0.0.1:3300]")]
    [InlineData("[v2:10.0.0.1:3300]/0")]
    [InlineData("[v2:10.0.0.1:3300]x")]
    [InlineData("[[v2:10.0.0.1:3300]]")]
    [InlineData("rook-ceph-mon-a..svc")]
    [InlineData("mon_host=x")]
    [InlineData("{}")]
    public void What_is_no_address_is_refused_and_named(string entry)
    {
        var error = Assert.Throws<FormatException>(() => MonitorList.Parse(["10.0.0.9", entry]));
        Assert.Equal($"\"{entry}\" is no address of a monitor", error.Message);
    }

    [Fact]
    public void No_monitor_and_more_than_librados_bears_are_refused()
    {
        Assert.Equal("no monitor is listed", Assert.Throws<FormatException>(() => MonitorList.Parse([" ", null, ",;"])).Message);
        var many = Enumerable.Range(1, 65).Select(i => $"10.0.0.{i}");
        Assert.Equal("65 monitors are listed, more than 64", Assert.Throws<FormatException>(() => MonitorList.Parse(many)).Message);
    }

    [Fact]
    public void Any_text_is_read_or_refused() => Gen.Char["[]v12:.,;/ 0369abf%\n"].Array[0, 30].Sample(
        characters =>
        {
            try
            {
                var text = MonitorList.Parse([new string(characters)]).ToString();
                Assert.Equal(text, MonitorList.Parse([text]).ToString());
            }
            catch (FormatException)
            {
            }
        },
        iter: 20_000);
}
