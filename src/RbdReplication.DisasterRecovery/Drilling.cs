using System.Globalization;
using System.Text.Json.Nodes;
using RbdReplication.Core;
using RbdReplication.Kubernetes;
using RbdReplication.Kubernetes.Objects;

namespace RbdReplication.DisasterRecovery;

/// <summary>What a drill is made of and where it goes.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Namespace">Where its claims are; null for one of its own.</param>
/// <param name="Point">The consistency point, or the generation of a group; null for the newest that is whole here.</param>
public sealed record DrillOptions(string Name, string? Namespace, string? Point)
{
    /// <summary>Where its claims are.</summary>
    internal string Place => Namespace ?? DrillName.NamespaceOf(Name);
}

/// <summary>
/// Rehearses a failover at the site that follows, while it goes on following: clones of a point that it holds, with claims in a namespace of their own. The other site
/// is not asked, and may be lost.
/// </summary>
/// <param name="site">The site.</param>
/// <param name="options">What is made.</param>
/// <param name="server">Runs the commands that make and remove clones.</param>
/// <param name="timeline">Gets the instants of the data.</param>
internal sealed class Drilling(Site site, DrillOptions options, ServerCommand server, Timeline timeline)
{
    private JsonObject? _made;

    /// <exception cref="ProcedureException">It must not be begun.</exception>
    public async Task<Plan> PlanAsync(Selection selection, CancellationToken cancellation)
    {
        if (options.Place == selection.Namespace)
            throw new ProcedureException($"the drill's claims would be in namespace {selection.Namespace}, beside those that it rehearses for", "give it another one: --drill-namespace");
        var claims = await selection.FindAsync(site, cancellation).ConfigureAwait(false);
        var seen = await SiteReading.ReadAsync(site, selection.Namespace, claims.ToHashSet(StringComparer.Ordinal), [], cancellation).ConfigureAwait(false);
        var missing = claims.Where(claim => seen.VolumeOf(claim) is null).ToList();
        if (missing.Count > 0)
            throw new ProcedureException($"{site.Name}: {string.Join(", ", missing.Select(claim => $"{selection.Namespace}/{claim}"))} {(missing.Count == 1 ? "is" : "are")} not restored here", "dr protect, or dr restore DIRECTORY; then run this again");
        var group = GroupOf(selection.Words, claims, seen.ProtectionOf);
        var source = group is null ? (IReadOnlyList<string>)[.. claims.SelectMany(claim => (string[])["--volume", HandleOf(seen, claim)])] : ["--group", await HandleOfAsync(group, cancellation).ConfigureAwait(false)];
        IReadOnlyList<string> point = options.Point is null ? [] : [group is null ? "--point" : "--generation", options.Point];
        return new Plan(
            [
                new Step($"clone at {site.Name}, as drill {options.Name}: {(group is null ? string.Join(", ", claims.Select(claim => $"{selection.Namespace}/{claim}")) : $"group {group.Name}")}", async token =>
                {
                    _made = await server.ReadAsync(["drill", "create", options.Name, .. source, .. point, "--namespace", options.Place], seen.VolumeOf(claims[0])!, token).ConfigureAwait(false);
                    Tell(seen, claims);
                }),
                new Step($"make claims of the clones in namespace {options.Place} of {site.Name}", token => ApplyAsync(seen, claims, token)) { LookAsync = token => BoundAsync(claims, token) },
            ],
            [], $"drill {options.Name} can be used in namespace {options.Place} of {site.Name}; afterwards: dr drill {options.Name} --remove");
    }

    /// <summary>
    /// The group that the claims are all of; null where they are of none. One part of a group would be of the group's instant, and the rest missing:
    /// an application that starts on that says nothing of a failover.
    /// </summary>
    /// <exception cref="ProcedureException">They are of several, or not all of one.</exception>
    internal static Protection? GroupOf(string selection, IReadOnlyList<string> claims, Func<string, Protection?> protectionOf)
    {
        var groups = claims.Select(protectionOf).Where(protection => protection?.IsGroup == true).Select(protection => protection!).DistinctBy(protection => protection.Name).ToList();
        if (groups.Count == 0)
            return null;
        if (groups.Count > 1 || claims.Any(claim => !groups[0].Claims.Contains(claim)))
            throw new ProcedureException($"{selection} are not of one group", "a drill is of one group, or of claims that are in none: make a drill for each");
        return groups[0].Claims.Except(claims, StringComparer.Ordinal).ToList() is { Count: > 0 } others
            ? throw new ProcedureException($"group {groups[0].Name}: its claims {string.Join(", ", others)} are of the same instant", "name them too")
            : groups[0];
    }

