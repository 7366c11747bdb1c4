using System.Text;
using RbdReplication.Core;

namespace RbdReplication.Tests;

public sealed class ClusterConfigTests
{
    private static ClusterConfig Config(string json) => ClusterConfig.Parse(Encoding.UTF8.GetBytes(json));

    private static ClusterMapping Mapping(string json) => ClusterMapping.Parse(Encoding.UTF8.GetBytes(json));

    [Fact]
    public void A_configuration_of_ceph_csi_is_read()
    {
        var config = Config("""
            [{"clusterID":"primary-cluster","monitors":["10.0.0.1:6789","10.0.0.2:6789"],
              "rbd":{"radosNamespace":"tenant1","mirrorDaemonCount":1,"netNamespaceFilePath":"/x"},
              "cephFS":{"subvolumeGroup":"csi"},"readAffinity":{"enabled":true,"crushLocationLabels":["a"]},
              "replicationDestination":{"remoteClusterID":"secondary-cluster",
                 "rbd":{"remotePoolMapping":{"replicapool":{"poolID":"5"}}}}}]
            """);
        var cluster = config.Find("primary-cluster");
        Assert.NotNull(cluster);
        Assert.Equal(["10.0.0.1:6789", "10.0.0.2:6789"], cluster.Monitors);
        Assert.Equal("tenant1", cluster.RadosNamespace);
        Assert.Equal("secondary-cluster", cluster.ReplicationDestination?.RemoteClusterId);
        Assert.Equal("5", cluster.ReplicationDestination?.PoolIdTextOf("replicapool"));
        Assert.Null(config.Find("Primary-Cluster"));
    }

    [Theory]
    [InlineData("clusterID", "monitors", "radosNamespace")]
    [InlineData("CLUSTERID", "Monitors", "RadosNamespace")]
    [InlineData("clusterid", "MONITORS", "radosnamespace")]
    public void Property_names_match_in_any_letter_case(string id, string monitors, string radosNamespace)
    {
        var cluster = Config($$"""[{"{{id}}":"c","{{monitors}}":["m"],"RBD":{ "{{radosNamespace}}":"ns" } }]""").Find("c");
        Assert.NotNull(cluster);
        Assert.Equal(["m"], cluster.Monitors);
        Assert.Equal("ns", cluster.RadosNamespace);
    }

    [Fact]
    public void The_first_cluster_of_an_id_counts() =>
        Assert.Equal(["first"], Config("""[{"clusterID":"c","monitors":["first"]},{"clusterID":"c","monitors":["second"]}]""").Find("c")!.Monitors);

