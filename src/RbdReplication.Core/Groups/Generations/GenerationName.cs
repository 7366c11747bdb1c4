using System.Globalization;
using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Name of the user snapshots of one generation of a group.</summary>
/// <param name="Group">Uuid of the group.</param>
/// <param name="Number">Number of the generation, from 1; each is given once.</param>
public readonly record struct GenerationName(string Group, long Number)
{
    private const string Prefix = "rbd-replication.";

    /// <summary>The name of a snapshot.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Prefix}{Group}.{Number}");

    /// <summary>Which generation of a group a user snapshot belongs to; null for one that is none of the group's.</summary>
    /// <param name="group">Uuid of the group.</param>
    /// <param name="snapshotName">Name of the snapshot.</param>
    /// <param name="isFinished">Whether all members had it of one instant when it got its name.</param>
    public static long? NumberOf(string group, string snapshotName, out bool isFinished)
    {
        ArgumentNullException.ThrowIfNull(snapshotName);
        var mark = snapshotName.IndexOf(GenerationTaking.UnfinishedMark, StringComparison.Ordinal);
        isFinished = mark < 0;
        var name = isFinished ? snapshotName : snapshotName[..mark];
        return long.TryParse(name.AsSpan(name.LastIndexOf('.') + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            && new GenerationName(group, number).ToString() == name
            ? number
            : null;
    }
}
