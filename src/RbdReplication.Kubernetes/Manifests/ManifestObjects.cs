using RbdReplication.Kubernetes.Secrets;
using RbdReplication.Kubernetes.Volumes;

namespace RbdReplication.Kubernetes.Manifests;

/// <summary>What <see cref="ManifestReader"/> found.</summary>
public sealed class ManifestObjects
{
    /// <summary>PersistentVolumes of every driver, in order.</summary>
    public IList<PersistentVolume> Volumes { get; } = [];

    /// <summary>Secrets by name; of several with one name, the last.</summary>
    public IDictionary<ObjectName, Secret> Secrets { get; } = new Dictionary<ObjectName, Secret>();
}