    private async Task<string> HandleOfAsync(Protection group, CancellationToken cancellation)
    {
        var content = group.Object.Text("spec", "volumeGroupReplicationContentName") is { } name
            ? await site.FindAsync(Kinds.GroupContent, new ObjectName("", name), cancellation).ConfigureAwait(false)
            : null;
        return content?.Text("spec", "volumeGroupReplicationHandle") is { Length: > 0 } handle ? handle : throw new ProcedureException(
            $"{site.Name}: group {group.Name} has no handle", "see kubectl describe of its VolumeGroupReplication, and run this again");
    }

    private string HandleOf(SiteReading seen, string claim) =>
        seen.VolumeOf(claim)!.Text("spec", "csi", "volumeHandle") ?? throw new ProcedureException($"{site.Name}: claim {claim} is of no CSI volume", "leave it out");

    private void Tell(SiteReading seen, IReadOnlyList<string> claims)
    {
        foreach (var claim in claims)
        {
            var taken = Of(seen, claim).Time("takenAt") ?? DateTimeOffset.MinValue;
            timeline.Remark($"{claim} is as of {taken.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture)} UTC ({Of(seen, claim).Text("point")}), {Ages.Text(DateTimeOffset.UtcNow - taken)} old");
        }
        if (claims.Count > 1 && _made!.At("oneInstant")?.GetValue<bool>() != true)
            timeline.Remark("each claim is as of its own instant; claims of one instant are those of a group");
    }

    private JsonObject Of(SiteReading seen, string claim)
    {
        var handle = HandleOf(seen, claim);
        // A source may be called by the other site's ids, and its uuid is the same at both.
        return _made!.Objects("volumes").FirstOrDefault(volume => volume.Text("source") is { } source && VolumeHandle.TryParse(source, out var one, out _) && VolumeHandle.TryParse(handle, out var other, out _) && one.Uuid == other.Uuid)
            ?? throw new ProcedureException($"{site.Name}: drill {options.Name} has no clone of claim {claim}", $"it was made of other claims: dr drill {options.Name} --remove, or another name");
    }

    private async Task ApplyAsync(SiteReading seen, IReadOnlyList<string> claims, CancellationToken cancellation)
    {
        await site.FindOrCreateAsync(Kinds.Namespace, Steps.NewNamespace(options.Place, Labels()), cancellation).ConfigureAwait(false);
        await Steps.EachAsync(claims, async (claim, token) =>
        {
            var volume = VolumeOf(seen.VolumeOf(claim)!, Of(seen, claim), claim);
            await site.FindOrCreateAsync(Kinds.Volume, volume, token).ConfigureAwait(false);
            if (await site.FindOrCreateAsync(Kinds.Claim, ClaimOf(seen.Claims[claim], Of(seen, claim)), token).ConfigureAwait(false) is { } found && found.Text("spec", "volumeName") != volume.Name())
                throw new ProcedureException($"{site.Name}: claim {options.Place}/{claim} is of {found.Text("spec", "volumeName")}", "delete it, or give another namespace: --drill-namespace");
        }, cancellation).ConfigureAwait(false);
    }

    private JsonObject VolumeOf(JsonObject source, JsonObject clone, string claim)
    {
        var volume = Restored.Volume(source);
        volume["metadata"] = new JsonObject { ["name"] = clone.Text("persistentVolume"), ["labels"] = Labels() };
        var spec = volume["spec"]!.AsObject();
        spec["capacity"] = new JsonObject { ["storage"] = Size(clone) };
        spec["persistentVolumeReclaimPolicy"] = "Retain";
        spec["claimRef"] = new JsonObject { ["apiVersion"] = "v1", ["kind"] = Kinds.Claim.Kind, ["namespace"] = options.Place, ["name"] = claim };
        var csi = spec["csi"]!.AsObject();
        csi["volumeHandle"] = clone.Text("volumeHandle");
        if (csi["volumeAttributes"] is JsonObject attributes)
        {
            attributes["clusterID"] = _made!.Text("clusterID");
            if (attributes.ContainsKey("imageName"))
                attributes["imageName"] = clone.Text("image");
        }
        return volume;
    }

