using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>The objects that hold the mappings of a pool's volumes, and the commands by which a person takes entries out of them.</summary>
/// <param name="imagePool">Pool and rados namespace of images and volume objects.</param>
/// <param name="journalPool">Pool and rados namespace of the directory object.</param>
/// <param name="directory">The directory object.</param>
public sealed class JournalObjects(RadosPool imagePool, RadosPool journalPool, string directory)
{
    /// <summary>The image's pool.</summary>
    public long ImagePoolId => imagePool.Id;

    /// <summary>The directory's pool.</summary>
    public long JournalPoolId => journalPool.Id;

    /// <summary>Makes a volume's object nobody's.</summary>
    public string RemoveRequestName(string uuid) => RemoveKey(imagePool, JournalKeys.VolumeObject(uuid), JournalKeys.RequestName);

    /// <summary>Makes the directory forget a name.</summary>
    public string RemoveFromDirectory(string requestName) => RemoveKey(journalPool, directory, JournalKeys.DirectoryKey(requestName));

    private static string RemoveKey(RadosPool pool, string objectName, string key) =>
        $"rados -p {pool.Name}{(pool.Namespace.Length == 0 ? "" : $" -N {pool.Namespace}")} rmomapkey {objectName} {key}";
}
