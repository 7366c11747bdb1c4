using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>What the journal's object of one volume says. Absent keys are null.</summary>
/// <param name="RequestName">The PV's name.</param>
/// <param name="ImageName">Image name.</param>
/// <param name="ImageId">Image id when the entry was last repaired.</param>
/// <param name="Owner">The PVC's namespace.</param>
/// <param name="JournalPoolId">Pool of the directory object, where it is another one.</param>
public sealed record JournalEntry(string? RequestName, string? ImageName, string? ImageId, string? Owner, long? JournalPoolId)
{
    /// <summary>Id of the key management service of an encrypted volume; null if it is not encrypted.</summary>
    public string? EncryptionKms { get; init; }

    /// <summary><c>block</c> or <c>file</c> for an encrypted volume, else null.</summary>
    public string? EncryptionType { get; init; }

    /// <summary>An entry that says nothing.</summary>
    public static JournalEntry Empty { get; } = new(null, null, null, null, null);

    /// <summary>The image's name, or the one that ceph-csi assumes where none is recorded.</summary>
    public string ImageNameOr(string uuid) => string.IsNullOrEmpty(ImageName) ? JournalKeys.DefaultImagePrefix + uuid : ImageName;

    /// <summary>
    /// Reads the entry of a volume by its uuid, in one read of a few keys. A missing object is an empty entry, as in
    /// ceph-csi. Nothing is written, so a call that comes before the omap generator leaves nothing behind.
    /// </summary>
    /// <param name="pool">The image's pool and rados namespace.</param>
    /// <param name="uuid">The volume's uuid.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public static async Task<JournalEntry> ReadAsync(RadosPool pool, string uuid, CancellationToken cancellationToken)
    {
        var keys = await pool.ReadOmapAsync(
            JournalKeys.VolumeObject(uuid), JournalKeys.VolumeObjectKeys, cancellationToken).ConfigureAwait(false);
        return keys is null ? Empty : From(keys);
    }

    /// <summary>Takes the entry out of omap entries.</summary>
    public static JournalEntry From(IReadOnlyDictionary<string, string> keys) =>
        new(
            Text(keys, JournalKeys.RequestName),
            Text(keys, JournalKeys.ImageName),
            Text(keys, JournalKeys.ImageId),
            Text(keys, JournalKeys.Owner),
            Text(keys, JournalKeys.JournalPool) is { } pool && JournalKeys.TryParsePool(pool, out var id) ? id : null)
        {
            EncryptionKms = Text(keys, JournalKeys.EncryptionKms),
            EncryptionType = Text(keys, JournalKeys.EncryptionType),
        };

    private static string? Text(IReadOnlyDictionary<string, string> keys, string key) =>
        keys.TryGetValue(key, out var value) && value.Length > 0 ? value : null;
}
