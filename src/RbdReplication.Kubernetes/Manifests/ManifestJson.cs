using System.Text;
using System.Text.Json.Serialization;
using RbdReplication.Kubernetes.Secrets;
using RbdReplication.Kubernetes.Volumes;

namespace RbdReplication.Kubernetes.Manifests;

internal sealed class SecretDocument
{
    public ObjectMetadata? Metadata { get; set; }

    /// <summary>Base64, which the reader of an object from an API server need not doubt, but a person's file may get wrong.</summary>
    public Dictionary<string, string?>? Data { get; set; }

    public Dictionary<string, string?>? StringData { get; set; }

    public Secret? ToSecret()
    {
        if (string.IsNullOrEmpty(Metadata?.Name))
            return null;
        var name = new ObjectName(Metadata.Namespace ?? "default", Metadata.Name);
        var data = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (var (key, value) in Data ?? [])
            data[key] = Decode(name, key, value ?? "");
        // The API server lets these win over data.
        foreach (var (key, value) in StringData ?? [])
            data[key] = Encoding.UTF8.GetBytes(value ?? "");
        return new Secret(name, "", data);
    }

    private static byte[] Decode(ObjectName name, string key, string value)
    {
        try
        {
            return Convert.FromBase64String(value);
        }
        catch (FormatException)
        {
            // Without the value, and without the exception that may quote it.
            throw new InvalidDataException($"data.{key} of secret {name} is not base64");
        }
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(PersistentVolumeDocument))]
[JsonSerializable(typeof(SecretDocument))]
internal sealed partial class ManifestJson : JsonSerializerContext;
