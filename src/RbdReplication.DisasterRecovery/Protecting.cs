using System.Text.Json.Nodes;
using RbdReplication.Kubernetes;

namespace RbdReplication.DisasterRecovery;

/// <summary>What a protection is made with.</summary>
/// <param name="Class">The VolumeReplicationClass; null where every claim is protected already and is only kept in step.</param>
/// <param name="GroupClass">The VolumeGroupReplicationClass, for a group.</param>
/// <param name="Group">Name of the group that all claims are replicated as; null for each by itself.</param>
public sealed record ProtectionOptions(string? Class, string? GroupClass, string? Group);

/// <summary>
/// Replicates claims and makes them known at the other site; run again it keeps the other site in step: new claims, sizes, the time of the last
/// sync, by which a failover tells what is lost.
/// </summary>
/// <param name="sites">The claims, at the site that has them.</param>
/// <param name="options">What the protection is made with.</param>
internal sealed class Protecting(Sites sites, ProtectionOptions options)
{
    /// <summary>On a claim of the other site: the last sync that was seen when <c>protect</c> was last run.</summary>
    public const string SyncNote = "rbd-replication.io/last-sync-seen";

    /// <exception cref="ProcedureException">Something would fail later; the message has every such thing.</exception>
    public async Task<Plan> PlanAsync(CancellationToken cancellation)
    {
        var (here, there) = (sites.Here, sites.There);
        List<string> remarks = [];
        await new ProtectionChecks(sites, options).RequireAsync(remarks, cancellation).ConfigureAwait(false);
        var units = Units();
        List<Step> steps = [];
        var toEnable = units.Where(unit => unit.At(here) is null || (unit.At(here)!.Wanted == Role.Primary && !unit.At(here)!.Has(Role.Primary))).ToList();
        if (toEnable.Count > 0)
            steps.Add(Steps.Switch(here, toEnable, Role.Primary, there));
        steps.AddRange(Restoring.Missing(sites, sites.Claims));
        if (units.Any(unit => unit.Kind == Kinds.GroupReplication))
            steps.Add(GroupSteps.RestoreContents(here, there, [.. units.Where(unit => unit.Kind == Kinds.GroupReplication)]));
        var toFollow = units.Where(unit => unit.At(there)?.Has(Role.Secondary) != true).ToList();
        if (toFollow.Count > 0)
            steps.Add(Follow(toFollow));
        if (steps.Count == 0 || units.Any(unit => unit.At(here)?.LastSync is not null))
            steps.Add(NoteSync(units));
        return new Plan(steps, remarks, $"{there.Name} follows {here.Name}, and knows {Steps.Names(units)}");
    }

    // The controller there says "Secondary" once its server has found the image: class, secrets, mapping and mirroring are right then.
    private Step Follow(IReadOnlyList<Unit> units) => Steps.Switch(sites.There, units, Role.Secondary, sites.Here);

    private Step NoteSync(IReadOnlyList<Unit> units) => new($"write down at {sites.There.Name} what was synced last", async token =>
    {
        var here = await SiteReading.ReadAsync(sites.Here, sites.Namespace, new HashSet<string>(), [], token).ConfigureAwait(false);
        await Steps.EachAsync(units.SelectMany(unit => unit.Claims), async (claim, inner) =>
        {
            if (here.ProtectionOf(claim)?.LastSync is { } sync && sites.Claims.Contains(claim))
            {
                await sites.There.PatchAsync(
                    Kinds.Claim, new ObjectName(sites.Namespace, claim),
                    new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { [SyncNote] = sync.ToString("O") } } }, inner).ConfigureAwait(false);
            }
        }, token).ConfigureAwait(false);
    });

    private IReadOnlyList<Unit> Units()
    {
        if (options.Group is { } group && sites.SeenHere.Protections.All(protection => !(protection.IsGroup && protection.Name.Name == group)))
            return [NewGroup(group)];
        var known = sites.Claims.Where(claim => sites.SeenHere.ProtectionOf(claim) is not null).ToList();
        return
        [
            .. known.Count > 0 ? (sites with { Claims = known }).Units() : [],
            .. sites.Claims.Except(known, StringComparer.Ordinal).Select(claim => Unit.OfClaim(sites, claim, options.Class!)),
        ];
    }

    private Unit NewGroup(string name)
    {
        var template = new JsonObject
        {
            ["spec"] = new JsonObject
            {
                ["volumeReplicationClassName"] = options.Class,
                ["volumeGroupReplicationClassName"] = options.GroupClass,
                ["source"] = new JsonObject { ["selector"] = new JsonObject { ["matchLabels"] = Labels() } },
            },
        };
        return new Unit(Kinds.GroupReplication, new ObjectName(sites.Namespace, name), sites.Claims, [(sites.Here.Name, null), (sites.There.Name, null)], template);
    }

    private JsonObject Labels()
    {
        var labels = new JsonObject();
        foreach (var part in (sites.Selection.Selector ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (part.Split('=', 2) is not [{ Length: > 0 } key, { } value] || key.EndsWith('!') || value.StartsWith('='))
                throw new ProcedureException($"a group is told by labels as app=shop, and not by \"{part}\"", "label its claims, and give -l");
            labels[key] = value;
        }
        return labels.Count > 0 ? labels : throw new ProcedureException("a group is told by the labels of its claims", "label its claims, and give -l");
    }
}
