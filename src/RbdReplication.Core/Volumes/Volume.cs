using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>A volume whose place is known.</summary>
/// <param name="Handle">The handle by which the caller named it.</param>
/// <param name="Cluster">The cluster it was found in.</param>
/// <param name="Connection">The connection to it.</param>
/// <param name="Pool">The image's pool and rados namespace.</param>
/// <param name="Entry">What the journal says.</param>
public sealed record Volume(VolumeHandle Handle, ClusterEntry Cluster, ClusterConnection Connection, RadosPool Pool, JournalEntry Entry)
{
    /// <summary>Image name.</summary>
    public string ImageName => Entry.ImageNameOr(Handle.Uuid);

    /// <summary><c>pool/image</c> or <c>pool/namespace/image</c>.</summary>
    public string ImageSpec => Pool.SpecOf(ImageName);

    /// <summary>Image and handle, for messages.</summary>
    public override string ToString() => $"image {ImageSpec} of volume {Handle}";
}
