using System.Text.Json.Nodes;

namespace RbdReplication.DisasterRecovery;

/// <summary>
/// A claim and its PersistentVolume as the other site takes them: without what one cluster alone gives them. The claimRef keeps the claim's name and
/// namespace, by which the other site binds the volume and the omap generator knows its owner.
/// </summary>
internal static class Restored
{
    private static readonly string[] OfOneCluster =
        ["uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "managedFields", "selfLink", "finalizers", "ownerReferences"];

    // What the CSI-Addons controller and we write down is about the site where it was written.
    private static readonly string[] GroupsOfNotes = ["replication.storage.openshift.io/", "rbd-replication.io/"];

    private static readonly string[] NotesOfOneCluster =
    [
        "pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller", "volume.beta.kubernetes.io/storage-provisioner",
        "volume.kubernetes.io/storage-provisioner", "volume.kubernetes.io/selected-node", "kubectl.kubernetes.io/last-applied-configuration",
    ];

    /// <summary>The PersistentVolume for the other site.</summary>
    public static JsonObject Volume(JsonObject volume)
    {
        var copy = Copy(volume);
        if (copy.At("spec", "claimRef") is JsonObject claim)
        {
            foreach (var field in (string[])["uid", "resourceVersion"])
                claim.Remove(field);
        }
        return copy;
    }

    /// <summary>The claim for the other site, which names the volume that it is bound to.</summary>
    public static JsonObject Claim(JsonObject claim)
    {
        var copy = Copy(claim);
        // What it was made from is not at the other site, and it is not made there.
        if (copy.At("spec") is JsonObject spec)
        {
            spec.Remove("dataSource");
            spec.Remove("dataSourceRef");
        }
        return copy;
    }

    /// <summary>The content of a group for the other site.</summary>
    public static JsonObject GroupContent(JsonObject content)
    {
        var copy = Copy(content);
        if (copy.At("spec") is JsonObject spec)
            spec.Remove("volumeGroupReplicationRef");
        return copy;
    }

    /// <summary>How the other site's PersistentVolume is another one than that which would be restored; null where it is the same. Sizes are not compared.</summary>
    public static string? Difference(JsonObject volume, JsonObject there) =>
        DifferenceOf(volume, there, ["spec", "csi", "driver"])
        ?? DifferenceOf(volume, there, ["spec", "csi", "volumeHandle"])
        ?? DifferenceOf(volume, there, ["spec", "csi", "volumeAttributes", "pool"])
        ?? DifferenceOf(volume, there, ["spec", "csi", "volumeAttributes", "imageName"])
        ?? DifferenceOf(volume, there, ["spec", "csi", "volumeAttributes", "encrypted"])
        ?? DifferenceOf(volume, there, ["spec", "claimRef", "namespace"])
        ?? DifferenceOf(volume, there, ["spec", "claimRef", "name"])
        ?? DifferenceOf(volume, there, ["spec", "storageClassName"])
        ?? DifferenceOf(volume, there, ["spec", "volumeMode"]);

    /// <summary>How the other site's claim is another one; null where it is the same. Sizes are not compared.</summary>
    public static string? DifferenceOfClaims(JsonObject claim, JsonObject there) =>
        DifferenceOf(claim, there, ["spec", "volumeName"])
        ?? DifferenceOf(claim, there, ["spec", "storageClassName"])
        ?? DifferenceOf(claim, there, ["spec", "volumeMode"]);

    /// <summary>The change that brings the other site's PersistentVolume to the size here; null where it has that or more.</summary>
    public static JsonObject? Growth(JsonObject volume, JsonObject there) =>
        volume.Bytes("spec", "capacity", "storage") > there.Bytes("spec", "capacity", "storage")
            ? new() { ["spec"] = new JsonObject { ["capacity"] = new JsonObject { ["storage"] = volume.Text("spec", "capacity", "storage") } } }
            : null;

    /// <summary>The same for the claim, which can be asked to grow once its volume has grown.</summary>
    public static JsonObject? GrowthOfClaims(JsonObject claim, JsonObject there) =>
        claim.Bytes("spec", "resources", "requests", "storage") > there.Bytes("spec", "resources", "requests", "storage")
            ? new() { ["spec"] = new JsonObject { ["resources"] = new JsonObject { ["requests"] = new JsonObject { ["storage"] = claim.Text("spec", "resources", "requests", "storage") } } } }
            : null;

    private static string? DifferenceOf(JsonObject here, JsonObject there, ReadOnlySpan<string> field) =>
        here.Text(field) == there.Text(field) ? null : $"{string.Join('.', field)} is \"{there.Text(field)}\" there, not \"{here.Text(field)}\"";

    private static bool IsOfOneCluster(string note) =>
        NotesOfOneCluster.Contains(note) || GroupsOfNotes.Any(group => note.StartsWith(group, StringComparison.Ordinal));

    private static JsonObject Copy(JsonObject item)
    {
        var copy = (JsonObject)item.DeepClone();
        copy.Remove("status");
        if (copy["metadata"] is JsonObject metadata)
        {
            foreach (var field in OfOneCluster)
                metadata.Remove(field);
            if (metadata["annotations"] is JsonObject annotations)
            {
                foreach (var note in annotations.Select(pair => pair.Key).Where(IsOfOneCluster).ToList())
                    annotations.Remove(note);
                if (annotations.Count == 0)
                    metadata.Remove("annotations");
            }
        }
        return copy;
    }
}
