namespace RbdReplication.Core;

/// <summary>What Ceph holds of one volume's reservation.</summary>
/// <param name="DirectoryValue">Value of its key in the directory object; null if absent.</param>
/// <param name="ObjectKeys">Entries of its own object; null if the object does not exist.</param>
/// <param name="ImageId">Id of the image that has the volume's image name; null if there is none.</param>
public sealed record ReservationState(string? DirectoryValue, IReadOnlyDictionary<string, string>? ObjectKeys, string? ImageId)
{
    /// <summary>The request name that the object carries; null if it carries none.</summary>
    public string? RecordedRequestName => Recorded(JournalKeys.RequestName);

    /// <summary>A recorded value; null if it is absent or empty.</summary>
    public string? Recorded(string key) =>
        ObjectKeys is not null && ObjectKeys.TryGetValue(key, out var value) && value.Length > 0 ? value : null;
}
