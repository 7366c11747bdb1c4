using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace RbdReplication.Tests.Kubernetes;

/// <summary>VolumeGroupReplicationContents as the API server stores them.</summary>
public static class GroupObject
{
    private const string SecretName = "replication.storage.openshift.io/group-replication-secret-name";
    private const string SecretNamespace = "replication.storage.openshift.io/group-replication-secret-namespace";

    public static JsonObject Json(string name, string handle, IEnumerable<string> volumeHandles, string driver = PvObject.Driver) => new()
    {
        ["kind"] = "VolumeGroupReplicationContent",
        ["apiVersion"] = "replication.storage.openshift.io/v1alpha1",
        ["metadata"] = new JsonObject
        {
            ["name"] = name,
            ["uid"] = new Guid(SHA256.HashData(Encoding.UTF8.GetBytes(name)).AsSpan(0, 16)).ToString(),
            ["annotations"] = new JsonObject { [SecretName] = "csi-rbd", [SecretNamespace] = "ceph", ["other"] = "annotation" },
            ["finalizers"] = new JsonArray("replication.storage.openshift.io/vgr-protection"),
            ["managedFields"] = new JsonArray(new JsonObject { ["manager"] = "manager", ["fieldsV1"] = new JsonObject() }),
        },
        ["spec"] = new JsonObject
        {
            ["provisioner"] = driver,
            ["volumeGroupReplicationHandle"] = handle,
            ["volumeGroupReplicationClassName"] = "rbd-groups",
            ["volumeGroupReplicationRef"] = new JsonObject { ["name"] = "group", ["namespace"] = "apps", ["uid"] = Guid.NewGuid().ToString() },
            ["source"] = new JsonObject { ["volumeHandles"] = new JsonArray([.. volumeHandles.Select(volume => (JsonNode)volume)]) },
            ["volumeGroupAttributes"] = new JsonObject { ["clusterID"] = "site-a", ["pool"] = "replicapool" },
        },
        ["status"] = new JsonObject { ["persistentVolumeRefList"] = new JsonArray() },
    };

    /// <summary>The parameters of a class of groups of that pool.</summary>
    public static JsonObject Parameters(string pool = "replicapool") => new()
    {
        ["clusterID"] = "site-a",
        ["pool"] = pool,
        ["schedulingInterval"] = "5m",
        [SecretName] = "csi-rbd",
        [SecretNamespace] = "ceph",
    };
}
