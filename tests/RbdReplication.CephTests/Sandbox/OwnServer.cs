using System.Text.Json;

namespace RbdReplication.CephTests.Sandbox;

/// <summary>A server with configuration files of its own, for tests that need other ones than the shared servers have.</summary>
public static class OwnServer
{
    /// <param name="clusters">Entries of <c>config.json</c>.</param>
    /// <param name="mappingJson">Text of <c>cluster-mapping.json</c>.</param>
    /// <param name="options">Further options of <c>serve</c>.</param>
    public static async Task<ServerProcess> StartAsync(object[] clusters, string mappingJson = "[]", params string[] options)
    {
        var path = Path.Combine(TwoSites.Folder, "own-" + Guid.NewGuid().ToString("N")[..12]);
        await File.WriteAllTextAsync(path + ".config.json", JsonSerializer.Serialize(clusters));
        await File.WriteAllTextAsync(path + ".mapping.json", mappingJson);
        return await ServerProcess.StartAsync(path + ".sock", ["--cluster-config", path + ".config.json", "--cluster-mapping", path + ".mapping.json", .. options]);
    }
}
