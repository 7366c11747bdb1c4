using System.Globalization;
using System.Text.RegularExpressions;

namespace RbdReplication.Csi.Cli;

/// <summary>A time span as the command line has it, which is also how the help shows a default: 150s, 2m30s, 1h, 500ms.</summary>
/// <param name="Span">How long it is.</param>
internal readonly partial record struct Duration(TimeSpan Span)
{
    public static implicit operator TimeSpan(Duration duration) => duration.Span;

    /// <summary>Reads one that is longer than nothing.</summary>
    public static bool TryParse(string text, out Duration value)
    {
        var match = Pattern().Match(text);
        double Part(string group) => match.Groups[group].Success ? double.Parse(match.Groups[group].ValueSpan, CultureInfo.InvariantCulture) : 0;
        value = new(TimeSpan.FromHours(Part("h")) + TimeSpan.FromMinutes(Part("m")) + TimeSpan.FromSeconds(Part("s")) + TimeSpan.FromMilliseconds(Part("ms")));
        return value.Span > TimeSpan.Zero;
    }

    public override string ToString()
    {
        static string Part(double number, string unit) => number == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"{number}{unit}");
        var text = Part((int)Span.TotalHours, "h") + Part(Span.Minutes, "m") + Part(Span.Seconds + Span.Milliseconds / 1000.0, "s");
        return text.Length == 0 ? "0s" : text;
    }

    [GeneratedRegex(@"\A(?:(?<h>[0-9]{1,4})h)?(?:(?<m>[0-9]{1,5})m(?!s))?(?:(?<s>[0-9]{1,6}(?:\.[0-9]{1,3})?)s)?(?:(?<ms>[0-9]{1,7})ms)?\z", RegexOptions.CultureInvariant)]
    private static partial Regex Pattern();
}
