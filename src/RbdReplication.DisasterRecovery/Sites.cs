using System.Text.Json.Nodes;
using RbdReplication.Kubernetes;
using RbdReplication.Kubernetes.Objects;

namespace RbdReplication.DisasterRecovery;

/// <summary>Claims with what both sites have for them, read once.</summary>
/// <param name="Selection">What was asked for.</param>
/// <param name="Claims">Names of the claims.</param>
/// <param name="Here">The site that the procedure is run for.</param>
/// <param name="There">The other site.</param>
/// <param name="SeenHere">What the one has.</param>
/// <param name="SeenThere">What the other has.</param>
internal sealed record Sites(Selection Selection, IReadOnlyList<string> Claims, Site Here, Site There, SiteReading SeenHere, SiteReading SeenThere)
{
    // How long a site that may be lost is waited for, each time that it is asked.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(8);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(2);

    public string Namespace => Selection.Namespace;

    /// <summary>Reads both sites.</summary>
    /// <param name="selection">The claims.</param>
    /// <param name="here">The site that has them.</param>
    /// <param name="there">The other one.</param>
    /// <param name="silentAfter">
    /// After how many questions in vain the other one is taken for lost, and read as one that has nothing; 0 where it has to answer. One that is overloaded misses a
    /// single one.
    /// </param>
    /// <param name="cancellation">Ends the wait.</param>
    public static async Task<Sites> ReadAsync(Selection selection, Site here, Site there, int silentAfter, CancellationToken cancellation)
    {
        if (here.Address == there.Address)
            throw new ProcedureException($"{here.Name} and {there.Name} are one cluster, {here.Address}", "give the contexts of the two sites: --context and --peer-context");
        var claims = await selection.FindAsync(here, cancellation).ConfigureAwait(false);
        var names = claims.ToHashSet(StringComparer.Ordinal);
        var seenHere = await SiteReading.ReadAsync(here, selection.Namespace, names, [], cancellation).ConfigureAwait(false);
        var volumes = claims.Select(claim => seenHere.Claims.GetValueOrDefault(claim)?.Text("spec", "volumeName")).OfType<string>().ToList();
        for (var asked = 1; ; asked++)
        {
            var seenThere = await ReadOrSilentAsync().ConfigureAwait(false);
            if (seenThere.Silence is null || asked >= silentAfter)
                return new Sites(selection, claims, here, there, seenHere, seenThere);
            await Task.Delay(Pause, cancellation).ConfigureAwait(false);
        }

        async Task<SiteReading> ReadOrSilentAsync()
        {
            if (silentAfter > 0 && await there.FindSilenceAsync(Patience, cancellation).ConfigureAwait(false) is { } why)
                return SiteReading.OfSilent(there, why);
            try
            {
                return await SiteReading.ReadAsync(there, selection.Namespace, names, volumes, cancellation).ConfigureAwait(false);
            }
            // One whose etcd is lost may still tell its version.
            catch (ProcedureException e) when (silentAfter > 0 && e.IsOutage)
            {
                return SiteReading.OfSilent(there, e.Message);
            }
        }
    }

    /// <summary>What has to be switched for the claims, by what either site has.</summary>
    /// <param name="className">The class for claims that are not protected; null where there must be none.</param>
    /// <exception cref="ProcedureException">A claim is not protected, or twice, or is of a group whose other claims are not meant.</exception>
    public IReadOnlyList<Unit> Units(string? className = null)
    {
        var units = new List<Unit>();
        var problems = new List<string>();
        foreach (var claim in Claims)
        {
            var protection = SeenHere.ProtectionOf(claim) ?? SeenThere.ProtectionOf(claim);
            if (SeenHere.ProtectedTwice.Contains(claim) || SeenThere.ProtectedTwice.Contains(claim))
                problems.Add($"{Namespace}/{claim}: two objects switch it at one site; delete one of {string.Join(", ", Switching(claim))}");
            else if (protection is not null && units.All(unit => unit.Name != protection.Name || unit.Kind != protection.Kind))
                units.Add(UnitOf(protection));
            else if (protection is null && className is not null)
                units.Add(Unit.OfClaim(this, claim, className));
            else if (protection is null)
                problems.Add($"{Namespace}/{claim}: it is not protected at {Here.Name} or {There.Name}");
        }
        foreach (var unit in units)
        {
            if (unit.Claims.Except(Claims, StringComparer.Ordinal).ToList() is { Count: > 0 } others)
                problems.Add($"group {unit.Name}: its claims {string.Join(", ", others)} move with it; name them too");
        }
        return problems.Count == 0 ? units : throw new ProcedureException(string.Join("\n", problems), "protect what is not protected (dr protect), or leave it out");
    }

