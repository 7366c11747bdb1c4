using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace RbdReplication.DisasterRecovery;

/// <summary>Fields of objects that may lack any of them.</summary>
internal static class JsonFields
{
    public static JsonNode? At(this JsonObject item, params ReadOnlySpan<string> path)
    {
        JsonNode? node = item;
        foreach (var name in path)
            node = (node as JsonObject)?[name];
        return node;
    }

    /// <summary>A text; null where it is absent, empty or no text.</summary>
    public static string? Text(this JsonObject item, params ReadOnlySpan<string> path) =>
        item.At(path) is JsonValue value && value.TryGetValue<string>(out var text) && text.Length > 0 ? text : null;

    public static long? Number(this JsonObject item, params ReadOnlySpan<string> path) =>
        item.At(path) is JsonValue value && value.GetValueKind() == JsonValueKind.Number && value.TryGetValue<long>(out var number) ? number : null;

    public static DateTimeOffset? Time(this JsonObject item, params ReadOnlySpan<string> path) =>
        DateTimeOffset.TryParse(item.Text(path), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : null;

    public static IEnumerable<JsonObject> Objects(this JsonObject item, params ReadOnlySpan<string> path) =>
        (item.At(path) as JsonArray ?? []).OfType<JsonObject>();

    public static IEnumerable<string> Texts(this JsonObject item, params ReadOnlySpan<string> path) =>
        (item.At(path) as JsonArray ?? []).OfType<JsonValue>().Select(value => value.TryGetValue<string>(out var text) ? text : "");

    public static string Name(this JsonObject item) => item.Text("metadata", "name") ?? "";

    public static string Namespace(this JsonObject item) => item.Text("metadata", "namespace") ?? "";

    public static string? Annotation(this JsonObject item, string name) => item.Text("metadata", "annotations", name);

    public static bool IsBeingDeleted(this JsonObject item) => item.Text("metadata", "deletionTimestamp") is not null;

    /// <summary>What a PersistentVolume says of the secret of the site's Ceph user; null where it names none.</summary>
    public static JsonObject? SecretReference(this JsonObject volume) =>
        volume.At("spec", "csi", "controllerExpandSecretRef") as JsonObject ?? volume.At("spec", "csi", "nodeStageSecretRef") as JsonObject;

    /// <summary>A quantity of bytes as Kubernetes writes it, <c>1Gi</c> or <c>1500M</c>; null for another text.</summary>
    public static decimal? Bytes(this JsonObject item, params ReadOnlySpan<string> path)
    {
        if (item.Text(path) is not { } text)
            return null;
        var digits = text.TrimEnd('K', 'k', 'M', 'G', 'T', 'P', 'E', 'i', 'm');
        if (!decimal.TryParse(digits, NumberStyles.Float, CultureInfo.InvariantCulture, out var number))
            return null;
        const decimal Kibi = 1024;
        return text[digits.Length..] switch
        {
            "" => number,
            "m" => number / 1000,
            "k" => number * 1_000,
            "M" => number * 1_000_000,
            "G" => number * 1_000_000_000,
            "T" => number * 1_000_000_000_000,
            "P" => number * 1_000_000_000_000_000,
            "E" => number * 1_000_000_000_000_000_000,
            "Ki" => number * Kibi,
            "Mi" => number * Kibi * Kibi,
            "Gi" => number * Kibi * Kibi * Kibi,
            "Ti" => number * Kibi * Kibi * Kibi * Kibi,
            "Pi" => number * Kibi * Kibi * Kibi * Kibi * Kibi,
            "Ei" => number * Kibi * Kibi * Kibi * Kibi * Kibi * Kibi,
            _ => null,
        };
    }
}
