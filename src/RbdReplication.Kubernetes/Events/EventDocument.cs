using System.Text.Json.Serialization;

namespace RbdReplication.Kubernetes.Events;

/// <summary>A core/v1 Event; in a patch only the fields that change.</summary>
internal sealed record EventDocument
{
    public string? ApiVersion { get; init; }

    public string? Kind { get; init; }

    public EventMetadata? Metadata { get; init; }

    public EventObject? InvolvedObject { get; init; }

    public string? Type { get; init; }

    public string? Reason { get; init; }

    public string? Message { get; init; }

    public int? Count { get; init; }

    public string? FirstTimestamp { get; init; }

    public string? LastTimestamp { get; init; }

    public EventSource? Source { get; init; }

    public string? ReportingComponent { get; init; }

    public string? ReportingInstance { get; init; }
}

internal sealed record EventMetadata(string Name, string Namespace);

internal sealed record EventObject(string ApiVersion, string Kind, string Name, string? Uid);

internal sealed record EventSource(string Component);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(EventDocument))]
internal sealed partial class EventJson : JsonSerializerContext;
