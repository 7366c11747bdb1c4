using RbdReplication.Ceph;

namespace RbdReplication.PersistentVolumes;

/// <summary>What ceph-csi writes onto images for people and tools that look at Ceph.</summary>
internal static class ImageMetadata
{
    private const string Prefix = "csi.";
    private const string ClaimKey = "csi.storage.k8s.io/pvc/name";
    private const string NamespaceKey = "csi.storage.k8s.io/pvc/namespace";
    private const string ClusterKey = "csi.ceph.com/cluster/name";

    /// <summary>
    /// Sets what differs. A secondary cannot be written to and gets its metadata from the primary: that is no failure.
    /// </summary>
    public static async Task SetAsync(RadosPool pool, MappingRequest request, string clusterName, Action beforeWrite, CancellationToken cancellationToken)
    {
        var wanted = Wanted(request, clusterName);
        IReadOnlyDictionary<string, string> present;
        // Read-only first: it leaves no watcher on the image, and nearly always there is nothing to write.
        await using (var image = await RbdImage.OpenAsync(pool, request.Mapping.ImageName, readOnly: true, cancellationToken))
            present = await image.ListMetadataAsync(Prefix, cancellationToken);
        var missing = wanted.Where(entry => present.GetValueOrDefault(entry.Key) != entry.Value).ToList();
        if (missing.Count == 0)
            return;
        await using var writable = await RbdImage.OpenAsync(pool, request.Mapping.ImageName, readOnly: false, cancellationToken);
        try
        {
            foreach (var (key, value) in missing)
            {
                beforeWrite();
                await writable.SetMetadataAsync(key, value, CancellationToken.None);
            }
        }
        catch (CephException e) when (e.Errno == Errno.EROFS)
        {
        }
    }

    private static List<KeyValuePair<string, string>> Wanted(MappingRequest request, string clusterName)
    {
        List<KeyValuePair<string, string>> wanted = [];
        if (request.Volume.Claim is { } claim)
        {
            wanted.Add(new(ClaimKey, claim.Name));
            wanted.Add(new(NamespaceKey, claim.Namespace));
        }
        if (clusterName.Length > 0)
            wanted.Add(new(ClusterKey, clusterName));
        return wanted;
    }
}
