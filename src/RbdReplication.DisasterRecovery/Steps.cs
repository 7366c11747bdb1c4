using System.Text.Json.Nodes;
using RbdReplication.Kubernetes;
using RbdReplication.Kubernetes.Objects;

namespace RbdReplication.DisasterRecovery;

/// <summary>The steps that procedures are made of.</summary>
internal static class Steps
{
    /// <summary>On a protection that was asked for another role: when.</summary>
    public const string AskedNote = "rbd-replication.io/asked-at";

    private const int AtOnce = 16;

    /// <summary>Asks the controller at a site for a role, and waits until it says that it is reached.</summary>
    /// <param name="site">The site.</param>
    /// <param name="units">What is switched.</param>
    /// <param name="role">The role.</param>
    /// <param name="model">The site after whose objects missing ones are made, as they are then; null where it is lost.</param>
    public static Step Switch(Site site, IReadOnlyList<Unit> units, Role role, Site? model) => new(
        $"make {site.Name} {Roles.Text(role)}: {Names(units)}",
        token => EachAsync(units, (unit, inner) => AskAsync(site, unit, role, model, inner), token))
    {
        LookAsync = async token =>
        {
            var seen = await ProtectionsAsync(site, units, token).ConfigureAwait(false);
            foreach (var (unit, protection) in seen)
            {
                // The controller leaves it there when it has succeeded later.
                if (protection?.Wanted == role && !protection.Has(role) && protection.Invalid is { } invalid)
                    throw new ProcedureException($"{site.Name}: {unit.Kind.Kind} {unit.Name}: {invalid}", "mend that, and run this again; it goes on where it stopped");
            }
            return Awaited(seen, protection => protection?.Has(role) == true, "waiting for the controller");
        },
    };

    /// <summary>Deletes the protections of a site, and waits until the controller has let them go.</summary>
    public static Step EndProtection(Site site, IReadOnlyList<(Unit Unit, Protection Protection)> ended) => new(
        $"end the protection at {site.Name}: {string.Join(", ", ended.Select(item => item.Protection.Name))}",
        token => EachAsync(ended, (item, inner) => site.DeleteAsync(item.Unit.Kind, item.Protection.Name, inner), token))
    {
        LookAsync = async token =>
        {
            var left = await ProtectionsAsync(site, [.. ended.Select(item => item.Unit)], token).ConfigureAwait(false);
            return Awaited(left, protection => protection is null, "waiting for the controller to disable it; right after a move that takes up to a minute, until the other site follows");
        },
    };

    /// <summary>Makes the missing claims and PersistentVolumes of the other site, lets those that are too small grow, and waits until all claims are bound.</summary>
    public static Step Restore(Site site, string nameSpace, IReadOnlyList<RestoredClaim> claims) => new(
        $"restore at {site.Name}: {string.Join(", ", claims.Select(claim => $"{nameSpace}/{claim.Name}"))}",
        async token =>
        {
            // Whose namespace is missing has nothing in it, and kubectl would be needed once more.
            await site.FindOrCreateAsync(Kinds.Namespace, NewNamespace(nameSpace), token).ConfigureAwait(false);
            await EachAsync(claims, async (claim, inner) =>
            {
                await MakeAsync(site, Kinds.Volume, claim.Volume, Restored.Growth, inner).ConfigureAwait(false);
                await MakeAsync(site, Kinds.Claim, claim.Claim, Restored.GrowthOfClaims, inner).ConfigureAwait(false);
            }, token).ConfigureAwait(false);
        })
    {
        LookAsync = async token =>
        {
            var names = claims.Select(claim => claim.Name).ToHashSet(StringComparer.Ordinal);
            var seen = (await site.ListAsync(Kinds.Claim, nameSpace, null, token).ConfigureAwait(false)).Where(claim => names.Contains(claim.Name())).ToList();
            if (seen.FirstOrDefault(claim => claim.Text("status", "phase") == "Lost") is { } lost)
                throw new ProcedureException($"{site.Name}: claim {nameSpace}/{lost.Name()} is Lost: its volume {lost.Text("spec", "volumeName")} is another claim's or gone", $"kubectl --context {site.Name} describe it; delete the claim there (its volume is retained), and run this again");
            var pending = seen.Where(claim => claim.Text("status", "phase") != "Bound").Select(claim => claim.Name()).Order(StringComparer.Ordinal).ToList();
            return seen.Count == names.Count && pending.Count == 0 ? null
                : $"{names.Count - seen.Count + pending.Count} of {names.Count} claims are not bound yet: {string.Join(", ", pending.Take(3))}";
        },
    };

    /// <summary>Scales the owners of pods down, and waits until no pod uses the claims and no node has their volumes.</summary>
    public static Step Release(Site site, string nameSpace, IReadOnlyList<Workload> owners, IReadOnlyList<string> claims, IReadOnlyList<string> volumes)
    {
        var workloads = new Workloads(site, nameSpace);
        return new Step(
            owners.Count > 0 ? $"scale down at {site.Name}: {string.Join(", ", owners.Select(owner => $"{owner} (has {owner.Replicas})"))}" : $"wait until {site.Name} has detached the volumes",
            token => EachAsync(owners, workloads.ScaleDownAsync, token))
        {
            LookAsync = async token =>
            {
                var pods = await workloads.FindPodsAsync(claims, token).ConfigureAwait(false);
                if (pods.Count > 0)
                    return $"{pods.Count} {(pods.Count == 1 ? "pod uses" : "pods use")} the claims: {string.Join(", ", pods.Take(3).Select(pod => pod.Name()))}";
                var attached = await workloads.FindAttachmentsAsync(volumes, token).ConfigureAwait(false);
                return attached.Count > 0 ? $"still attached: {string.Join(", ", attached.Take(3))}" : null;
            },
        };
    }

