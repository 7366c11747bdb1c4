using System.Globalization;

namespace RbdReplication.Core;

/// <summary>
/// Names of the objects and omap keys by which ceph-csi knows volume groups, byte for byte; this is the only place that knows them. Beside the
/// three named keys a group's object has one key for each member, its volume handle, with an empty value: ceph-csi takes every other key for a
/// member, so nothing of our own may stand there.
/// </summary>
public static class GroupKeys
{
    /// <summary>Key of the name that the group was asked for by, in the group's object.</summary>
    public const string RequestName = "csi.volname";

    /// <summary>Key of the RBD group's name.</summary>
    public const string GroupName = "csi.groupname";

    /// <summary>Key of the time when the group was made.</summary>
    public const string CreationTime = "csi.creationtime";

    /// <summary>What a member's key holds.</summary>
    public const string MemberValue = "";

    /// <summary>Prefix of the names of RBD groups where the class sets none.</summary>
    public const string DefaultGroupPrefix = "csi-vol-group-";

    private const string DirectoryPrefix = "csi.groups.";
    private const string GroupPrefix = "csi.volume.group.";
    private const string GoTime = "yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'";

    /// <summary>The object that maps request names to uuids; <paramref name="instanceId"/> is <c>default</c> unless ceph-csi runs with <c>--instanceid</c>.</summary>
    public static string DirectoryObject(string instanceId) => DirectoryPrefix + instanceId;

    /// <summary>The key of a request name in the directory object.</summary>
    public static string DirectoryKey(string requestName) => GroupPrefix + requestName;

    /// <summary>Whether a key of the directory object is that of a request name.</summary>
    public static bool IsDirectoryKey(string key) => key.StartsWith(GroupPrefix, StringComparison.Ordinal);

    /// <summary>The object that describes one group.</summary>
    public static string GroupObject(string uuid) => GroupPrefix + uuid;

    /// <summary>Whether a key of a group's object stands for a member.</summary>
    public static bool IsMember(string key) => key is not (RequestName or GroupName or CreationTime);

    /// <summary>A time as Go writes it in RFC 3339 with up to nine digits of a second: without zeros at the end.</summary>
    public static string TimeText(DateTimeOffset time) => time.UtcDateTime.ToString(GoTime, CultureInfo.InvariantCulture);
}
