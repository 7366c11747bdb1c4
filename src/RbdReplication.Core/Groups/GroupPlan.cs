namespace RbdReplication.Core;

/// <summary>What has to be done for the journal to have a group that was made at the other site.</summary>
public abstract record GroupPlan
{
    private GroupPlan()
    {
    }

    /// <summary>Everything is as it should be.</summary>
    public sealed record UpToDate : GroupPlan;

    /// <summary>Something has to be written: look first whether the members' images are there.</summary>
    public sealed record Look : GroupPlan;

    /// <summary>Images of members are not there yet; nothing is written before they are, since one that is missing spoils the whole group.</summary>
    /// <param name="ImageName">The first of them.</param>
    /// <param name="Others">How many more there are.</param>
    public sealed record ImageMissing(string ImageName, int Others) : GroupPlan;

    /// <summary>An entry belongs to another group: a person has to decide, and nothing is written.</summary>
    /// <param name="Problem">Names both sides.</param>
    /// <param name="WayOut">What that person can do.</param>
    public sealed record Conflict(string Problem, string WayOut) : GroupPlan;

    /// <summary>Entries have to be written.</summary>
    /// <param name="IsNew">Whether nothing at all was there before.</param>
    /// <param name="ObjectKeys">Those of the group's object.</param>
    /// <param name="IsListed">Whether the directory has the group already.</param>
    public sealed record Write(bool IsNew, IReadOnlyList<KeyValuePair<string, string>> ObjectKeys, bool IsListed) : GroupPlan;

    /// <summary>Decides, from values alone.</summary>
    /// <param name="wanted">What should be.</param>
    /// <param name="seen">What is.</param>
    /// <param name="time">Time of making for what is written.</param>
    public static GroupPlan For(GroupReservation wanted, GroupSighting seen, DateTimeOffset time)
    {
        ArgumentNullException.ThrowIfNull(wanted);
        ArgumentNullException.ThrowIfNull(seen);
        if (FindConflict(wanted, seen) is { } conflict)
            return conflict;
        var isListed = seen.Listed is not null;
        var isNamed = isListed && seen.Entry is { IsComplete: true };
        if (isNamed && !wanted.Unlisted(seen.Entry).Any())
            return new UpToDate();
        if (seen.Images is not { } images)
            return new Look();
        // With its RBD group a group is in use here, and the calls for it say who its members are.
        if (isNamed && images.HasRbdGroup)
            return new UpToDate();
        return images.Missing is [var first, ..]
            ? new ImageMissing(first, images.Missing.Count - 1)
            : new Write(seen.Entry is null && !isListed, wanted.Missing(seen.Entry, time), isListed);
    }

    private static Conflict? FindConflict(GroupReservation wanted, GroupSighting seen)
    {
        if (seen.Entry?.RequestName is { } recorded && recorded != wanted.RequestName)
            return new($"its uuid {wanted.Uuid} is that of the group of name {recorded}", "Restore the object under that name if that group is meant; if not, delete that group first");
        if (seen.Listed is not { } listed)
            return null;
        if (!JournalKeys.TryParseDirectoryValue(listed, seen.PoolId, out var uuid, out var poolId))
            return new($"the directory entry of {wanted.RequestName} is \"{listed}\", which is no group's uuid", "Remove that entry with rados rmomapkey");
        return uuid == wanted.Uuid && poolId == seen.PoolId
            ? null
            : new(
                $"the directory has \"{listed}\" for {wanted.RequestName}, and its handle names {wanted.Uuid}",
                "Restore the object with the handle of that group if it is meant; if not, delete that group first, or where nothing is left of it remove the entry with rados rmomapkey");
    }
}

/// <summary>What is seen of a group in the journal.</summary>
/// <param name="Listed">What the directory has for its name; null if nothing.</param>
/// <param name="PoolId">The pool that was looked in.</param>
/// <param name="Entry">What its object has; null if there is none.</param>
/// <param name="Images">What is there of its images; null where that was not looked at.</param>
public sealed record GroupSighting(string? Listed, long PoolId, GroupEntry? Entry, GroupImages? Images);

/// <summary>What is there of a group's images.</summary>
/// <param name="HasRbdGroup">Whether its RBD group exists.</param>
/// <param name="Missing">Names of the members' images that do not exist.</param>
public sealed record GroupImages(bool HasRbdGroup, IReadOnlyList<string> Missing);
