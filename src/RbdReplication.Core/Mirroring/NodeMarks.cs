namespace RbdReplication.Core;

/// <summary>
/// Image metadata by which ceph-csi remembers that a node has the volume: one key for its address and one for its Ceph user,
/// each with more behind it. ControllerUnpublishVolume removes them, which it cannot on a secondary.
/// </summary>
internal static class NodeMarks
{
    // What follows and the letter case differ between the driver's releases.
    private static readonly string[] Prefixes = [".rbd.csi.ceph.com/clientAddress", ".rbd.csi.ceph.com/userID"];

    /// <summary>One of the marks; null if no node has the volume, or the driver does not leave any.</summary>
    public static string? Find(IReadOnlyDictionary<string, string> metadata) =>
        metadata.Keys.FirstOrDefault(Is);

    /// <summary>Whether a key is one of them.</summary>
    public static bool Is(string key) => Prefixes.Any(prefix => key.StartsWith(prefix, StringComparison.OrdinalIgnoreCase));
}
