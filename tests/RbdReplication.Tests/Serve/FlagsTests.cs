using System.CommandLine;
using RbdReplication.Csi.Cli;

namespace RbdReplication.Tests;

public sealed class FlagsTests
{
    [Theory]
    [InlineData("150s", 150)]
    [InlineData("2m", 120)]
    [InlineData("2m30s", 150)]
    [InlineData("1h", 3600)]
    [InlineData("1h1m1s", 3661)]
    [InlineData("500ms", 0.5)]
    [InlineData("1.5s", 1.5)]
    public void A_duration_is_hours_minutes_and_seconds(string text, double seconds)
    {
        Assert.True(Duration.TryParse(text, out var value));
        Assert.Equal(TimeSpan.FromSeconds(seconds), value);
    }

    [Theory]
    [InlineData(150, "2m30s")]
    [InlineData(60, "1m")]
    [InlineData(3661, "1h1m1s")]
    [InlineData(360000, "100h")]
    [InlineData(0.5, "0.5s")]
    [InlineData(1.25, "1.25s")]
    [InlineData(0, "0s")]
    public void A_duration_is_shown_as_it_is_written(double seconds, string text)
    {
        Assert.Equal(text, new Duration(TimeSpan.FromSeconds(seconds)).ToString());
        Assert.True(Duration.TryParse(text, out var read) || seconds == 0);
        Assert.Equal(TimeSpan.FromSeconds(seconds), read);
    }

    [Theory]
    [InlineData("")]
    [InlineData("0s")]
    [InlineData("150")]
    [InlineData("-1s")]
    [InlineData("1 s")]
    [InlineData("s")]
    [InlineData("1s1m")]
    [InlineData("1d")]
    [InlineData("1s\n")]
    [InlineData("99999999999999s")]
    [InlineData("00:02:30")]
    public void Anything_else_is_no_duration(string text) => Assert.False(Duration.TryParse(text, out _));

    [Fact]
    public void Each_option_has_a_twin_in_the_environment() =>
        Assert.Equal("RBD_REPLICATION_CSI_ADDONS_ENDPOINT", Flags.EnvironmentName("--csi-addons-endpoint"));

    private static IReadOnlyList<string> Errors(Option option, params string[] arguments)
    {
        var command = new RootCommand { option };
        return [.. command.Parse(arguments).Errors.Select(error => error.Message)];
    }

    [Theory]
    [InlineData("--size", "0")]
    [InlineData("--size", "11")]
    [InlineData("--size", "ten")]
    [InlineData("--size", "")]
    public void A_number_outside_its_range_is_named_with_option_and_range(params string[] arguments)
    {
        var error = Assert.Single(Errors(Flags.Number("--size", 5, 1, 10, ""), arguments));
        Assert.Contains("--size is", error, StringComparison.Ordinal);
        Assert.Contains("from 1 to 10", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("0", 0)]
    [InlineData("0s", 0)]
    [InlineData("1m30s", 90)]
    public void A_duration_may_be_zero_where_that_switches_something_off(string text, int seconds)
    {
        var option = Flags.DurationOrZero("--every", TimeSpan.FromSeconds(60), "");
        Assert.Equal(TimeSpan.FromSeconds(seconds), new RootCommand { option }.Parse(["--every", text]).GetValue(option));
        Assert.Contains("or 0", Assert.Single(Errors(option, "--every", "never")), StringComparison.Ordinal);
    }

    [Fact]
    public void A_duration_may_have_a_longest()
    {
        var option = Flags.DurationOrZero("--age", TimeSpan.FromSeconds(5), "", TimeSpan.FromSeconds(30));
        Assert.Empty(Errors(option, "--age", "30s"));
        Assert.Contains("such as 5s, at most 30s, or 0", Assert.Single(Errors(option, "--age", "30.001s")), StringComparison.Ordinal);
    }

    [Fact]
    public void A_choice_names_what_can_be_chosen() =>
        Assert.Contains("one of red, green", Assert.Single(Errors(Flags.Choice("--color", "red", "", "red", "green"), "--color", "blue")), StringComparison.Ordinal);

    [Theory]
    [InlineData("tcp://x")]
    [InlineData("/run/x.sock")]
    [InlineData("")]
    public void An_endpoint_needs_its_scheme(string text) =>
        Assert.Contains("starts with unix://", Assert.Single(Errors(Flags.Endpoint("--at", "unix:///x", "", "unix"), "--at", text)), StringComparison.Ordinal);

    [Theory]
    [InlineData("--on", true)]
    [InlineData("--on=true", true)]
    [InlineData("--on=false", false)]
    [InlineData("", false)]
    public void A_switch_may_stand_alone(string argument, bool expected)
    {
        var option = Flags.Switch("--on", "");
        var command = new RootCommand { option };
        Assert.Equal(expected, command.Parse(argument).GetValue(option));
    }
}
