namespace RbdReplication.Core;

/// <summary>What the journal says of a volume group.</summary>
/// <param name="Uuid">The group's uuid.</param>
/// <param name="RequestName">The name it was asked for by; null where making it was cut off.</param>
/// <param name="RecordedGroupName">Name of its RBD group; null where making it was cut off.</param>
/// <param name="Members">The keys of its members, as they stand there: volume handles of whichever site.</param>
public sealed record GroupEntry(string Uuid, string? RequestName, string? RecordedGroupName, IReadOnlyList<string> Members)
{
    /// <summary>Name of the RBD group, or the one that ceph-csi gives where none is recorded.</summary>
    public string GroupName => RecordedGroupName ?? GroupKeys.DefaultGroupPrefix + Uuid;

    /// <summary>Whether all that a group needs is written, so that calls can name it.</summary>
    public bool IsComplete => RequestName is not null && RecordedGroupName is not null;

    /// <summary>The members whose keys are volume handles, in the order of the keys.</summary>
    public IEnumerable<VolumeHandle> Volumes => Members.Select(key => VolumeHandle.TryParse(key, out var handle, out _) ? handle : null).OfType<VolumeHandle>();

    /// <summary>Takes an entry out of the omap of a group's object.</summary>
    public static GroupEntry From(string uuid, IReadOnlyDictionary<string, string> keys)
    {
        string? Text(string key) => keys.TryGetValue(key, out var value) && value.Length > 0 ? value : null;

        return new(
            uuid, Text(GroupKeys.RequestName), Text(GroupKeys.GroupName), [.. keys.Keys.Where(GroupKeys.IsMember).Order(StringComparer.Ordinal)]);
    }
}
