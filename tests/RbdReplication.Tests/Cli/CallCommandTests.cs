using RbdReplication.Csi.Cli;

namespace RbdReplication.Tests.Cli;

public sealed class CallCommandTests
{
    [Theory]
    [InlineData("call PromoteVolume -p schedulingInterval", "--parameter is \"schedulingInterval\", and must be key=value")]
    [InlineData("call PromoteVolume -p force=1 -p force=0", "--parameter gives \"force\" more than once")]
    [InlineData("call PromoteVolume --volume a --group b", "--volume and --group exclude each other")]
    [InlineData("call Promote", "there is no RPC \"Promote\"")]
    public void A_wrong_call_is_refused_before_anything_is_sent(string line, string message) =>
        Assert.StartsWith(message, Assert.Single(CommandLine.Root().Parse(line).Errors).Message, StringComparison.Ordinal);

    [Fact]
    public void A_parameter_may_hold_an_equals_sign() =>
        Assert.Empty(CommandLine.Root().Parse("call EnableVolumeReplication -p schedulingStartTime=14:00 -p note=a=b").Errors);
}
