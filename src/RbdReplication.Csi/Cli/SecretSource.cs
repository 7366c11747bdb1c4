using System.CommandLine;
using System.Text.Json;
using RbdReplication.Core;

namespace RbdReplication.Csi.Cli;

/// <summary>
/// Ceph user and key for the command line. They come from a file, a mounted secret, stdin or the environment, never from
/// the arguments, which everybody on the machine can see.
/// </summary>
internal static class SecretSource
{
    private const string UserVariable = "RBD_REPLICATION_USER_ID";
    private const string KeyVariable = "RBD_REPLICATION_USER_KEY";

    public static Option<string> Option() => Flags.Text(
        "--secret-file", "",
        $"userID and userKey as a JSON object, as userID=… lines or as a directory with a file each (a mounted secret); - for stdin. Without it: {UserVariable} and {KeyVariable}");

    /// <summary>Reads the secret; empty if there is none.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="FormatException">It has neither of the two forms.</exception>
    public static IReadOnlyDictionary<string, string> Read(string path)
    {
        if (path.Length == 0)
            return FromEnvironment();
        if (Directory.Exists(path))
        {
            return new[] { CephCredentials.UserField, CephCredentials.KeyField }
                .Where(name => File.Exists(Path.Combine(path, name)))
                .ToDictionary(name => name, name => File.ReadAllText(Path.Combine(path, name)).Trim());
        }
        var text = path == "-" ? Console.In.ReadToEnd() : File.ReadAllText(path);
        return text.TrimStart().StartsWith('{') ? FromJson(text) : FromLines(text);
    }

    private static Dictionary<string, string> FromEnvironment()
    {
        Dictionary<string, string> secrets = [];
        if (Environment.GetEnvironmentVariable(UserVariable) is { } user)
            secrets[CephCredentials.UserField] = user;
        if (Environment.GetEnvironmentVariable(KeyVariable) is { } key)
            secrets[CephCredentials.KeyField] = key;
        return secrets;
    }

    private static Dictionary<string, string> FromJson(string text)
    {
        try
        {
            using var json = JsonDocument.Parse(text);
            Dictionary<string, string> secrets = [];
            foreach (var property in json.RootElement.EnumerateObject().Where(property => property.Value.ValueKind == JsonValueKind.String))
                secrets[property.Name] = property.Value.GetString()!;
            return secrets;
        }
        // The parser's message quotes what it read. A text with half a surrogate pair is no JsonException.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new FormatException("the secret is no JSON object of texts");
        }
    }

    private static Dictionary<string, string> FromLines(string text)
    {
        Dictionary<string, string> secrets = [];
        foreach (var line in text.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var equals = line.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0)
                throw new FormatException("the secret has a line without \"=\"; it must have userID=… and userKey=… lines, or be a JSON object");
            secrets[line[..equals].Trim()] = line[(equals + 1)..].Trim();
        }
        return secrets;
    }
}
