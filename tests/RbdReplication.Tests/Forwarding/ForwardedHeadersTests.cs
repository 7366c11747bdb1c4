using RbdReplication.Csi.Grpc;

namespace RbdReplication.Tests.Forwarding;

public sealed class ForwardedHeadersTests
{
    [Theory]
    [InlineData("1H", 3600)]
    [InlineData("2M", 120)]
    [InlineData("30S", 30)]
    [InlineData("250m", 0.25)]
    [InlineData("99999999u", 99.999999)]
    [InlineData("1000n", 0.000001)]
    [InlineData("0S", 0)]
    [InlineData("99999999H", 49 * 24 * 3600)]
    public void A_time_of_gRPC_is_read_and_bounded_by_what_timers_take(string text, double seconds) =>
        Assert.Equal(TimeSpan.FromSeconds(seconds), ForwardedHeaders.ParseTime(text));

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("S")]
    [InlineData("10")]
    [InlineData("-1S")]
    [InlineData("1.5S")]
    [InlineData("1s")]
    [InlineData("123456789S")]
    public void What_is_no_time_is_none(string? text) => Assert.Null(ForwardedHeaders.ParseTime(text));

    [Theory]
    [InlineData(0.0001, "100u")]
    [InlineData(99.999999, "99999999u")]
    [InlineData(150, "150000m")]
    [InlineData(49 * 24 * 3600, "4233600S")]
    [InlineData(-1, "0u")]
    public void A_time_is_written_in_the_smallest_unit_that_has_room(double seconds, string text) =>
        Assert.Equal(text, ForwardedHeaders.FormatTime(TimeSpan.FromSeconds(seconds)));

    [Theory]
    [InlineData("x-mine", "1", true)]
    [InlineData("Authorization", "x", true)]
    [InlineData("grpc-status-details-bin", "AA==", true)]
    [InlineData("Transfer-Encoding", "chunked", false)]
    [InlineData("te", "trailers", false)]
    [InlineData("grpc-timeout", "1S", false)]
    [InlineData(":path", "/", false)]
    [InlineData("x-mine", "é", false)]
    [InlineData("x-mine", "a\nb", false)]
    public void A_header_goes_on_unless_it_is_of_the_connection_or_cannot_be_written(string name, string value, bool goesOn) =>
        Assert.Equal(goesOn, ForwardedHeaders.GoesOn(name, value));
}
