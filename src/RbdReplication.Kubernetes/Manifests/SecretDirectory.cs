using RbdReplication.Kubernetes.Secrets;

namespace RbdReplication.Kubernetes.Manifests;

/// <summary>
/// Secrets as files: <c>DIR/NAMESPACE/NAME/KEY</c> or, for a directory that holds one namespace's secrets or a mounted one,
/// <c>DIR/NAME/KEY</c>, or <c>DIR/KEY</c> for one secret that is used whatever name is asked for.
/// </summary>
public static class SecretDirectory
{
    // A key of cephx has 40 characters; nothing that belongs here is larger.
    private const int SizeLimitBytes = 64 * 1024;

    /// <summary>The Secret of that name.</summary>
    /// <returns>Null if the directory has none.</returns>
    /// <exception cref="ManifestException">A file cannot be read.</exception>
    public static Secret? Read(string directory, ObjectName name)
    {
        ArgumentNullException.ThrowIfNull(name);
        // The names come from a manifest: they must not lead out of the directory.
        if (!IsPlain(name.Name) || !IsPlain(name.Namespace))
            return null;
        string[] places = [Path.Combine(directory, name.Namespace, name.Name), Path.Combine(directory, name.Name), directory];
        foreach (var place in places)
        {
            try
            {
                if (Directory.Exists(place) && ReadKeys(place) is { Count: > 0 } data)
                    return new Secret(name, "", data);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new ManifestException($"{place}: {e.Message}", e);
            }
        }
        return null;
    }

    private static Dictionary<string, byte[]> ReadKeys(string place)
    {
        var data = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (var file in Directory.EnumerateFiles(place))
        {
            // Mounted secrets keep their versions in names that begin with two dots.
            if (Path.GetFileName(file).StartsWith('.') || new FileInfo(file).Length > SizeLimitBytes)
                continue;
            data[Path.GetFileName(file)] = File.ReadAllBytes(file);
        }
        return data;
    }

    private static bool IsPlain(string name) =>
        name.Length > 0 && name is not ("." or "..") && !name.Contains('/', StringComparison.Ordinal);
}
