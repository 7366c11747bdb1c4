using System.Security.Cryptography;
using System.Text;
using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// The uuid of a group that is made: a digest of where and under which name it is asked for, so that a call which was cut off before anybody
/// could know of the group is finished by the next one instead of leaving an object behind. ceph-csi takes any uuid.
/// </summary>
public static class GroupUuid
{
    // A version for digests of one's own choice, RFC 9562.
    private const byte Version = 0x80;
    private const byte Variant = 0x80;

    /// <summary>The uuid for a name in a pool and rados namespace.</summary>
    public static string For(RadosPool pool, string requestName) => For(pool.Cluster.GetFsid(), pool.Id, pool.Namespace, requestName);

    /// <summary>The same, of a cluster by its id.</summary>
    public static string For(string fsid, long poolId, string radosNamespace, string requestName)
    {
        var digest = SHA256.HashData(Encoding.UTF8.GetBytes($"rbd-replication group\0{fsid}\0{poolId}\0{radosNamespace}\0{requestName}"));
        var bytes = digest.AsSpan(0, 16);
        bytes[6] = (byte)((bytes[6] & 0x0f) | Version);
        bytes[8] = (byte)((bytes[8] & 0x3f) | Variant);
        return new Guid(bytes, bigEndian: true).ToString();
    }
}
