using System.Text.RegularExpressions;

namespace RbdReplication.Core;

/// <summary>Name of a drill: a DNS label, as it is also part of the name of a namespace.</summary>
public static partial class DrillName
{
    /// <summary>The longest: with <see cref="NamespacePrefix"/> before it, it is a DNS label still.</summary>
    public const int MaximumLength = 57;

    /// <summary>Label of what Kubernetes has of a drill; its value is the drill's name.</summary>
    public const string Label = "rbd-replication/drill";

    private const string NamespacePrefix = "drill-";

    /// <summary>Whether a drill can have this name.</summary>
    public static bool IsValid(string name) => IsLabel(name) && name.Length <= MaximumLength;

    /// <summary>Whether a text is a DNS label, as the names of namespaces are.</summary>
    public static bool IsLabel(string text) => LabelPattern().IsMatch(text);

    /// <summary>The namespace of a drill's claims where none is named.</summary>
    public static string NamespaceOf(string name) => NamespacePrefix + name;

    [GeneratedRegex(@"\A[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\z", RegexOptions.CultureInvariant)]
    private static partial Regex LabelPattern();
}
