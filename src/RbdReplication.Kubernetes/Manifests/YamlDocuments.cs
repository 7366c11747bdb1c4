using System.Buffers;
using System.Text.Json;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace RbdReplication.Kubernetes.Manifests;

/// <summary>
/// Turns YAML documents into JSON ones, event by event. Every scalar becomes a string, as all fields that are read from
/// manifests are strings, except an unquoted null.
/// </summary>
internal static class YamlDocuments
{
    // Enough for any manifest; keeps a file from exhausting the stack of what reads the JSON.
    private const int DepthLimit = 60;

    public static IEnumerable<JsonDocument> Read(TextReader text)
    {
        var parser = new Parser(text);
        parser.Consume<StreamStart>();
        while (parser.Accept<DocumentStart>(out _))
        {
            parser.Consume<DocumentStart>();
            var json = new ArrayBufferWriter<byte>();
            using (var writer = new Utf8JsonWriter(json))
                Write(parser, writer);
            parser.Consume<DocumentEnd>();
            yield return JsonDocument.Parse(json.WrittenMemory);
        }
    }

    private static void Write(Parser parser, Utf8JsonWriter json)
    {
        var path = new Stack<Level>();
        do
        {
            var item = parser.Consume<ParsingEvent>();
            if (path.TryPeek(out var level) && level is { IsMapping: true, ExpectsKey: true } && item is not MappingEnd)
            {
                json.WritePropertyName(item is Scalar key ? key.Value : throw Unsupported(item, "a key that is no scalar"));
                level.ExpectsKey = false;
                continue;
            }
            WriteValue(item, json, path);
        }
        while (path.Count > 0);
    }

    private static void WriteValue(ParsingEvent item, Utf8JsonWriter json, Stack<Level> path)
    {
        switch (item)
        {
            case MappingStart:
                json.WriteStartObject();
                Enter(path, item, isMapping: true);
                return;
            case SequenceStart:
                json.WriteStartArray();
                Enter(path, item, isMapping: false);
                return;
            case MappingEnd:
                json.WriteEndObject();
                path.Pop();
                break;
            case SequenceEnd:
                json.WriteEndArray();
                path.Pop();
                break;
            case Scalar scalar when IsNull(scalar):
                json.WriteNullValue();
                break;
            case Scalar scalar:
                json.WriteStringValue(scalar.Value);
                break;
            default:
                // Anchors can make a small file mean a huge document, and kubectl writes none.
                throw Unsupported(item, "an alias");
        }
        if (path.TryPeek(out var level) && level.IsMapping)
            level.ExpectsKey = true;
    }

    private static void Enter(Stack<Level> path, ParsingEvent item, bool isMapping)
    {
        if (path.Count >= DepthLimit)
            throw Unsupported(item, $"more than {DepthLimit} levels");
        path.Push(new Level(isMapping) { ExpectsKey = isMapping });
    }

    private static bool IsNull(Scalar scalar) =>
        scalar.Style == ScalarStyle.Plain && scalar.Value is "" or "~" or "null" or "Null" or "NULL";

    private static YamlException Unsupported(ParsingEvent item, string what) =>
        new(item.Start, item.End, $"{what} is not supported in a manifest");

    private sealed class Level(bool isMapping)
    {
        public bool IsMapping => isMapping;

        public bool ExpectsKey { get; set; }
    }
}