    private Unit UnitOf(Protection any)
    {
        var here = Of(SeenHere, any);
        var there = Of(SeenThere, any);
        return new Unit(any.Kind, any.Name, [.. (here?.Claims ?? []).Union(there?.Claims ?? [], StringComparer.Ordinal)], [(Here.Name, here), (There.Name, there)]);
    }

    private static Protection? Of(SiteReading seen, Protection any) =>
        seen.Find(any.Kind, any.Name) ?? any.Claims.Select(seen.ProtectionOf).FirstOrDefault();

    private IEnumerable<string> Switching(string claim) =>
        SeenHere.Protections.Concat(SeenThere.Protections).Where(protection => protection.Claims.Contains(claim))
            .Select(protection => $"{protection.Kind.Kind} {protection.Name}").Distinct();
}

/// <summary>What is switched as one, at both sites.</summary>
/// <param name="Kind">VolumeReplication or VolumeGroupReplication.</param>
/// <param name="Name">Namespace and name of the object, the same at both sites unless they have it under two names already.</param>
/// <param name="Claims">Its claims.</param>
/// <param name="Protections">The object of each site, null where it has none.</param>
/// <param name="Template">What a new object is made after where no site has one.</param>
internal sealed record Unit(
    ResourceKind Kind, ObjectName Name, IReadOnlyList<string> Claims, IReadOnlyList<(string SiteName, Protection? Protection)> Protections, JsonObject? Template = null)
{
    /// <summary>A claim that no site protects yet.</summary>
    public static Unit OfClaim(Sites sites, string claim, string className) => new(
        Kinds.VolumeReplication, new ObjectName(sites.Namespace, claim), [claim], [(sites.Here.Name, null), (sites.There.Name, null)], new JsonObject
        {
            ["spec"] = new JsonObject
            {
                ["volumeReplicationClass"] = className,
                ["dataSource"] = new JsonObject { ["kind"] = Kinds.Claim.Kind, ["name"] = claim },
            },
        });

    /// <summary>The object of a site, as it was when the plan was made; null where it had none.</summary>
    public Protection? At(Site site) => Protections.Single(item => item.SiteName == site.Name).Protection;

    /// <summary>The object's name at a site: where a site has it under another name already, it stays.</summary>
    public ObjectName NameAt(Site site) => At(site)?.Name ?? Name;

    /// <summary>The object for a site that has none, made after the other site's as it is now, or was when the plan was made.</summary>
    public JsonObject NewObject(Role role, JsonObject? after)
    {
        var copy = (JsonObject)(after ?? Protections.Select(item => item.Protection?.Object).FirstOrDefault(item => item is not null) ?? Template!)["spec"]!.DeepClone();
        copy["replicationState"] = Roles.Text(role);
        copy["autoResync"] = false;
        return new JsonObject
        {
            ["apiVersion"] = Kind.ApiVersion,
            ["kind"] = Kind.Kind,
            ["metadata"] = new JsonObject { ["name"] = Name.Name, ["namespace"] = Name.Namespace },
            ["spec"] = copy,
        };
    }
}

/// <summary>Roles as texts.</summary>
internal static class Roles
{
    public static string Text(Role role) => role switch
    {
        Role.Primary => "primary",
        Role.Secondary => "secondary",
        _ => "resync",
    };
}
