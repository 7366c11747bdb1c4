using System.Security.Cryptography;
using System.Text;

namespace RbdReplication.Kubernetes;

/// <summary>Sixteen bytes that stand for one object of the API server, so that tens of thousands can be remembered cheaply.</summary>
public static class ObjectId
{
    /// <summary>The object's UID, or a digest of UID and name when the UID is not a UUID.</summary>
    public static Guid Of(string uid, string name) =>
        Guid.TryParse(uid, out var id) ? id : new Guid(SHA256.HashData(Encoding.UTF8.GetBytes($"{uid}/{name}"))[..16]);
}
