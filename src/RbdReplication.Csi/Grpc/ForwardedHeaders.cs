using System.Globalization;

namespace RbdReplication.Csi.Grpc;

/// <summary>Which headers of a call go on to the driver and back, and the one that is written again: the time that is left.</summary>
internal static class ForwardedHeaders
{
    /// <summary>Header with the time that a caller gives a call.</summary>
    public const string Timeout = "grpc-timeout";

    // What timers take; callers wait for less.
    private static readonly TimeSpan MaximumTime = TimeSpan.FromDays(49);

    private const int MaximumDigits = 8;
    private const long MaximumValue = 99_999_999;

    // Those of one connection, RFC 9110 section 7.6.1, and those that each side writes itself.
    private static readonly HashSet<string> OfOneHop = new(StringComparer.OrdinalIgnoreCase)
    {
        "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade",
        "http2-settings", "host", "content-length", "expect", "date", "server", Timeout,
    };

    /// <summary>Whether a header or trailer is part of the call and not of the connection, and can be written as it is.</summary>
    public static bool GoesOn(string name, string value) =>
        name.Length > 0 && name[0] != ':' && !OfOneHop.Contains(name) && !value.AsSpan().ContainsAnyExceptInRange(' ', '~');

    /// <summary>Reads a time such as <c>250m</c>: at most eight digits and a unit, hours to nanoseconds.</summary>
    /// <returns>Null for what is no time.</returns>
    public static TimeSpan? ParseTime(string? text)
    {
        if (text is not { Length: > 1 and <= MaximumDigits + 1 }
            || !long.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var value))
            return null;
        long? unit = text[^1] switch
        {
            'H' => TimeSpan.TicksPerHour,
            'M' => TimeSpan.TicksPerMinute,
            'S' => TimeSpan.TicksPerSecond,
            'm' => TimeSpan.TicksPerMillisecond,
            'u' => TimeSpan.TicksPerMicrosecond,
            'n' => 0,
            _ => null,
        };
        return unit switch
        {
            null => null,
            0 => TimeSpan.FromTicks(value / TimeSpan.NanosecondsPerTick),
            // Eight digits of hours are less than what 64 bits of ticks hold.
            var ticks => TimeSpan.FromTicks(Math.Min(MaximumTime.Ticks, value * ticks.Value)),
        };
    }

    /// <summary>Writes a time, in the smallest unit that has room for it.</summary>
    public static string FormatTime(TimeSpan time)
    {
        var microseconds = Math.Max(0, time.Ticks / TimeSpan.TicksPerMicrosecond);
        return microseconds <= MaximumValue ? $"{microseconds}u"
            : microseconds / 1000 <= MaximumValue ? $"{microseconds / 1000}m"
            : $"{microseconds / 1_000_000}S";
    }
}
