using System.Globalization;

namespace RbdReplication.Core;

/// <summary>
/// Names of the objects and omap keys by which the CSI journal knows volumes. They are ceph-csi's, byte for byte; this is the only place that
/// knows them. Those of volume groups are in <see cref="GroupKeys"/>.
/// </summary>
public static class JournalKeys
{
    /// <summary>Key of the request name (the PV's name) in a volume's object.</summary>
    public const string RequestName = "csi.volname";

    /// <summary>Key of the image name.</summary>
    public const string ImageName = "csi.imagename";

    /// <summary>Key of the image id.</summary>
    public const string ImageId = "csi.imageid";

    /// <summary>Key of the owner: the PVC's namespace.</summary>
    public const string Owner = "csi.volume.owner";

    /// <summary>Key of the journal's pool number, where it is not the image's pool.</summary>
    public const string JournalPool = "csi.journalpool";

    /// <summary>Key of the id of the key management service of an encrypted volume.</summary>
    public const string EncryptionKms = "csi.volume.encryptKMS";

    /// <summary>Key of the kind of encryption: <c>block</c>, <c>file</c> or empty.</summary>
    public const string EncryptionType = "csi.volume.encryptionType";

    /// <summary>Prefix of image names where the storage class sets none.</summary>
    public const string DefaultImagePrefix = "csi-vol-";

    private const string DirectoryPrefix = "csi.volumes.";
    private const string VolumePrefix = "csi.volume.";

    /// <summary>All keys of a volume's object that we read.</summary>
    public static IReadOnlyList<string> VolumeObjectKeys { get; } =
        [RequestName, ImageName, ImageId, Owner, JournalPool, EncryptionKms, EncryptionType];

    /// <summary>The object that maps request names to uuids; <paramref name="instanceId"/> is <c>default</c> unless ceph-csi runs with <c>--instanceid</c>.</summary>
    public static string DirectoryObject(string instanceId) => DirectoryPrefix + instanceId;

    /// <summary>The key of a request name in the directory object.</summary>
    public static string DirectoryKey(string requestName) => VolumePrefix + requestName;

    /// <summary>The object that describes one volume.</summary>
    public static string VolumeObject(string uuid) => VolumePrefix + uuid;

    /// <summary>A pool number as it stands in the journal: 16 hexadecimal digits.</summary>
    public static string PoolText(long poolId) => poolId.ToString("x16", CultureInfo.InvariantCulture);

    /// <summary>Value of a directory key.</summary>
    /// <param name="uuid">The volume's uuid.</param>
    /// <param name="imagePoolId">The image's pool.</param>
    /// <param name="journalPoolId">The directory's pool.</param>
    public static string DirectoryValue(string uuid, long imagePoolId, long journalPoolId) =>
        imagePoolId == journalPoolId ? uuid : $"{PoolText(imagePoolId)}/{uuid}";

    /// <summary>Reads a directory value.</summary>
    /// <returns>False if it has neither of the two forms.</returns>
    public static bool TryParseDirectoryValue(string value, long journalPoolId, out string uuid, out long imagePoolId)
    {
        imagePoolId = journalPoolId;
        uuid = value;
        var slash = value.IndexOf('/', StringComparison.Ordinal);
        if (slash < 0)
            return value.Length == VolumeHandle.UuidLength;
        uuid = value[(slash + 1)..];
        return uuid.Length == VolumeHandle.UuidLength && TryParsePool(value[..slash], out imagePoolId);
    }

    /// <summary>Reads what <see cref="PoolText"/> writes.</summary>
    public static bool TryParsePool(string text, out long poolId)
    {
        poolId = 0;
        // The parser alone takes NULs behind the digits.
        return text.All(char.IsAsciiHexDigit) && long.TryParse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out poolId);
    }
}
