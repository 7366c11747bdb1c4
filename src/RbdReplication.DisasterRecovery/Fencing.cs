using System.Text.Json.Nodes;
using RbdReplication.Kubernetes;

namespace RbdReplication.DisasterRecovery;

/// <summary>Refusing a lost site's nodes at its own Ceph cluster.</summary>
internal static class Fencing
{
    private const string Fenced = "Fenced";

    // Not after the context, whose name may have what an object's must not.
    private static readonly ObjectName Name = new("", "rbd-replication-failover");

    /// <summary>A NetworkFence at the lost site, which its controller carries out.</summary>
    public static Step Step(Site site, SiteReading seen, IReadOnlyList<Unit> units, IReadOnlyList<string> blocks)
    {
        var claim = units.SelectMany(unit => unit.Claims).First(claim => seen.VolumeOf(claim) is not null);
        var volume = seen.VolumeOf(claim)!;
        var secret = volume.SecretReference();
        if (secret is null)
            throw new ProcedureException($"{site.Name}: PersistentVolume {volume.Name()} names no secret to fence with", "make the NetworkFence by hand, and leave --fence out");
        var body = new JsonObject
        {
            ["apiVersion"] = Kinds.NetworkFence.ApiVersion,
            ["kind"] = Kinds.NetworkFence.Kind,
            ["metadata"] = new JsonObject { ["name"] = Name.Name },
            ["spec"] = new JsonObject
            {
                ["driver"] = volume.Text("spec", "csi", "driver"),
                ["fenceState"] = Fenced,
                ["cidrs"] = new JsonArray([.. blocks.Select(block => JsonValue.Create(block))]),
                ["secret"] = new JsonObject { ["name"] = secret.Text("name"), ["namespace"] = secret.Text("namespace") },
                ["parameters"] = new JsonObject { ["clusterID"] = volume.Text("spec", "csi", "volumeAttributes", "clusterID") },
            },
        };
        return new Step($"fence {string.Join(", ", blocks)} at {site.Name} (NetworkFence {Name.Name})", async token =>
        {
            // Its status does not say of which specification it is, so a fence of others is made anew; what it has fenced stays fenced.
            if (await site.FindAsync(Kinds.NetworkFence, Name, token).ConfigureAwait(false) is { } found && !Has(found, blocks))
            {
                body["spec"]!["cidrs"] = new JsonArray([.. (IsFenced(found) ? Blocks(found) : []).Union(blocks, StringComparer.Ordinal).Select(block => JsonValue.Create(block))]);
                await site.DeleteAsync(Kinds.NetworkFence, Name, token).ConfigureAwait(false);
            }
        })
        {
            LookAsync = async token =>
            {
                const string Waiting = "waiting for the controller to fence them";
                if (await site.FindOrCreateAsync(Kinds.NetworkFence, body, token).ConfigureAwait(false) is not { } fence)
                    return Waiting;
                return fence.IsBeingDeleted() || !Has(fence, blocks) ? "waiting for the controller to let the last fence go"
                    : fence.Text("status", "result") == "Succeeded" ? null
                    : fence.Text("status", "message") ?? Waiting;
            },
        };
    }

    /// <summary>What a failover's fence still refuses at a site; empty for nothing, or where this user may not see it.</summary>
    public static async Task<IReadOnlyList<string>> FindBlocksAsync(Site site, CancellationToken cancellation) =>
        [.. (await site.PeekAsync(Kinds.NetworkFence, null, cancellation).ConfigureAwait(false) ?? []).Where(fence => fence.Name() == Name.Name && IsFenced(fence)).SelectMany(Blocks)];

    /// <summary>What has to be done before these nodes can use their site again.</summary>
    public static string Remark(Site site, IReadOnlyList<string> blocks) =>
        $"{site.Name} still refuses {string.Join(", ", blocks)}: restart these nodes, then kubectl --context {site.Name} patch networkfence {Name.Name} --type merge -p '{{\"spec\":{{\"fenceState\":\"Unfenced\"}}}}'";

    private static bool IsFenced(JsonObject fence) => fence.Text("spec", "fenceState") == Fenced;

    private static bool Has(JsonObject fence, IReadOnlyList<string> blocks) => IsFenced(fence) && !blocks.Except(Blocks(fence), StringComparer.Ordinal).Any();

    private static IEnumerable<string> Blocks(JsonObject fence) => fence.Texts("spec", "cidrs");
}
