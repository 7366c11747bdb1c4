using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using RbdReplication.Csi.Hosting;

namespace RbdReplication.Csi.Cli;

/// <summary>
/// Makes options that can be given on the command line or by an environment variable: <c>--driver-name</c> is also
/// <c>RBD_REPLICATION_DRIVER_NAME</c>. The command line wins.
/// </summary>
internal static partial class Flags
{
    private const string UnixScheme = "unix";

    // sockaddr_un holds this and a NUL.
    private const int MaximumSocketPathBytes = 107;

    private delegate bool TryParse<T>(string text, out T value);

    /// <summary>Name of the environment variable of an option.</summary>
    public static string EnvironmentName(string option) =>
        "RBD_REPLICATION_" + option.TrimStart('-').Replace('-', '_').ToUpperInvariant();

    public static Option<string> Text(string name, string fallback, string description) =>
        Create(name, fallback, description, "any text", static (string text, out string value) =>
        {
            value = text;
            return true;
        });

    public static Option<string> Choice(string name, string fallback, string description, params string[] allowed)
    {
        var option = Create(name, fallback, description, "one of " + string.Join(", ", allowed), (string text, out string value) =>
        {
            value = text;
            return allowed.Contains(text);
        });
        option.CompletionSources.Add(allowed);
        return option;
    }

    public static Option<TimeSpan> Duration(string name, TimeSpan fallback, string description) =>
        Create(name, fallback, description, "a duration such as 150s or 2m", TryParseDuration);

    /// <summary>A duration, where 0 switches something off.</summary>
    public static Option<TimeSpan> DurationOrZero(string name, TimeSpan fallback, string description) =>
        Create(name, fallback, description, "a duration such as 60s or 5m, or 0", static (string text, out TimeSpan value) =>
            TryParseDuration(text, out value) || text is "0" or "0s");

    public static Option<int> Number(string name, int fallback, int minimum, int maximum, string description) =>
        Create(name, fallback, description, $"a number from {minimum} to {maximum}", (string text, out int value) =>
            int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value) && value >= minimum && value <= maximum);

    public static Option<Uri> Endpoint(string name, string fallback, string description, params string[] schemes) =>
        Create(name, new Uri(fallback), description,
            "a URI that starts with " + string.Join(" or ", schemes.Select(scheme => scheme + "://")) + (schemes.Contains(UnixScheme) ? $" and whose path has at most {MaximumSocketPathBytes} bytes" : ""),
            (string text, out Uri value) => Uri.TryCreate(text, UriKind.Absolute, out value!) && schemes.Contains(value.Scheme)
                && (value.Scheme != UnixScheme || Encoding.UTF8.GetByteCount(value.LocalPath) <= MaximumSocketPathBytes));

    public static Option<bool> Switch(string name, string description) =>
        Create(name, false, description, "true or false", (string text, out bool value) =>
            bool.TryParse(text, out value), ArgumentArity.ZeroOrOne);

    /// <summary>A group of the system; null where the option is not given.</summary>
    public static Option<UnixGroup?> Group(string name, string description) =>
        Create<UnixGroup?>(name, null, description, "the name of a group that this system knows, or a number", UnixGroup.TryFind);

    /// <summary>Reads 150s, 2m30s, 1h or 500ms.</summary>
    internal static bool TryParseDuration(string text, out TimeSpan value)
    {
        value = TimeSpan.Zero;
        var match = DurationPattern().Match(text);
        if (!match.Success || text.Length == 0)
            return false;
        double Part(string group) => match.Groups[group].Success ? double.Parse(match.Groups[group].ValueSpan, CultureInfo.InvariantCulture) : 0;
        value = TimeSpan.FromHours(Part("h")) + TimeSpan.FromMinutes(Part("m")) + TimeSpan.FromSeconds(Part("s")) + TimeSpan.FromMilliseconds(Part("ms"));
        return value > TimeSpan.Zero;
    }

    private static Option<T> Create<T>(
        string name, T fallback, string description, string wanted, TryParse<T> tryParse, ArgumentArity? arity = null)
    {
        T Parse(SymbolResult result, string text, string source)
        {
            if (tryParse(text, out var value))
                return value;
            result.AddError($"{source} is \"{text}\", and must be {wanted}");
            return fallback;
        }

        return new Option<T>(name)
        {
            Description = description,
            Arity = arity ?? ArgumentArity.ExactlyOne,
            CustomParser = result => result.Tokens.Count == 0 && typeof(T) == typeof(bool)
                ? (T)(object)true
                : Parse(result, result.Tokens[^1].Value, name),
            DefaultValueFactory = result => Environment.GetEnvironmentVariable(EnvironmentName(name)) is { } text
                ? Parse(result, text, EnvironmentName(name))
                : fallback,
        };
    }

    [GeneratedRegex(@"\A(?:(?<h>[0-9]{1,4})h)?(?:(?<m>[0-9]{1,5})m(?!s))?(?:(?<s>[0-9]{1,6}(?:\.[0-9]{1,3})?)s)?(?:(?<ms>[0-9]{1,7})ms)?\z", RegexOptions.CultureInvariant)]
    private static partial Regex DurationPattern();
}
