using System.Text.Json.Nodes;
using RbdReplication.Kubernetes;

namespace RbdReplication.DisasterRecovery;

/// <summary>Refusing a lost site's nodes at its own Ceph cluster.</summary>
internal static class Fencing
{
    /// <summary>A NetworkFence at the lost site, which its controller carries out.</summary>
    public static Step Step(Site site, SiteReading seen, IReadOnlyList<Unit> units, IReadOnlyList<string> blocks)
    {
        var claim = units.SelectMany(unit => unit.Claims).First(claim => seen.VolumeOf(claim) is not null);
        var volume = seen.VolumeOf(claim)!;
        var secret = volume.At("spec", "csi", "controllerExpandSecretRef") as JsonObject ?? volume.At("spec", "csi", "nodeStageSecretRef") as JsonObject;
        if (secret is null)
            throw new ProcedureException($"{site.Name}: PersistentVolume {volume.Name()} names no secret to fence with", "make the NetworkFence by hand, and leave --fence out");
        var name = new ObjectName("", $"rbd-replication-{site.Name}");
        var body = new JsonObject
        {
            ["apiVersion"] = Kinds.NetworkFence.ApiVersion,
            ["kind"] = Kinds.NetworkFence.Kind,
            ["metadata"] = new JsonObject { ["name"] = name.Name },
            ["spec"] = new JsonObject
            {
                ["driver"] = volume.Text("spec", "csi", "driver"),
                ["fenceState"] = "Fenced",
                ["cidrs"] = new JsonArray([.. blocks.Select(block => JsonValue.Create(block))]),
                ["secret"] = new JsonObject { ["name"] = secret.Text("name"), ["namespace"] = secret.Text("namespace") },
                ["parameters"] = new JsonObject { ["clusterID"] = volume.Text("spec", "csi", "volumeAttributes", "clusterID") },
            },
        };
        return new Step($"fence {string.Join(", ", blocks)} at {site.Name} (NetworkFence {name.Name})", async token =>
        {
            if (await site.FindAsync(Kinds.NetworkFence, name, token).ConfigureAwait(false) is null)
                await site.CreateAsync(Kinds.NetworkFence, body, token).ConfigureAwait(false);
            else
                await site.PatchAsync(Kinds.NetworkFence, name, new JsonObject { ["spec"] = body["spec"]!.DeepClone() }, token).ConfigureAwait(false);
        })
        {
            LookAsync = async token =>
            {
                var fence = await site.FindAsync(Kinds.NetworkFence, name, token).ConfigureAwait(false);
                return fence?.Text("status", "result") == "Succeeded" ? null : fence?.Text("status", "message") ?? "waiting for the controller to fence them";
            },
        };
    }
}
