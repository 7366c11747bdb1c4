using System.Text.Json.Serialization;
using RbdReplication.Kubernetes.Volumes;

namespace RbdReplication.Kubernetes.Manifests;

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(PersistentVolumeDocument))]
internal sealed partial class ManifestJson : JsonSerializerContext;
