using System.Security.Cryptography;
using System.Text;

namespace RbdReplication.Kubernetes.Volumes;

/// <summary>Sixteen bytes that stand for one PersistentVolume object, so that tens of thousands can be remembered cheaply.</summary>
public static class VolumeId
{
    /// <summary>The object's UID, or a digest of UID and name when the UID is not a UUID.</summary>
    public static Guid Of(PersistentVolume volume)
    {
        ArgumentNullException.ThrowIfNull(volume);
        return Of(volume.Uid, volume.Name);
    }

    internal static Guid Of(string? uid, string? name) =>
        Guid.TryParse(uid, out var id) ? id : new Guid(SHA256.HashData(Encoding.UTF8.GetBytes($"{uid}/{name}"))[..16]);
}
