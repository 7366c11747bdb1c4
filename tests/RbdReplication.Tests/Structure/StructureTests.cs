using System.Reflection;

namespace RbdReplication.Tests.Structure;

/// <summary>What CONTRIBUTING.md says of the layers, held by what the compiler made of them.</summary>
public sealed class StructureTests
{
    private const string Csi = "rbd-replication";
    private const string PersistentVolumes = "RbdReplication.PersistentVolumes";
    private const string Core = "RbdReplication.Core";
    private const string Ceph = "RbdReplication.Ceph";
    private const string Kubernetes = "RbdReplication.Kubernetes";
    private const string DisasterRecovery = "RbdReplication.DisasterRecovery";

    private static readonly Dictionary<string, string[]> Below = new()
    {
        [Csi] = [PersistentVolumes, DisasterRecovery, Core, Kubernetes],
        [PersistentVolumes] = [Core, Kubernetes],
        [DisasterRecovery] = [Core, Kubernetes],
        [Core] = [Ceph],
        [Kubernetes] = [],
        [Ceph] = [],
    };

    private static readonly Lazy<IReadOnlyList<(TypeName User, TypeName Used)>> Uses = new(
        () => [.. OwnAssemblies.All.SelectMany(TypeUses.Of).SelectMany(uses => uses.Select(used => (uses.Key, used)))]);

    [Fact]
    public void References_between_the_projects_go_down_only()
    {
        Assert.Equal(Below.Keys.Order(StringComparer.Ordinal), OwnAssemblies.All.Select(NameOf).Order(StringComparer.Ordinal));
        foreach (var assembly in OwnAssemblies.All)
            Assert.Empty(OwnAssemblies.ReferencesOf(assembly).Select(NameOf).Except(Below[NameOf(assembly)]));
    }

    [Fact]
    public void No_namespaces_use_each_other_in_a_circle()
    {
        var edges = Uses.Value.Where(use => use.User.Assembly == use.Used.Assembly && use.User.Namespace != use.Used.Namespace)
            .ToLookup(use => (User: use.User.Namespace, Used: use.Used.Namespace));
        var circle = InCircles([.. edges.Select(edge => edge.Key)]);
        Assert.True(circle.Count == 0, string.Join("\n", circle.Select(edge =>
            $"{edge.User} uses {edge.Used}: {string.Join(", ", edges[edge].Select(use => $"{use.User.Name} uses {use.Used.Name}").Order(StringComparer.Ordinal))}")));
    }

    [Fact]
    public void Types_of_the_Ceph_binding_stop_at_Core()
    {
        var uses = Uses.Value.Where(use => use.User.Assembly is not (Core or Ceph) && use.Used.Assembly == Ceph)
            .Select(use => $"{use.User.Namespace}.{use.User.Name} uses {use.Used.Name}").Order(StringComparer.Ordinal).ToList();
        Assert.True(uses.Count == 0, string.Join("\n", uses));
    }

    [Fact]
    public void Uses_are_found_in_signatures_and_in_code()
    {
        var uses = TypeUses.Of(typeof(StructureTests).Assembly).Single(type => type.Key.Name == nameof(Example)).Select(used => used.Name).ToList();
        Assert.Contains(nameof(OwnAssemblies), uses);
        Assert.Contains(nameof(TypeUses), uses);
        Assert.Contains(nameof(TypeName), uses);
    }

    [Fact]
    public void Circles_are_found()
    {
        Assert.Empty(InCircles([("a", "b"), ("b", "c"), ("a", "c")]));
        Assert.Equal([("b", "c"), ("c", "b")], InCircles([("a", "b"), ("b", "c"), ("c", "b"), ("c", "d"), ("d", "e")]));
        Assert.Equal(3, InCircles([("a", "b"), ("b", "c"), ("c", "a")]).Count);
    }

    /// <summary>The edges between those that can be reached from themselves.</summary>
    private static List<(string User, string Used)> InCircles(IReadOnlyCollection<(string User, string Used)> edges)
    {
        var left = edges.ToList();
        while (left.RemoveAll(edge => left.All(other => other.User != edge.Used) || left.All(other => other.Used != edge.User)) > 0)
        {
        }
        return left;
    }

    private static string NameOf(Assembly assembly) => assembly.GetName().Name!;
}

/// <summary>Uses types in the ways that are to be found: in a field, in a signature within another type, and by calls alone.</summary>
internal sealed class Example
{
    private readonly List<TypeName?> _field = [];

    public string? Call() => OwnAssemblies.Csi.FullName + _field.Count;

    public static void Take(Func<TypeUses?> read) => read();
}