    [Theory]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("[null]")]
    [InlineData("""[{"clusterID":null}]""")]
    [InlineData("""[{"clusterID":""}]""")]
    [InlineData("[{}]")]
    public void Entries_without_an_id_are_left_out(string json) => Assert.Empty(Config(json).ClusterIds);

    [Theory]
    [InlineData("""{"clusterID":"c","monitors":null,"rbd":null,"replicationDestination":null}""")]
    [InlineData("""{"clusterID":"c","rbd":{"radosNamespace":null},"replicationDestination":{"remoteClusterID":null,"rbd":null}}""")]
    [InlineData("""{"clusterID":"c","replicationDestination":{"remoteClusterID":"d","rbd":{"remotePoolMapping":null}}}""")]
    [InlineData("""{"clusterID":"c","replicationDestination":{"remoteClusterID":"d","rbd":{"remotePoolMapping":{"pool":null}}}}""")]
    public void A_null_stands_for_an_absent_value(string entry)
    {
        var cluster = Config($"[{entry}]").Find("c");
        Assert.NotNull(cluster);
        Assert.Empty(cluster.Monitors);
        Assert.Empty(cluster.RadosNamespace);
        Assert.Null(cluster.ReplicationDestination?.PoolIdTextOf("pool"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("{}")]
    [InlineData("text")]
    [InlineData("""[{"clusterID":5}]""")]
    [InlineData("""[{"clusterID":"c","monitors":"m"}]""")]
    [InlineData("""[{"clusterID":"c"}] x""")]
    public void A_broken_configuration_says_what_is_wrong(string json) =>
        Assert.StartsWith("not a JSON array of clusters", Assert.Throws<FormatException>(() => Config(json)).Message, StringComparison.Ordinal);

    private const string TwoSites =
        """[{"clusterIDMapping":{"site1-storage":"site2-storage"},"RBDPoolIDMapping":[{"1":"3"},{"11":"12","21":"22"}],"CephFSFscIDMapping":[{"13":"34"}]}]""";

    [Theory]
    [InlineData("site1-storage", 1, "site2-storage", 3)]
    [InlineData("site2-storage", 3, "site1-storage", 1)]
    [InlineData("site1-storage", 21, "site2-storage", 22)]
    [InlineData("site2-storage", 12, "site1-storage", 11)]
    public void A_mapping_is_read_in_both_directions(string clusterId, long poolId, string otherCluster, long otherPool)
    {
        Assert.Equal([(otherCluster, otherPool)], Mapping(TwoSites).LocationsFor(clusterId, poolId));
        Assert.Equal([otherCluster], Mapping(TwoSites).ClustersFor(clusterId));
    }

    [Theory]
    [InlineData("site1-storage", 2)]
    [InlineData("elsewhere", 1)]
    [InlineData("SITE1-storage", 1)]
    public void What_is_not_mapped_has_no_other_place(string clusterId, long poolId) =>
        Assert.Empty(Mapping(TwoSites).LocationsFor(clusterId, poolId));

    [Fact]
    public void Rooks_spelling_with_equal_cluster_ids_is_read()
    {
        var mapping = Mapping("""[{"ClusterIDMapping":{"rook-ceph":"rook-ceph"},"RBDPoolIDMapping":[{"2":"4"},{"3":"5"}]}]""");
        Assert.Equal([("rook-ceph", 4L)], mapping.LocationsFor("rook-ceph", 2));
        Assert.Equal([("rook-ceph", 3L)], mapping.LocationsFor("rook-ceph", 5));
    }

    [Fact]
    public void Several_entries_are_tried_in_the_order_of_the_file()
    {
        var mapping = Mapping("""
            [{"clusterIDMapping":{"a":"b"},"RBDPoolIDMapping":[{"1":"2"}]},
             {"clusterIDMapping":{"a":"c","x":"a"},"RBDPoolIDMapping":[{"1":"7"}]}]
            """);
        Assert.Equal([("b", 2L), ("c", 7L), ("x", 7L)], mapping.LocationsFor("a", 1));
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("[null]")]
    [InlineData("[{}]")]
    [InlineData("""[{"clusterIDMapping":null,"RBDPoolIDMapping":null}]""")]
    [InlineData("""[{"clusterIDMapping":{"a":null},"RBDPoolIDMapping":[{"1":"2"}]}]""")]
    [InlineData("""[{"clusterIDMapping":{"a":"b"},"RBDPoolIDMapping":[null,{"1":null}]}]""")]
    [InlineData("""[{"clusterIDMapping":{"a":"b"},"RBDPoolIDMapping":[{"1":"-2"}]}]""")]
    [InlineData("""[{"clusterIDMapping":{"a":"b"},"RBDPoolIDMapping":[{"1":"two"}]}]""")]
    public void A_mapping_without_a_usable_pair_maps_nothing(string json) => Assert.Empty(Mapping(json).LocationsFor("a", 1));

    [Theory]
    [InlineData("")]
    [InlineData("{}")]
    [InlineData("""[{"clusterIDMapping":[]}]""")]
    [InlineData("""[{"RBDPoolIDMapping":{"1":"2"}}]""")]
    [InlineData("""[{"RBDPoolIDMapping":[{"1":2}]}]""")]
    public void A_broken_mapping_says_what_is_wrong(string json) =>
        Assert.StartsWith("not a JSON array of cluster mappings", Assert.Throws<FormatException>(() => Mapping(json)).Message, StringComparison.Ordinal);
}
