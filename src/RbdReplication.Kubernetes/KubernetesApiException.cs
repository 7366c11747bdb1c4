using System.Net;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace RbdReplication.Kubernetes;

/// <summary>The API server refused a request or could not be reached.</summary>
public sealed class KubernetesApiException : Exception
{
    internal KubernetesApiException(HttpStatusCode? status, string? reason, string message, Exception? cause = null)
        : base(message, cause)
    {
        Status = status;
        Reason = reason;
    }

    /// <summary>The HTTP status; null when there was no answer.</summary>
    public HttpStatusCode? Status { get; }

    /// <summary>The machine-readable reason of the Status object, for example <c>Expired</c> or <c>Conflict</c>.</summary>
    public string? Reason { get; }

    /// <summary>The object does not exist.</summary>
    public bool IsNotFound => Status == HttpStatusCode.NotFound;

    /// <summary>The object was changed or created by somebody else in between.</summary>
    public bool IsConflict => Status == HttpStatusCode.Conflict;

    /// <summary>The requested resourceVersion or continue token is no longer served: list again from the start.</summary>
    public bool IsGone => Status == HttpStatusCode.Gone;

    internal static KubernetesApiException From(HttpStatusCode status, string? body)
    {
        StatusDocument? document = null;
        try
        {
            document = string.IsNullOrEmpty(body) ? null : JsonSerializer.Deserialize(body, StatusJson.Default.StatusDocument);
        }
        catch (JsonException)
        {
            // A proxy's HTML page, not a Status: the code has to do.
        }
        var message = document?.Message is { Length: > 0 } text ? text : $"HTTP {(int)status} from the API server";
        return new KubernetesApiException(status, document?.Reason, message);
    }
}

internal sealed class StatusDocument
{
    public string? Reason { get; set; }

    public string? Message { get; set; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(StatusDocument))]
internal sealed partial class StatusJson : JsonSerializerContext;
