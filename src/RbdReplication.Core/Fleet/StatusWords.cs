namespace RbdReplication.Core;

/// <summary>How what is known of volumes and groups is named and ordered wherever it is shown: by <c>status</c>, in metrics and on the page.</summary>
public static class StatusWords
{
    /// <summary>A role or health in a word.</summary>
    public static string Word<T>(T state) where T : struct, Enum => state.ToString().ToLowerInvariant();

    /// <summary>What a volume is called: by its PersistentVolume, else by its image.</summary>
    public static string NameOf(MirroredVolume volume) => volume.PersistentVolume ?? volume.Status.ImageName;

    /// <summary>What an operation that goes on without its caller means for the volume.</summary>
    public static string MeaningOfOverdue(bool givesWay) =>
        givesWay ? "it gives way to any change of the volume" : "the volume is busy until it ends; check Ceph's health and the mirror daemons";

    /// <summary>The worst first, then by pool and name.</summary>
    public static IOrderedEnumerable<MirroredVolume> WorstFirst(this IEnumerable<MirroredVolume> volumes) => volumes
        .OrderByDescending(volume => volume.Status.Severity).ThenBy(volume => volume.Pool, StringComparer.Ordinal).ThenBy(NameOf, StringComparer.Ordinal);

    /// <summary>The worst first, then by pool and name.</summary>
    public static IOrderedEnumerable<GroupStatus> WorstFirst(this IEnumerable<GroupStatus> groups) => groups
        .OrderByDescending(group => group.Health.Severity()).ThenBy(group => group.Pool, StringComparer.Ordinal).ThenBy(group => group.Name, StringComparer.Ordinal);
}
