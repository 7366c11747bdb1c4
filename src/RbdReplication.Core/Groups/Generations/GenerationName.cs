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
    public static long? NumberOf(string group, string snapshotName, out bool isFinished) =>
        Parse(snapshotName, out isFinished) is { } name && name.Group == group ? name.Number : null;

    /// <summary>Which generation a user snapshot belongs to, of whichever group; null for one that is of none.</summary>
    /// <param name="snapshotName">Name of the snapshot.</param>
    /// <param name="isFinished">Whether all members had it of one instant when it got its name.</param>
    public static GenerationName? Parse(string snapshotName, out bool isFinished)
    {
        ArgumentNullException.ThrowIfNull(snapshotName);
        var mark = snapshotName.IndexOf(GenerationTaking.UnfinishedMark, StringComparison.Ordinal);
        isFinished = mark < 0;
        var name = isFinished ? snapshotName : snapshotName[..mark];
        return name.Split('.') is [_, var group, var digits]
            && Guid.TryParseExact(group, "D", out _)
            && long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            && new GenerationName(group, number) is var generation && generation.ToString() == name
            ? generation
            : null;
    }

    /// <summary>The generation that a finished user snapshot is of; null for one that is of none, or not finished.</summary>
    public static GenerationName? Parse(string snapshotName) => Parse(snapshotName, out var isFinished) is { } generation && isFinished ? generation : null;
}
