using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using RbdReplication.Kubernetes;

namespace RbdReplication.DisasterRecovery;

/// <summary>Runs this program beside the Ceph cluster of a site, as <c>kubectl exec</c> does: the API servers cannot make clones.</summary>
/// <param name="site">The site.</param>
/// <param name="words">The command to which its arguments are added. kubectl is told the context.</param>
/// <param name="kubeconfigs">The files that have it.</param>
public sealed class ServerCommand(Site site, string words, IReadOnlyList<string> kubeconfigs)
{
    /// <summary>What runs it in a Deployment of ours.</summary>
    public const string Default = "kubectl exec -i -n ceph-csi deploy/rbd-replication -c rbd-replication -- /usr/bin/rbd-replication";

    private const string Kubectl = "kubectl";

    /// <summary>Runs it and reads the document that it prints.</summary>
    /// <inheritdoc cref="RunAsync" path="/param"/>
    /// <inheritdoc cref="RunAsync" path="/exception"/>
    internal async Task<JsonObject> ReadAsync(IReadOnlyList<string> arguments, JsonObject secretOf, CancellationToken cancellation) =>
        Parse(await RunAsync([.. arguments, "-o", "json"], secretOf, cancellation).ConfigureAwait(false));

    /// <summary>Runs it, and returns what it prints.</summary>
    /// <param name="arguments">Its arguments; that of the secret is added.</param>
    /// <param name="secretOf">A PersistentVolume that names the secret of the site's Ceph user, which goes to its standard input and nowhere else.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="ProcedureException">It cannot be run, or fails.</exception>
    internal async Task<string> RunAsync(IReadOnlyList<string> arguments, JsonObject secretOf, CancellationToken cancellation)
    {
        var secret = await ReadSecretAsync(secretOf, cancellation).ConfigureAwait(false);
        var start = Start([.. arguments, "--secret-file", "-"]);
        try
        {
            using var process = Process.Start(start)!;
            await using var killed = cancellation.Register(() => process.Kill(entireProcessTree: true)).ConfigureAwait(false);
            var output = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
            var error = process.StandardError.ReadToEndAsync(CancellationToken.None);
            await process.StandardInput.WriteAsync(secret.ToJsonString()).ConfigureAwait(false);
            process.StandardInput.Close();
            await process.WaitForExitAsync(CancellationToken.None).ConfigureAwait(false);
            cancellation.ThrowIfCancellationRequested();
            return process.ExitCode == 0 ? await output.ConfigureAwait(false) : throw Failed((await error.ConfigureAwait(false)).Trim());
        }
        catch (Exception e) when (e is Win32Exception or IOException)
        {
            throw new ProcedureException($"{site.Name}: cannot run {start.FileName}: {e.Message}", "install it, or give the command that runs rbd-replication beside that site's Ceph cluster (--exec)", e);
        }
    }

    private ProcessStartInfo Start(IEnumerable<string> arguments)
    {
        var command = words.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        IEnumerable<string> context = command[0] == Kubectl && site.Context is { } name ? ["--context", name] : [];
        var start = new ProcessStartInfo(command[0], [.. context, .. command[1..], .. arguments]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        if (command[0] == Kubectl)
            start.Environment["KUBECONFIG"] = string.Join(Path.PathSeparator, kubeconfigs);
        return start;
    }

    private async Task<JsonObject> ReadSecretAsync(JsonObject volume, CancellationToken cancellation)
    {
        var reference = volume.SecretReference();
        if (reference?.Text("name") is not { } name || reference.Text("namespace") is not { } nameSpace)
            throw new ProcedureException($"{site.Name}: PersistentVolume {volume.Name()} names no secret of a Ceph user", "run rbd-replication drill by hand, as docs/disaster-recovery.md says");
        var secret = await site.FindAsync(Kinds.Secret, new ObjectName(nameSpace, name), cancellation).ConfigureAwait(false)
            ?? throw new ProcedureException($"{site.Name} has no secret {nameSpace}/{name}, which PersistentVolume {volume.Name()} names", "make it there; a failover would need it, too");
        var texts = new JsonObject();
        foreach (var (key, value) in secret.At("data") as JsonObject ?? [])
        {
            if (value?.GetValueKind() == JsonValueKind.String && Decode((string)value!) is { } text)
                texts[key] = text;
        }
        return texts;
    }

    private static string? Decode(string text)
    {
        var bytes = new byte[text.Length];
        return Convert.TryFromBase64String(text, bytes, out var length) ? Encoding.UTF8.GetString(bytes, 0, length) : null;
    }

    private JsonObject Parse(string output)
    {
        try
        {
            if (JsonNode.Parse(output) is JsonObject document)
                return document;
        }
        catch (JsonException)
        {
        }
        throw new ProcedureException($"{site.Name}: what was run there did not answer with a document", "is it rbd-replication, of the same release as this one? (--exec)");
    }

    private ProcedureException Failed(string error) => new(
        $"{site.Name}: {(error.Length > 0 ? error : "what was run there failed without a word")}", "mend that, and run this again; it goes on where it stopped");
}
