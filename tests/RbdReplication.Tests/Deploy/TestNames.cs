using System.Reflection;
using System.Text.RegularExpressions;
using Xunit.v3;

namespace RbdReplication.Tests.Deploy;

/// <summary>The tests that the pages name, as class or class.method between marks of code.</summary>
internal static partial class TestNames
{
    /// <summary>Those that there are: of this assembly, and, by their source, those on real Ceph and Kubernetes.</summary>
    public static IReadOnlySet<string> All { get; } = OfThisAssembly().Concat(OnRealCluster("RbdReplication.CephTests")).Concat(OnRealCluster("RbdReplication.KubernetesTests")).ToHashSet(StringComparer.Ordinal);

    public static IEnumerable<string> NamedIn(string text) => Name().Matches(text).Select(match => match.Groups[1].Value);

    private static IEnumerable<string> OfThisAssembly() =>
        from type in typeof(TestNames).Assembly.GetTypes()
        from method in type.GetMethods(BindingFlags.Instance | BindingFlags.Public | BindingFlags.DeclaredOnly)
        where method.GetCustomAttributes().OfType<IFactAttribute>().Any()
        from name in (string[])[type.Name, $"{type.Name}.{method.Name}"]
        select name;

    private static IEnumerable<string> OnRealCluster(string program) =>
        from file in Directory.EnumerateFiles(Path.Combine(Manifests.Repository, "tests", program), "*.cs", SearchOption.AllDirectories)
        from part in Class().Split(File.ReadAllText(file)).Skip(1).Chunk(2)
        from name in Method().Matches(part[1]).Select(method => $"{part[0]}.{method.Groups[1].Value}").Append(part[0])
        select name;

    [GeneratedRegex(@"\bclass ([A-Za-z]+Tests)\b")]
    private static partial Regex Class();

    [GeneratedRegex(@"public (?:async Task|Task|void) ([A-Z]\w+)\(")]
    private static partial Regex Method();

    [GeneratedRegex(@"`([A-Z][A-Za-z]+Tests(?:\.\w+)?)`")]
    private static partial Regex Name();
}
