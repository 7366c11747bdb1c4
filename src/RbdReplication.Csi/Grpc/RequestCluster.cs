using Google.Protobuf.Collections;
using RbdReplication.Core;
using RbdReplication.Csi.Protocol;

namespace RbdReplication.Csi.Grpc;

/// <summary>What the log says of requests that are for a cluster and not for a volume.</summary>
internal static class RequestCluster
{
    // The whole list is in the NetworkFence.
    private const int MaximumBlocks = 16;

    /// <summary>The cluster and the addresses, as they were sent; null for other requests.</summary>
    public static (string ClusterId, string Blocks)? Of(object request) => request switch
    {
        FenceClusterNetworkRequest r => (Cluster(r.Parameters), Blocks(r.Cidrs)),
        UnfenceClusterNetworkRequest r => (Cluster(r.Parameters), Blocks(r.Cidrs)),
        ListClusterFenceRequest r => (Cluster(r.Parameters), ""),
        GetFenceClientsRequest r => (Cluster(r.Parameters), ""),
        _ => null,
    };

    private static string Cluster(MapField<string, string> parameters) =>
        parameters.TryGetValue(FenceRequest.ClusterKey, out var cluster) ? RequestVolume.Printable(cluster) : "";

    private static string Blocks(RepeatedField<CIDR> blocks) => RequestVolume.Printable(
        string.Join(", ", blocks.Take(MaximumBlocks).Select(block => block.Cidr)) + (blocks.Count > MaximumBlocks ? $" and {blocks.Count - MaximumBlocks} more" : ""), 500);
}
