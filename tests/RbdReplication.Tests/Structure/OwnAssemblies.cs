using System.Reflection;
using RbdReplication.Csi.Cli;

namespace RbdReplication.Tests.Structure;

/// <summary>The assemblies that the executable is made of and that are ours.</summary>
internal static class OwnAssemblies
{
    public static Assembly Csi { get; } = typeof(CommandLine).Assembly;

    public static IReadOnlyList<Assembly> All { get; } = [.. Reach(Csi, []).OrderBy(assembly => assembly.GetName().Name, StringComparer.Ordinal)];

    /// <summary>The assemblies of ours that one refers to.</summary>
    public static IEnumerable<Assembly> ReferencesOf(Assembly assembly) =>
        assembly.GetReferencedAssemblies().Where(name => name.Name!.StartsWith("RbdReplication.", StringComparison.Ordinal)).Select(Assembly.Load);

    private static HashSet<Assembly> Reach(Assembly assembly, HashSet<Assembly> reached)
    {
        if (reached.Add(assembly))
            foreach (var reference in ReferencesOf(assembly))
                Reach(reference, reached);
        return reached;
    }
}
