using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Text;
using RbdReplication.Csi.Hosting;

namespace RbdReplication.Csi.Cli;

/// <summary>
/// Makes options that can be given on the command line or by an environment variable: <c>--driver-name</c> is also
/// <c>RBD_REPLICATION_DRIVER_NAME</c>. The command line wins.
/// </summary>
internal static class Flags
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

    public static Option<Duration> Duration(string name, TimeSpan fallback, string description) =>
        Create<Duration>(name, new(fallback), description, "a duration such as 150s or 2m", Cli.Duration.TryParse);

    /// <summary>A duration, where 0 switches something off.</summary>
    public static Option<Duration> DurationOrZero(string name, TimeSpan fallback, string description, TimeSpan? maximum = null) =>
        Create<Duration>(
            name, new(fallback), description, "a duration such as " + (maximum is { } most ? $"{new Duration(fallback)}, at most {new Duration(most)}" : "60s or 5m") + ", or 0",
            (string text, out Duration value) => Cli.Duration.TryParse(text, out value) ? !(value.Span > maximum) : text is "0" or "0s");

    public static Option<int> Number(string name, int fallback, int minimum, int maximum, string description) =>
        Create(name, fallback, description, $"a number from {minimum} to {maximum}", (string text, out int value) =>
            int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value) && value >= minimum && value <= maximum);

    public static Option<Uri> Endpoint(string name, string fallback, string description, params string[] schemes) =>
        Create(name, new Uri(fallback), description, Wanted(schemes), (string text, out Uri value) => IsEndpoint(text, schemes, out value!));

    /// <summary>An endpoint that need not be there; null where the option is not given, or is empty.</summary>
    public static Option<Uri?> OptionalEndpoint(string name, string description, params string[] schemes) =>
        Create<Uri?>(name, null, description, Wanted(schemes), (string text, out Uri? value) => IsEndpoint(text, schemes, out value) || text.Length == 0);

    private static bool IsEndpoint(string text, string[] schemes, out Uri? value)
    {
        if (Uri.TryCreate(text, UriKind.Absolute, out value) && schemes.Contains(value.Scheme)
            && (value.Scheme != UnixScheme || Encoding.UTF8.GetByteCount(value.LocalPath) <= MaximumSocketPathBytes))
            return true;
        value = null;
        return false;
    }

    private static string Wanted(string[] schemes) => "a URI that starts with " + string.Join(" or ", schemes.Select(scheme => scheme + "://"))
        + (schemes.Contains(UnixScheme) ? $" and whose path has at most {MaximumSocketPathBytes} bytes" : "");

    public static Option<bool> Switch(string name, string description) =>
        Create(name, false, description, "true or false", (string text, out bool value) =>
            bool.TryParse(text, out value), ArgumentArity.ZeroOrOne);

    /// <summary>A group of the system; null where the option is not given.</summary>
    public static Option<UnixGroup?> Group(string name, string description) =>
        Create<UnixGroup?>(name, null, description, "the name of a group that this system knows, or a number", UnixGroup.TryFind);

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
}
