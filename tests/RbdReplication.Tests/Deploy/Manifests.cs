using System.Diagnostics;
using System.Text.RegularExpressions;
using YamlDotNet.RepresentationModel;

namespace RbdReplication.Tests.Deploy;

/// <summary>The files of <c>deploy/</c>, and what kubectl makes of them.</summary>
internal static partial class Manifests
{
    public static string Repository { get; } = FindRepository();

    public static string Folder { get; } = Path.Combine(Repository, "deploy");

    public static string Chart { get; } = Path.Combine(Folder, "helm", "rbd-replication");

    public static IReadOnlyList<YamlMappingNode> Read(params string[] path) => Parse(File.ReadAllText(Path.Combine([Folder, .. path])));

    public static IReadOnlyList<YamlMappingNode> Parse(string text)
    {
        var stream = new YamlStream();
        stream.Load(new StringReader(text));
        return [.. stream.Documents.Select(document => (YamlMappingNode)document.RootNode)];
    }

    /// <summary>Builds an overlay as <c>kubectl apply -k</c> does. A missing kubectl fails the test.</summary>
    public static IReadOnlyList<YamlMappingNode> Build(string overlay) => Parse(Kubectl("kustomize", Path.Combine(Folder, "kustomize", overlay)));

    public static string Kubectl(params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("kubectl", arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"kubectl {string.Join(' ', arguments)}: {error.Result}");
        return output;
    }

    /// <summary>
    /// Renders the chart's templates with its default values and some others. It knows the three constructs that the templates
    /// keep to (a value, if, else); any other fails the test. <see cref="HelmTests"/> shows that helm renders the same. The release is in
    /// namespace ceph-csi, or that of the setting <c>Release.Namespace</c>.
    /// </summary>
    public static IReadOnlyList<YamlMappingNode> Render(params (string Key, string Value)[] settings)
    {
        var values = Values().ToDictionary(pair => pair.Key, pair => pair.Value);
        foreach (var (key, value) in settings)
            values[key] = value;
        return [.. Directory.EnumerateFiles(Path.Combine(Chart, "templates"), "*.yaml").Order(StringComparer.Ordinal)
            .SelectMany(file => Parse(Render(File.ReadAllText(file), values)))];
    }

    /// <summary>The chart's values, flattened: <c>image.tag</c>.</summary>
    public static IEnumerable<KeyValuePair<string, string>> Values() => Flatten("", Parse(File.ReadAllText(Path.Combine(Chart, "values.yaml")))[0]);

    public static string Render(string template, IReadOnlyDictionary<string, string> values)
    {
        var output = new StringWriter();
        var stack = new Stack<bool>();
        foreach (var line in template.Split('\n'))
        {
            var step = Step().Match(line);
            if (!step.Success)
            {
                if (stack.All(shown => shown))
                    output.Write(Value().Replace(line, match => match.Groups[1].Value is "Release.Namespace" ? values.GetValueOrDefault(match.Groups[1].Value, "ceph-csi") : values[match.Groups[1].Value["Values.".Length..]]) + "\n");
                continue;
            }
            switch (step.Groups[1].Value)
            {
                case "else":
                    stack.Push(!stack.Pop());
                    break;
                case "end":
                    stack.Pop();
                    break;
                default:
                    stack.Push(values[step.Groups[2].Value] is not ("false" or "" or "0"));
                    break;
            }
        }
        Assert.Empty(stack);
        Assert.DoesNotContain("{{", output.ToString(), StringComparison.Ordinal);
        return output.ToString();
    }

    /// <summary>A text that is equal for nodes that mean the same: keys in order, and what is in a list by name; no anchors.</summary>
    public static string Canonical(YamlNode node) => node switch
    {
        YamlMappingNode map => "{" + string.Join(", ", map.Children.Select(pair => $"{pair.Key}: {Canonical(pair.Value)}").Order(StringComparer.Ordinal)) + "}",
        YamlSequenceNode list => "[" + string.Join(", ", list.Children.OrderBy(item => item.Text("name"), StringComparer.Ordinal).Select(Canonical)) + "]",
        _ => node.ToString(),
    };

    private static IEnumerable<KeyValuePair<string, string>> Flatten(string prefix, YamlMappingNode node) => node.Children.SelectMany(pair =>
        pair.Value is YamlMappingNode inner ? Flatten($"{prefix}{pair.Key}.", inner) : [new(prefix + pair.Key, pair.Value.ToString())]);

    private static string FindRepository()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "RbdReplication.Csi.sln")))
            folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("the tests do not run inside the repository");
        return folder;
    }

    [GeneratedRegex(@"^\s*\{\{- (if|else|end)(?: \.Values\.([A-Za-z.]+))? \}\}$")]
    private static partial Regex Step();

    [GeneratedRegex(@"\{\{ \.((?:Values\.[A-Za-z.]+)|Release\.Namespace) \}\}")]
    private static partial Regex Value();
}

/// <summary>Walks through YAML by keys.</summary>
internal static class YamlPath
{
    public static YamlNode? At(this YamlNode? node, params string[] keys)
    {
        foreach (var key in keys)
            node = node is YamlMappingNode map && map.Children.TryGetValue(new YamlScalarNode(key), out var value) ? value : null;
        return node;
    }

    public static string Text(this YamlNode? node, params string[] keys) => (node.At(keys) as YamlScalarNode)?.Value ?? "";

    public static IEnumerable<YamlNode> Items(this YamlNode? node, params string[] keys) => node.At(keys) is YamlSequenceNode list ? list.Children : [];

    public static Dictionary<string, string> Map(this YamlNode? node, params string[] keys) =>
        node.At(keys) is YamlMappingNode map ? map.Children.ToDictionary(pair => pair.Key.ToString(), pair => pair.Value.ToString()) : [];

    public static string Kind(this YamlNode node) => node.Text("kind");

    public static string Name(this YamlNode node) => node.Text("metadata", "name");
}
