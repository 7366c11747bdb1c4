namespace RbdReplication.Core;

/// <summary>
/// Image metadata by which ceph-csi remembers that a volume is encrypted, and its wrapped key. Old releases of it put a dot in
/// front, and such keys stay at this site; newer ones move them to the name without it when a node stages the volume.
/// </summary>
public static class EncryptionMarks
{
    /// <summary>How the old keys begin.</summary>
    public const string Prefix = ".rbd.csi.ceph.com/";

    private const string Encrypted = "encrypted";
    private const string Key = "dek";

    private static readonly string[] Names = [Encrypted, Key];

    /// <summary>Whether a volume is encrypted by the driver.</summary>
    public static bool IsEncrypted(IReadOnlyDictionary<string, string> metadata) => Has(metadata, Encrypted);

    /// <summary>Whether the wrapped key is with the image; a KMS may keep it itself, by the volume's handle.</summary>
    public static bool HasKey(IReadOnlyDictionary<string, string> metadata) => Has(metadata, Key);

    private static bool Has(IReadOnlyDictionary<string, string> metadata, string name) =>
        metadata.ContainsKey(Prefix + name) || metadata.ContainsKey(Prefix[1..] + name);

    /// <summary>An old key that has no newer one beside it; null if the peer gets all that there is.</summary>
    public static string? FindLocal(IReadOnlyDictionary<string, string> metadata) =>
        Names.Select(name => Prefix + name).FirstOrDefault(key => metadata.ContainsKey(key) && !metadata.ContainsKey(key[1..]));
}
