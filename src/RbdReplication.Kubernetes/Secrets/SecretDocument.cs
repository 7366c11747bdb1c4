using System.Text;
using System.Text.Json.Serialization;
using RbdReplication.Kubernetes.Volumes;

namespace RbdReplication.Kubernetes.Secrets;

internal sealed class SecretDocument
{
    public ObjectMetadata? Metadata { get; set; }

    /// <summary>Base64, which a person's file may get wrong.</summary>
    public Dictionary<string, string?>? Data { get; set; }

    public Dictionary<string, string?>? StringData { get; set; }

    /// <param name="resourceVersion">Version of the object, where it comes from an API server.</param>
    public Secret? ToSecret(string resourceVersion = "")
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
        return new Secret(name, resourceVersion, data);
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
[JsonSerializable(typeof(SecretDocument))]
internal sealed partial class SecretJson : JsonSerializerContext;