    /// <summary>Scales those who use the claims up at a site, to what was written down here or at the other site.</summary>
    public static Step ScaleUp(Site site, string nameSpace, IReadOnlyList<(Workload Workload, int Replicas)> owners) => new(
        $"scale up at {site.Name}: {string.Join(", ", owners.Select(owner => $"{owner.Workload} to {owner.Replicas}"))}",
        token => EachAsync(owners, (owner, inner) => new Workloads(site, nameSpace).ScaleUpAsync(owner.Workload, owner.Replicas, inner), token));

    /// <summary>Names of what is switched, the first of many.</summary>
    public static string Names(IReadOnlyList<Unit> units) => units.Count <= 8
        ? string.Join(", ", units.Select(unit => unit.Kind == Kinds.GroupReplication ? $"group {unit.Name}" : unit.Name.ToString()))
        : $"{string.Join(", ", units.Take(5).Select(unit => unit.Name))} and {units.Count - 5} more";

    /// <summary>A namespace that is to be made.</summary>
    public static JsonObject NewNamespace(string name, JsonObject? labels = null) => new()
    {
        ["apiVersion"] = Kinds.Namespace.ApiVersion,
        ["kind"] = Kinds.Namespace.Kind,
        ["metadata"] = labels is null ? new JsonObject { ["name"] = name } : new JsonObject { ["name"] = name, ["labels"] = labels },
    };

    /// <summary>Does the same for each, some at a time.</summary>
    public static Task EachAsync<T>(IEnumerable<T> items, Func<T, CancellationToken, Task> act, CancellationToken cancellation) => Parallel.ForEachAsync(
        items, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellation }, async (item, token) => await act(item, token).ConfigureAwait(false));

    private static async Task AskAsync(Site site, Unit unit, Role role, Site? model, CancellationToken cancellation)
    {
        var name = unit.NameAt(site);
        if (await site.FindAsync(unit.Kind, name, cancellation).ConfigureAwait(false) is not { } found)
        {
            // A group's names its content by now, by which the other site's is the same group.
            var after = model is null ? null : await model.FindAsync(unit.Kind, unit.NameAt(model), cancellation).ConfigureAwait(false);
            if (await site.FindOrCreateAsync(unit.Kind, unit.NewObject(role, after), cancellation).ConfigureAwait(false) is not { } other)
                return;
            found = other;
        }
        if (found.IsBeingDeleted())
            throw new ProcedureException($"{site.Name}: {unit.Kind.Kind} {name} is being deleted", "wait until it is gone, and run this again");
        if (found.Text("spec", "replicationState") == Roles.Text(role))
            return;
        await site.PatchAsync(unit.Kind, name, new JsonObject
        {
            ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { [AskedNote] = DateTimeOffset.UtcNow.ToString("O") } },
            ["spec"] = new JsonObject { ["replicationState"] = Roles.Text(role) },
        }, cancellation).ConfigureAwait(false);
    }

    private static async Task<IReadOnlyList<(Unit Unit, Protection? Protection)>> ProtectionsAsync(Site site, IReadOnlyList<Unit> units, CancellationToken cancellation)
    {
        var nameSpace = units[0].Name.Namespace;
        var replications = await site.ListAsync(Kinds.VolumeReplication, nameSpace, null, cancellation).ConfigureAwait(false);
        var groups = units.Any(unit => unit.Kind == Kinds.GroupReplication)
            ? await site.ListAsync(Kinds.GroupReplication, nameSpace, null, cancellation).ConfigureAwait(false)
            : [];
        var found = Protection.Of(replications, groups).ToDictionary(protection => (protection.Kind, protection.Name));
        return [.. units.Select(unit => (unit, found.GetValueOrDefault((unit.Kind, unit.NameAt(site)))))];
    }

    private static string? Awaited(IReadOnlyList<(Unit Unit, Protection? Protection)> seen, Func<Protection?, bool> isReached, string hint)
    {
        var left = seen.Where(item => !isReached(item.Protection)).ToList();
        if (left.Count == 0)
            return null;
        var (unit, protection) = left[0];
        var words = protection?.Words is { Length: > 0 } text && protection.IsCurrent ? text : hint;
        return seen.Count == 1 ? words : $"{seen.Count - left.Count} of {seen.Count}; {unit.Name}: {words}";
    }

    private static async Task MakeAsync(
        Site site, ResourceKind kind, JsonObject wanted, Func<JsonObject, JsonObject, JsonObject?> growth, CancellationToken cancellation)
    {
        var name = new ObjectName(wanted.Namespace(), wanted.Name());
        if (await site.FindOrCreateAsync(kind, wanted, cancellation).ConfigureAwait(false) is { } found && growth(wanted, found) is { } change)
            await site.PatchAsync(kind, name, change, cancellation).ConfigureAwait(false);
    }
}

/// <summary>A claim and its volume as the other site takes them.</summary>
internal sealed record RestoredClaim(string Name, JsonObject Volume, JsonObject Claim);
