using System.Globalization;

namespace RbdReplication.Core;

/// <summary>
/// Image metadata that says which drill a clone belongs to, and of what it is a clone. All is written at once: an image without it was cut off
/// while it was made. The keys begin with <c>.rbd</c>, so they would stay at this site whatever is done with the image.
/// </summary>
public static class DrillMarks
{
    /// <summary>Key of the drill's name.</summary>
    public const string Name = ".rbd-replication.drill";

    private const string Source = Name + ".source";
    private const string SourceImage = Name + ".source-image";
    private const string Point = Name + ".point";
    private const string Instant = Name + ".instant";

    // What ceph-csi says of the source's claim where it is told to; librbd copies all metadata along with the data.
    private const string ClaimPrefix = "csi.storage.k8s.io/";

    /// <summary>The drill that an image belongs to; null for any other image.</summary>
    public static string? DrillOf(IReadOnlyDictionary<string, string> metadata)
    {
        ArgumentNullException.ThrowIfNull(metadata);
        return metadata.GetValueOrDefault(Name);
    }

    /// <summary>Which keys of a fresh clone say what is true of its source alone.</summary>
    public static IReadOnlyList<string> Foreign(IReadOnlyDictionary<string, string> metadata)
    {
        ArgumentNullException.ThrowIfNull(metadata);
        return [.. metadata.Keys.Where(key => key == CreationMark.Key || key.StartsWith(ClaimPrefix, StringComparison.Ordinal) || NodeMarks.Is(key))];
    }

    /// <summary>What a clone is marked with.</summary>
    public static IReadOnlyCollection<KeyValuePair<string, string>> Of(string drill, DrillMember member)
    {
        ArgumentNullException.ThrowIfNull(member);
        return
        [
            new(Source, member.Source), new(SourceImage, $"{member.SourceImage} {member.SourceImageId}"), new(Point, member.Point.SnapshotName),
            new(Instant, $"{(member.Point.IsExact ? "" : "no later than ")}{member.Point.TakenAt.ToString("O", CultureInfo.InvariantCulture)}"),
            new(Name, drill),
        ];
    }
}