    private JsonObject ClaimOf(JsonObject source, JsonObject clone)
    {
        var claim = Restored.Claim(source);
        var labels = claim.At("metadata", "labels") as JsonObject;
        claim["metadata"] = new JsonObject { ["name"] = source.Name(), ["namespace"] = options.Place, ["labels"] = Labels(labels) };
        var spec = claim["spec"]!.AsObject();
        spec["volumeName"] = clone.Text("persistentVolume");
        spec["resources"] = new JsonObject { ["requests"] = new JsonObject { ["storage"] = Size(clone) } };
        return claim;
    }

    private static string Size(JsonObject clone) => clone.Number("sizeBytes")?.ToString(CultureInfo.InvariantCulture) ?? "0";

    private JsonObject Labels(JsonObject? others = null)
    {
        var labels = (JsonObject?)others?.DeepClone() ?? [];
        labels[DrillName.Label] = options.Name;
        return labels;
    }

    private async Task<string?> BoundAsync(IReadOnlyList<string> claims, CancellationToken cancellation)
    {
        var found = await site.ListAsync(Kinds.Claim, options.Place, $"{DrillName.Label}={options.Name}", cancellation).ConfigureAwait(false);
        var bound = found.Count(claim => claim.Text("status", "phase") == "Bound");
        return bound >= claims.Count ? null : $"{bound} of {claims.Count} claims are bound";
    }

    /// <summary>What removes it: its claims, its clones, its PersistentVolumes, its namespace.</summary>
    /// <exception cref="ProcedureException">A pod uses a claim of it.</exception>
    public async Task<Plan> PlanRemovalAsync(CancellationToken cancellation)
    {
        var selector = $"{DrillName.Label}={options.Name}";
        var volumes = await site.ListAsync(Kinds.Volume, null, selector, cancellation).ConfigureAwait(false);
        var spaces = await site.ListAsync(Kinds.Namespace, null, selector, cancellation).ConfigureAwait(false);
        List<Step> steps = [];
        var outcome = $"drill {options.Name} is removed from {site.Name}";
        if (volumes.Count > 0)
        {
            var claims = volumes.Select(volume => new ObjectName(volume.Text("spec", "claimRef", "namespace") ?? options.Place, volume.Text("spec", "claimRef", "name") ?? "")).ToList();
            foreach (var inSpace in claims.GroupBy(claim => claim.Namespace, StringComparer.Ordinal))
            {
                if (await new Workloads(site, inSpace.Key).FindPodsAsync([.. inSpace.Select(claim => claim.Name)], cancellation).ConfigureAwait(false) is [var pod, ..])
                    throw new ProcedureException($"{site.Name}: pod {inSpace.Key}/{pod.Name()} uses a claim of drill {options.Name}", "stop what runs there, then run this again");
            }
            steps.Add(Remove($"remove its claims: {string.Join(", ", claims)}", Kinds.Claim, claims, [.. volumes.Select(volume => volume.Name())]));
            steps.Add(new Step($"remove its clones at {site.Name}", token => server.RunAsync(["drill", "remove", options.Name], volumes[0], token)));
            // Last of what names the secret by which the clones are removed.
            steps.Add(Remove("remove its PersistentVolumes", Kinds.Volume, [.. volumes.Select(volume => new ObjectName("", volume.Name()))], []));
        }
        if (spaces.Count > 0)
            steps.Add(Remove($"remove namespace {string.Join(", ", spaces.Select(space => space.Name()))}", Kinds.Namespace, [.. spaces.Select(space => new ObjectName("", space.Name()))], []));
        return new Plan(steps, steps.Count > 0 ? [] : [$"{site.Name} has no PersistentVolume of drill {options.Name}; rbd-replication drill list there shows whether it has clones"], outcome);
    }

    private Step Remove(string what, ResourceKind kind, IReadOnlyList<ObjectName> names, IReadOnlyList<string> volumes) => new(
        what, token => Steps.EachAsync(names, (name, inner) => site.DeleteAsync(kind, name, inner), token))
    {
        LookAsync = async token =>
        {
            foreach (var name in names)
            {
                if (await site.FindAsync(kind, name, token).ConfigureAwait(false) is not null)
                    return $"{kind.Kind} {name} is being deleted";
            }
            var attached = await new Workloads(site, options.Place).FindAttachmentsAsync(volumes, token).ConfigureAwait(false);
            return attached.Count > 0 ? $"still attached: {string.Join(", ", attached.Take(3))}" : null;
        },
    };
}
