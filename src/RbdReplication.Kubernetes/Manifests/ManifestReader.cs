using System.Text.Json;
using RbdReplication.Kubernetes.Secrets;
using YamlDotNet.Core;

namespace RbdReplication.Kubernetes.Manifests;

/// <summary>
/// Reads PersistentVolumes, volume groups with their classes, and Secrets from files as <c>kubectl get -o yaml</c> and <c>-o json</c> print them: YAML with any
/// number of documents, JSON, and Lists of either. Objects of other kinds are passed over.
/// </summary>
public static class ManifestReader
{
    private static readonly string[] Extensions = [".yaml", ".yml", ".json"];

    /// <summary>Reads one file, or every <c>.yaml</c>, <c>.yml</c> and <c>.json</c> file under a directory in order of their names.</summary>
    /// <exception cref="ManifestException">Names the file and what is wrong with it.</exception>
    public static ManifestObjects Read(string path)
    {
        var manifests = new ManifestObjects();
        var strings = new StringPool();
        foreach (var file in FilesOf(path))
            ReadFile(file, manifests, strings);
        return manifests;
    }

    private static IEnumerable<string> FilesOf(string path)
    {
        if (!Directory.Exists(path))
            return [path];
        return Directory.EnumerateFiles(path, "*", SearchOption.AllDirectories)
            .Where(file => Extensions.Contains(Path.GetExtension(file), StringComparer.OrdinalIgnoreCase))
            .Order(StringComparer.Ordinal);
    }

    private static void ReadFile(string file, ManifestObjects manifests, StringPool strings)
    {
        try
        {
            using var stream = File.OpenRead(file);
            if (IsJson(stream))
            {
                using var document = JsonDocument.Parse(stream);
                Take(document.RootElement, manifests, strings);
                return;
            }
            using var text = new StreamReader(stream);
            foreach (var document in YamlDocuments.Read(text))
            {
                using (document)
                    Take(document.RootElement, manifests, strings);
            }
        }
        catch (YamlException e)
        {
            throw new ManifestException($"{file}, line {e.Start.Line}: {e.Message}", e);
        }
        // InvalidOperationException: half a surrogate pair in a text of JSON, or YAML that the parser is at a loss with. ArgumentException:
        // a tag that is no URI.
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException or InvalidDataException or InvalidOperationException
            or ArgumentException)
        {
            throw new ManifestException($"{file}: {e.Message}", e);
        }
    }

    private static bool IsJson(FileStream stream)
    {
        int first;
        do
        {
            first = stream.ReadByte();
        }
        while (first is ' ' or '\t' or '\r' or '\n');
        stream.Position = 0;
        return first is '{' or '[';
    }

    private static void Take(JsonElement item, ManifestObjects manifests, StringPool strings)
    {
        if (item.ValueKind == JsonValueKind.Array)
        {
            foreach (var element in item.EnumerateArray())
                Take(element, manifests, strings);
            return;
        }
        if (item.ValueKind != JsonValueKind.Object || !item.TryGetProperty("kind", out var kind) || kind.ValueKind != JsonValueKind.String)
            return;
        switch (kind.GetString())
        {
            case "List" or "PersistentVolumeList" or "SecretList" or "VolumeGroupReplicationContentList" or "VolumeGroupReplicationClassList":
                if (item.TryGetProperty("items", out var items) && items.ValueKind == JsonValueKind.Array)
                    Take(items, manifests, strings);
                break;
            case "PersistentVolume":
                if (item.Deserialize(ManifestJson.Default.PersistentVolumeDocument)?.ToVolume(strings) is { } volume)
                    manifests.Volumes.Add(volume);
                break;
            case "VolumeGroupReplicationContent":
                if (item.Deserialize(ManifestJson.Default.VolumeGroupContentDocument)?.ToContent() is { } group)
                    manifests.Groups.Add(group);
                break;
            case "VolumeGroupReplicationClass":
                if (item.Deserialize(ManifestJson.Default.VolumeGroupClassDocument)?.ToClass() is { } groupClass)
                    manifests.GroupClasses[groupClass.Name] = groupClass;
                break;
            case "Secret":
                if (item.Deserialize(SecretJson.Default.SecretDocument)?.ToSecret() is { } secret)
                    manifests.Secrets[secret.Name] = secret;
                break;
        }
    }
}
