using RbdReplication.Kubernetes.Groups;
using RbdReplication.Kubernetes.Secrets;
using RbdReplication.Kubernetes.Volumes;

namespace RbdReplication.Kubernetes.Manifests;

/// <summary>What <see cref="ManifestReader"/> found.</summary>
public sealed class ManifestObjects
{
    /// <summary>PersistentVolumes of every driver, in order.</summary>
    public IList<PersistentVolume> Volumes { get; } = [];

    /// <summary>VolumeGroupReplicationContents of every driver, in order.</summary>
    public IList<VolumeGroupContent> Groups { get; } = [];

    /// <summary>VolumeGroupReplicationClasses by name; of several with one name, the last.</summary>
    public IDictionary<string, VolumeGroupClass> GroupClasses { get; } = new Dictionary<string, VolumeGroupClass>(StringComparer.Ordinal);

    /// <summary>Secrets by name; of several with one name, the last.</summary>
    public IDictionary<ObjectName, Secret> Secrets { get; } = new Dictionary<ObjectName, Secret>();
}
