using System.Text.Json.Serialization;
using RbdReplication.Kubernetes.Groups;
using RbdReplication.Kubernetes.Volumes;

namespace RbdReplication.Kubernetes.Manifests;

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(PersistentVolumeDocument))]
[JsonSerializable(typeof(VolumeGroupContentDocument))]
[JsonSerializable(typeof(VolumeGroupClassDocument))]
internal sealed partial class ManifestJson : JsonSerializerContext;
