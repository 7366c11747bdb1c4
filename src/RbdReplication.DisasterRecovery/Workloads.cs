using System.Globalization;
using System.Text.Json.Nodes;
using RbdReplication.Kubernetes;
using RbdReplication.Kubernetes.Objects;

namespace RbdReplication.DisasterRecovery;

/// <summary>Who uses claims at a site: pods, and the Deployments and StatefulSets that make them.</summary>
/// <param name="site">The site.</param>
/// <param name="nameSpace">The claims' namespace.</param>
internal sealed class Workloads(Site site, string nameSpace)
{
    /// <summary>On a Deployment or StatefulSet that was scaled down: how many replicas it had.</summary>
    public const string ReplicasNote = "rbd-replication.io/replicas-before-move";

    private static readonly ResourceKind[] Scalable = [Kinds.Deployment, Kinds.StatefulSet];

    /// <summary>The pods that use a claim and have not ended, those that are just ending included.</summary>
    public async Task<IReadOnlyList<JsonObject>> FindPodsAsync(IReadOnlyCollection<string> claims, CancellationToken cancellation)
    {
        var pods = await site.ListAsync(Kinds.Pod, nameSpace, null, cancellation).ConfigureAwait(false);
        return [.. pods.Where(pod => pod.Text("status", "phase") is not ("Succeeded" or "Failed") && Uses(pod, claims))];
    }

    /// <summary>The owners that can be scaled down so that these pods end.</summary>
    /// <exception cref="ProcedureException">A pod has no such owner.</exception>
    public async Task<IReadOnlyList<Workload>> FindOwnersAsync(IReadOnlyList<JsonObject> pods, CancellationToken cancellation)
    {
        var owners = new Dictionary<(ResourceKind, string), Workload>();
        foreach (var pod in pods)
        {
            var (kind, name) = OwnerOf(pod);
            if (kind == Kinds.ReplicaSet.Kind && await site.FindAsync(Kinds.ReplicaSet, new ObjectName(nameSpace, name), cancellation).ConfigureAwait(false) is { } set)
                (kind, name) = OwnerOf(set);
            if (Scalable.FirstOrDefault(scalable => scalable.Kind == kind) is not { } found)
            {
                throw new ProcedureException(
                    $"{site.Name}: pod {nameSpace}/{pod.Name()} uses a claim, and {(kind.Length == 0 ? "nobody owns it" : $"{kind} {name} owns it, which cannot be scaled down")}",
                    "stop it by hand, then run this again");
            }
            if (!owners.ContainsKey((found, name)) && await site.FindAsync(found, new ObjectName(nameSpace, name), cancellation).ConfigureAwait(false) is { } owner)
                owners.Add((found, name), new Workload(found, owner));
        }
        return [.. owners.Values];
    }

    /// <summary>The Deployments and StatefulSets whose pods would use a claim, however many they are now.</summary>
    public async Task<IReadOnlyList<Workload>> FindUsersAsync(IReadOnlyCollection<string> claims, CancellationToken cancellation)
    {
        var deployments = await site.ListAsync(Kinds.Deployment, nameSpace, null, cancellation).ConfigureAwait(false);
        var sets = await site.ListAsync(Kinds.StatefulSet, nameSpace, null, cancellation).ConfigureAwait(false);
        return
        [
            .. deployments.Where(item => UsesInTemplate(item, claims)).Select(item => new Workload(Kinds.Deployment, item)),
            .. sets.Where(item => UsesInTemplate(item, claims) || MakesClaim(item, claims)).Select(item => new Workload(Kinds.StatefulSet, item)),
        ];
    }

    /// <summary>Scales to nothing, and writes down in the same change how many there were.</summary>
    public Task ScaleDownAsync(Workload workload, CancellationToken cancellation) => workload.Replicas == 0 ? Task.CompletedTask : site.PatchAsync(
        workload.Kind, workload.Name, new JsonObject
        {
            ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { [ReplicasNote] = workload.Replicas.ToString(CultureInfo.InvariantCulture) } },
            ["spec"] = new JsonObject { ["replicas"] = 0 },
        }, cancellation);

    /// <summary>Scales up, and forgets how many there were.</summary>
    public Task ScaleUpAsync(Workload workload, int replicas, CancellationToken cancellation) => site.PatchAsync(
        workload.Kind, workload.Name, new JsonObject
        {
            ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { [ReplicasNote] = null } },
            ["spec"] = new JsonObject { ["replicas"] = replicas },
        }, cancellation);

    /// <summary>Names of the nodes that have one of these volumes attached: a client that still has the image open may write once more.</summary>
    public async Task<IReadOnlyList<string>> FindAttachmentsAsync(IReadOnlyCollection<string> volumes, CancellationToken cancellation)
    {
        var attachments = await site.ListAsync(Kinds.Attachment, null, null, cancellation).ConfigureAwait(false);
        return
        [
            .. attachments.Where(attachment => attachment.Text("spec", "source", "persistentVolumeName") is { } name && volumes.Contains(name))
                .Select(attachment => $"{attachment.Text("spec", "source", "persistentVolumeName")} at node {attachment.Text("spec", "nodeName")}"),
        ];
    }

    private static bool Uses(JsonObject pod, IReadOnlyCollection<string> claims) => UsesIn(pod, claims, ["spec", "volumes"]);

    private static bool UsesInTemplate(JsonObject owner, IReadOnlyCollection<string> claims) => UsesIn(owner, claims, ["spec", "template", "spec", "volumes"]);

    private static bool UsesIn(JsonObject item, IReadOnlyCollection<string> claims, ReadOnlySpan<string> path) =>
        item.Objects(path).Any(volume => volume.Text("persistentVolumeClaim", "claimName") is { } name && claims.Contains(name));

    // The claims of a StatefulSet's pods are TEMPLATE-SET-NUMBER.
    private static bool MakesClaim(JsonObject set, IReadOnlyCollection<string> claims) => set.Objects("spec", "volumeClaimTemplates")
        .Select(template => $"{template.Name()}-{set.Name()}-")
        .Any(prefix => claims.Any(claim => claim.StartsWith(prefix, StringComparison.Ordinal) && claim[prefix.Length..].All(char.IsAsciiDigit)));

    private static (string Kind, string Name) OwnerOf(JsonObject item) =>
        item.Objects("metadata", "ownerReferences").FirstOrDefault(owner => owner.At("controller")?.GetValue<bool>() == true) is { } owner
            ? (owner.Text("kind") ?? "", owner.Text("name") ?? "")
            : ("", "");
}

/// <summary>A Deployment or StatefulSet.</summary>
internal sealed record Workload(ResourceKind Kind, JsonObject Object)
{
    public ObjectName Name { get; } = new(Object.Namespace(), Object.Name());

    /// <summary>How many pods it shall have.</summary>
    public int Replicas => (int)(Object.Number("spec", "replicas") ?? 1);

    /// <summary>How many it had before it was scaled down; null where that was not written down.</summary>
    public int? ReplicasBefore => int.TryParse(Object.Annotation(Workloads.ReplicasNote), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    public override string ToString() => $"{Kind.Kind} {Name}";
}
