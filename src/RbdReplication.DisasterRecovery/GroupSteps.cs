using System.Text.Json.Nodes;
using RbdReplication.Kubernetes;

namespace RbdReplication.DisasterRecovery;

/// <summary>What groups need beside their claims: the content object, by which the other site knows the group.</summary>
internal static class GroupSteps
{
    /// <summary>Copies the contents of groups to the other site, which has to have them before it has the groups.</summary>
    public static Step RestoreContents(Site from, Site to, IReadOnlyList<Unit> groups) => new(
        $"restore at {to.Name} what its groups are known by: {Steps.Names(groups)}",
        token => Steps.EachAsync(groups, async (group, inner) =>
        {
            var found = await from.FindAsync(Kinds.GroupReplication, group.NameAt(from), inner).ConfigureAwait(false);
            if (found?.Text("spec", "volumeGroupReplicationContentName") is not { } name
                || await from.FindAsync(Kinds.GroupContent, new ObjectName("", name), inner).ConfigureAwait(false) is not { } content)
                throw new ProcedureException($"{from.Name}: group {group.Name} has no VolumeGroupReplicationContent", "see kubectl describe of the VolumeGroupReplication, and run this again");
            if (await to.FindOrCreateAsync(Kinds.GroupContent, Restored.GroupContent(content), inner).ConfigureAwait(false) is { } there && !JsonNode.DeepEquals(there.At("spec", "source"), content.At("spec", "source")))
                await to.PatchAsync(Kinds.GroupContent, new ObjectName("", name), new JsonObject { ["spec"] = new JsonObject { ["source"] = content.At("spec", "source")?.DeepClone() } }, inner).ConfigureAwait(false);
        }, token));
}
