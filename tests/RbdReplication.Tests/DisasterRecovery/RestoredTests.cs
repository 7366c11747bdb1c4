using System.Text.Json.Nodes;
using RbdReplication.DisasterRecovery;

namespace RbdReplication.Tests.DisasterRecovery;

public sealed class RestoredTests
{
    private const string Volume = """
        {"apiVersion": "v1", "kind": "PersistentVolume",
         "metadata": {"name": "pvc-1", "uid": "u", "resourceVersion": "7", "creationTimestamp": "2026-11-27T00:00:00Z", "finalizers": ["kubernetes.io/pv-protection"],
           "managedFields": [], "labels": {"tier": "gold"}, "annotations": {"pv.kubernetes.io/provisioned-by": "rbd.csi.ceph.com", "pv.kubernetes.io/bound-by-controller": "yes"}},
         "spec": {"capacity": {"storage": "1Gi"}, "storageClassName": "rbd", "volumeMode": "Filesystem",
           "claimRef": {"kind": "PersistentVolumeClaim", "namespace": "app", "name": "data", "uid": "c", "resourceVersion": "6"},
           "csi": {"driver": "rbd.csi.ceph.com", "volumeHandle": "h", "volumeAttributes": {"pool": "replicapool"}}},
         "status": {"phase": "Bound"}}
        """;

    private const string Claim = """
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim",
         "metadata": {"name": "data", "namespace": "app", "uid": "c", "resourceVersion": "6", "finalizers": ["replication.storage.openshift.io/pvc-protection"],
           "ownerReferences": [{"kind": "Shop"}],
           "annotations": {"pv.kubernetes.io/bind-completed": "yes", "replication.storage.openshift.io/volume-replication-name": "data/app",
             "rbd-replication.io/last-sync-seen": "2026-11-27T00:00:00Z", "owner": "shop"}},
         "spec": {"volumeName": "pvc-1", "storageClassName": "rbd", "volumeMode": "Filesystem", "resources": {"requests": {"storage": "1Gi"}},
           "dataSource": {"kind": "VolumeSnapshot", "name": "s"}},
         "status": {"phase": "Bound"}}
        """;

    [Fact]
    public void A_volume_keeps_all_but_what_one_cluster_gave_it()
    {
        var restored = Restored.Volume(Parse(Volume));
        Same("""
            {"apiVersion": "v1", "kind": "PersistentVolume",
             "metadata": {"name": "pvc-1", "labels": {"tier": "gold"}, "annotations": {"pv.kubernetes.io/provisioned-by": "rbd.csi.ceph.com"}},
             "spec": {"capacity": {"storage": "1Gi"}, "storageClassName": "rbd", "volumeMode": "Filesystem",
               "claimRef": {"kind": "PersistentVolumeClaim", "namespace": "app", "name": "data"},
               "csi": {"driver": "rbd.csi.ceph.com", "volumeHandle": "h", "volumeAttributes": {"pool": "replicapool"}}}}
            """, restored);
        Same(restored.ToJsonString(), Restored.Volume(restored));
    }

    [Fact]
    public void A_claim_forgets_what_it_was_made_from_and_what_controllers_wrote_on_it() => Same("""
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim",
         "metadata": {"name": "data", "namespace": "app", "annotations": {"owner": "shop"}},
         "spec": {"volumeName": "pvc-1", "storageClassName": "rbd", "volumeMode": "Filesystem", "resources": {"requests": {"storage": "1Gi"}}}}
        """, Restored.Claim(Parse(Claim)));

    [Theory]
    [InlineData("spec.csi.volumeHandle", "other")]
    [InlineData("spec.csi.driver", "cephfs.csi.ceph.com")]
    [InlineData("spec.claimRef.name", "logs")]
    [InlineData("spec.storageClassName", "slow")]
    [InlineData("spec.volumeMode", "Block")]
    public void Another_volume_of_that_name_is_told_by_its_field(string field, string value)
    {
        var there = Restored.Volume(Parse(Volume));
        Assert.Null(Restored.Difference(Parse(Volume), there));
        var names = field.Split('.');
        var parent = names[..^1].Aggregate((JsonNode)there, (node, name) => node[name]!);
        parent[names[^1]] = value;
        Assert.StartsWith($"{field} is \"{value}\" there", Restored.Difference(Parse(Volume), there), StringComparison.Ordinal);
    }

    [Fact]
    public void A_claim_of_another_volume_is_another_claim()
    {
        var there = Parse(Claim);
        Assert.Null(Restored.DifferenceOfClaims(Parse(Claim), there));
        there["spec"]!["volumeName"] = "pvc-2";
        Assert.Equal("spec.volumeName is \"pvc-2\" there, not \"pvc-1\"", Restored.DifferenceOfClaims(Parse(Claim), there));
    }

    [Theory]
    [InlineData("1Gi", "1Gi", null)]
    [InlineData("1Gi", "1073741824", null)]
    [InlineData("1Gi", "1G", "1Gi")]
    [InlineData("2Gi", "1Gi", "2Gi")]
    [InlineData("1Gi", "2Gi", null)]
    [InlineData("1Gi", "lots", null)]
    public void What_is_smaller_at_the_other_site_grows_and_nothing_shrinks(string here, string there, string? becomes)
    {
        var (volumeHere, volumeThere) = (Parse(Volume), Parse(Volume));
        volumeHere["spec"]!["capacity"]!["storage"] = here;
        volumeThere["spec"]!["capacity"]!["storage"] = there;
        Assert.Equal(becomes, (string?)Restored.Growth(volumeHere, volumeThere)?["spec"]!["capacity"]!["storage"]);
        var (claimHere, claimThere) = (Parse(Claim), Parse(Claim));
        claimHere["spec"]!["resources"]!["requests"]!["storage"] = here;
        claimThere["spec"]!["resources"]!["requests"]!["storage"] = there;
        Assert.Equal(becomes, (string?)Restored.GrowthOfClaims(claimHere, claimThere)?["spec"]!["resources"]!["requests"]!["storage"]);
    }

    private static JsonObject Parse(string text) => JsonNode.Parse(text)!.AsObject();

    private static void Same(string expected, JsonObject actual) =>
        Assert.True(JsonNode.DeepEquals(Parse(expected), actual), actual.ToJsonString());
}
