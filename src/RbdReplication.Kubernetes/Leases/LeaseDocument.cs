using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace RbdReplication.Kubernetes.Leases;

/// <summary>
/// A <c>coordination.k8s.io/v1</c> Lease. Fields that are not named here are kept and written back as they were read.
/// </summary>
internal sealed class LeaseDocument
{
    public string ApiVersion { get; set; } = "coordination.k8s.io/v1";

    public string Kind { get; set; } = "Lease";

    public LeaseMetadata? Metadata { get; set; }

    public LeaseSpec? Spec { get; set; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Others { get; set; }
}

internal sealed class LeaseMetadata
{
    public string? Name { get; set; }

    public string? Namespace { get; set; }

    public string? ResourceVersion { get; set; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Others { get; set; }
}

internal sealed class LeaseSpec
{
    // The API server takes MicroTime with six digits and nothing else.
    private const string MicroTime = "yyyy-MM-ddTHH:mm:ss.ffffffZ";

    public string? HolderIdentity { get; set; }

    public int? LeaseDurationSeconds { get; set; }

    public string? AcquireTime { get; set; }

    public string? RenewTime { get; set; }

    public int? LeaseTransitions { get; set; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Others { get; set; }

    public static string Format(DateTimeOffset time) => time.UtcDateTime.ToString(MicroTime, CultureInfo.InvariantCulture);
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(LeaseDocument))]
internal sealed partial class LeaseJson : JsonSerializerContext;
