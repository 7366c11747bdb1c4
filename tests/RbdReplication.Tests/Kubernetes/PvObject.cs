using System.Text.Json.Nodes;

namespace RbdReplication.Tests.Kubernetes;

/// <summary>PersistentVolume objects as the API server stores them.</summary>
public static class PvObject
{
    public const string Driver = "rbd.csi.ceph.com";

    public static JsonObject Json(int number, string driver = Driver, string @namespace = "apps", string? handle = null) => new()
    {
        ["kind"] = "PersistentVolume",
        ["apiVersion"] = "v1",
        ["metadata"] = new JsonObject
        {
            ["name"] = $"pvc-{number:d6}",
            ["uid"] = new Guid(number, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10).ToString(),
            ["annotations"] = new JsonObject { ["pv.kubernetes.io/provisioned-by"] = driver },
            ["managedFields"] = new JsonArray(new JsonObject { ["manager"] = "csi-provisioner", ["fieldsV1"] = new JsonObject() }),
        },
        ["spec"] = new JsonObject
        {
            ["accessModes"] = new JsonArray("ReadWriteOnce"),
            ["capacity"] = new JsonObject { ["storage"] = "1Gi" },
            ["claimRef"] = new JsonObject { ["kind"] = "PersistentVolumeClaim", ["name"] = $"data-{number}", ["namespace"] = @namespace },
            ["csi"] = new JsonObject
            {
                ["driver"] = driver,
                ["volumeHandle"] = handle ?? $"0001-0009-rook-ceph-0000000000000002-{Uuid(number)}",
                ["readOnly"] = false,
                ["controllerExpandSecretRef"] = new JsonObject { ["name"] = "csi-rbd", ["namespace"] = "ceph" },
                ["nodeStageSecretRef"] = new JsonObject { ["name"] = "csi-rbd-node", ["namespace"] = "ceph" },
                ["volumeAttributes"] = new JsonObject
                {
                    ["clusterID"] = "rook-ceph",
                    ["pool"] = "replicapool",
                    ["imageName"] = $"csi-vol-{Uuid(number)}",
                    ["volumeNamePrefix"] = "csi-vol-",
                },
            },
        },
        ["status"] = new JsonObject { ["phase"] = "Bound" },
    };

    public static string Uuid(int number) => new Guid(number, 0x10, 0x4000, 0x80, 1, 2, 3, 4, 5, 6, 7).ToString();
}
