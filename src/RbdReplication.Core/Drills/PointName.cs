using System.Text.RegularExpressions;

namespace RbdReplication.Core;

/// <summary>Name of a consistency point of one volume, a user snapshot that its mirror snapshots carry to the peer. Groups have their generations.</summary>
/// <param name="Name">As people call it: letters, digits, dashes and underscores, at most 63 of them.</param>
public readonly partial record struct PointName(string Name)
{
    private const string Prefix = "rbd-replication.point.";

    /// <summary>Whether a point can have this name.</summary>
    public static bool IsValid(string name) => Pattern().IsMatch(name);

    /// <summary>The name of the snapshot.</summary>
    public override string ToString() => Prefix + Name;

    /// <summary>The point that a user snapshot is; null for one that is none.</summary>
    /// <param name="snapshotName">Name of the snapshot.</param>
    public static PointName? Parse(string snapshotName)
    {
        ArgumentNullException.ThrowIfNull(snapshotName);
        return snapshotName.StartsWith(Prefix, StringComparison.Ordinal) && IsValid(snapshotName[Prefix.Length..]) ? new(snapshotName[Prefix.Length..]) : null;
    }

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9_-]{0,62}\z", RegexOptions.CultureInvariant)]
    private static partial Regex Pattern();
}
