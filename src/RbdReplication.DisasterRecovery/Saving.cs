using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using RbdReplication.Kubernetes;

namespace RbdReplication.DisasterRecovery;

/// <summary>Claims and their PersistentVolumes as files that <c>kubectl apply</c> takes, and back.</summary>
public static class Saving
{
    private static readonly JsonSerializerOptions Readable = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes the claims of a site, each whole or not at all, and returns how many.</summary>
    /// <remarks>kubectl takes files in the order of their names: volumes come before claims.</remarks>
    /// <exception cref="ProcedureException">A claim is not bound, the site does not answer, or a file cannot be written.</exception>
    public static async Task<int> BackUpAsync(Site site, Selection selection, string directory, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(selection);
        var claims = await selection.FindAsync(site, cancellation).ConfigureAwait(false);
        var seen = await SiteReading.ReadAsync(site, selection.Namespace, claims.ToHashSet(StringComparer.Ordinal), [], cancellation).ConfigureAwait(false);
        if (selection.IsAll)
            claims = [.. claims.Where(claim => seen.VolumeOf(claim) is not null)];
        if (claims.Where(claim => seen.VolumeOf(claim) is null).ToList() is { Count: > 0 } unbound)
        {
            throw new ProcedureException(
                string.Join("\n", unbound.Select(claim => seen.Claims.ContainsKey(claim)
                    ? $"{selection.Namespace}/{claim}: it is {seen.Claims[claim].Text("status", "phase")}, and has no PersistentVolume to save"
                    : $"{selection.Namespace}/{claim}: {site.Name} has no such claim")),
                "leave it out, or wait until it is bound; nothing was written");
        }
        try
        {
            Directory.CreateDirectory(directory);
            foreach (var claim in claims)
            {
                var volume = seen.VolumeOf(claim)!;
                await WriteAsync(Path.Combine(directory, $"pv-{volume.Name()}.json"), Restored.Volume(volume), cancellation).ConfigureAwait(false);
                await WriteAsync(Path.Combine(directory, $"pvc-{selection.Namespace}-{claim}.json"), Restored.Claim(seen.Claims[claim]), cancellation).ConfigureAwait(false);
            }
            foreach (var group in claims.Select(seen.ProtectionOf).OfType<Protection>().Where(protection => protection.IsGroup).DistinctBy(protection => protection.Name))
            {
                if (group.Object.Text("spec", "volumeGroupReplicationContentName") is { } name
                    && await site.FindAsync(Kinds.GroupContent, new ObjectName("", name), cancellation).ConfigureAwait(false) is { } content)
                    await WriteAsync(Path.Combine(directory, $"group-{name}.json"), Restored.GroupContent(content), cancellation).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ProcedureException($"cannot write to {directory}: {e.Message}", "give a directory that can be written", e);
        }
        return claims.Count;
    }

    /// <summary>Plans to make what a directory has and a site lacks.</summary>
    /// <exception cref="ProcedureException">A file cannot be read, or the site has something else by a name.</exception>
    internal static async Task<Plan> PlanRestoreAsync(Site site, string directory, CancellationToken cancellation)
    {
        var saved = await ReadAsync(directory, cancellation).ConfigureAwait(false);
        var volumes = saved.Where(item => item.Text("kind") == Kinds.Volume.Kind).ToDictionary(item => item.Name(), StringComparer.Ordinal);
        var claims = saved.Where(item => item.Text("kind") == Kinds.Claim.Kind).ToList();
        var contents = saved.Where(item => item.Text("kind") == Kinds.GroupContent.Kind).ToList();
        List<string> problems = [];
        List<Step> steps = [];
        foreach (var inNamespace in claims.GroupBy(claim => claim.Namespace(), StringComparer.Ordinal))
        {
            var names = inNamespace.Select(claim => claim.Text("spec", "volumeName")).OfType<string>();
            var seen = await SiteReading.ReadAsync(site, inNamespace.Key, inNamespace.Select(claim => claim.Name()).ToHashSet(StringComparer.Ordinal), names, cancellation).ConfigureAwait(false);
            var restoring = new Restoring(site, inNamespace.Key, seen);
            foreach (var claim in inNamespace)
            {
                if (claim.Text("spec", "volumeName") is { } volumeName && volumes.GetValueOrDefault(volumeName) is { } volume)
                    restoring.Add(claim, volume);
                else
                    problems.Add($"{inNamespace.Key}/{claim.Name()}: its PersistentVolume {claim.Text("spec", "volumeName")} is not in {directory}");
            }
            problems.AddRange(restoring.Problems);
            steps.AddRange(restoring.Steps);
        }
        if (problems.Count > 0)
            throw new ProcedureException(string.Join("\n", problems), $"delete or rename what {site.Name} has, or take the file out of {directory}; nothing was changed");
        if (contents.Count > 0)
        {
            steps.Add(new Step(
                $"restore at {site.Name} what its groups are known by: {string.Join(", ", contents.Select(content => content.Name()))}",
                token => Steps.EachAsync(contents, (content, inner) => site.FindOrCreateAsync(Kinds.GroupContent, content, inner), token)));
        }
        return new Plan(steps, [], $"{claims.Count} {(claims.Count == 1 ? "claim of" : "claims of")} {directory} {(claims.Count == 1 ? "is" : "are")} at {site.Name}");
    }

    private static async Task<IReadOnlyList<JsonObject>> ReadAsync(string directory, CancellationToken cancellation)
    {
        List<JsonObject> read = [];
        try
        {
            foreach (var file in Directory.EnumerateFiles(directory, "*.json").Order(StringComparer.Ordinal))
            {
                try
                {
                    if (JsonNode.Parse(await File.ReadAllTextAsync(file, cancellation).ConfigureAwait(false)) is JsonObject item && item.Text("kind") is not null && item.Name().Length > 0)
                        read.Add(item);
                    else
                        throw new ProcedureException($"{file} is no Kubernetes object", "take it out of the directory");
                }
                catch (JsonException e)
                {
                    throw new ProcedureException($"{file} is no JSON: {e.Message}", "take it out of the directory, or save it again (dr backup)", e);
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ProcedureException($"cannot read {directory}: {e.Message}", "give the directory of dr backup", e);
        }
        return read.Count > 0 ? read : throw new ProcedureException($"{directory} has no files that dr backup makes", "give the directory of dr backup");
    }

    // A reader finds the old file or the new one, and nobody a half one.
    private static async Task WriteAsync(string path, JsonObject item, CancellationToken cancellation)
    {
        var partial = path + ".part";
        await File.WriteAllTextAsync(partial, item.ToJsonString(Readable) + "\n", cancellation).ConfigureAwait(false);
        File.Move(partial, path, overwrite: true);
    }
}
