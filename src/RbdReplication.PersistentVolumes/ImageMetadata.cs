namespace RbdReplication.PersistentVolumes;

/// <summary>What ceph-csi writes onto images for people and tools that look at Ceph.</summary>
internal static class ImageMetadata
{
    /// <summary>What all keys begin with.</summary>
    public const string Prefix = "csi.";

    private const string ClaimKey = "csi.storage.k8s.io/pvc/name";
    private const string NamespaceKey = "csi.storage.k8s.io/pvc/namespace";
    private const string ClusterKey = "csi.ceph.com/cluster/name";

    /// <summary>The entries of a volume's image.</summary>
    public static IReadOnlyList<KeyValuePair<string, string>> Of(ReconcileRequest request, string clusterName)
    {
        List<KeyValuePair<string, string>> entries = [];
        if (request.Volume.Claim is { } claim)
        {
            entries.Add(new(ClaimKey, claim.Name));
            entries.Add(new(NamespaceKey, claim.Namespace));
        }
        if (clusterName.Length > 0)
            entries.Add(new(ClusterKey, clusterName));
        return entries;
    }
}
