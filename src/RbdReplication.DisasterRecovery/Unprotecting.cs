using RbdReplication.Kubernetes;

namespace RbdReplication.DisasterRecovery;

/// <summary>Ends replication: first where the claims are primary, which removes the copies, then what the other site has of them.</summary>
/// <param name="sites">The claims, at the site that keeps them.</param>
/// <param name="keepsRestored">Whether the other site's claims and PersistentVolumes stay, without a volume behind them.</param>
internal sealed class Unprotecting(Sites sites, bool keepsRestored)
{
    /// <exception cref="ProcedureException">It must not be begun.</exception>
    public async Task<Plan> PlanAsync(CancellationToken cancellation)
    {
        var (here, there) = (sites.Here, sites.There);
        List<Step> steps = [];
        var known = sites.Claims.Where(claim => sites.SeenHere.ProtectionOf(claim) is not null || sites.SeenThere.ProtectionOf(claim) is not null).ToList();
        var units = known.Count > 0 ? (sites with { Claims = known }).Units() : [];
        foreach (var unit in units.Where(unit => unit.At(there)?.Wanted == Role.Primary))
            throw new ProcedureException($"{unit.Name} is primary at {there.Name}", $"run this with --context {there.Name} --peer-context {here.Name}: the copies are removed, and {there.Name} keeps the data");
        foreach (var site in (Site[])[here, there])
        {
            List<(Unit, Protection)> ended = [.. units.Select(unit => (unit, unit.At(site))).Where(item => item.Item2 is not null).Select(item => (item.unit, item.Item2!))];
            if (ended.Count > 0)
                steps.Add(Steps.EndProtection(site, ended));
        }
        var restored = sites.Claims.Where(claim => sites.SeenThere.Claims.ContainsKey(claim) && sites.SeenThere.VolumeOf(claim) is not null).ToList();
        if (!keepsRestored && restored.Count > 0)
        {
            await RequireUnusedAsync(restored, cancellation).ConfigureAwait(false);
            steps.Add(RemoveRestored(restored));
        }
        return new Plan(steps, [], $"{string.Join(", ", sites.Claims.Take(8).Select(claim => $"{sites.Namespace}/{claim}"))}{(sites.Claims.Count > 8 ? $" and {sites.Claims.Count - 8} more" : "")} {(sites.Claims.Count == 1 ? "is" : "are")} not replicated any more; the data stays at {here.Name}");
    }

    private async Task RequireUnusedAsync(IReadOnlyList<string> restored, CancellationToken cancellation)
    {
        var pods = await new Workloads(sites.There, sites.Namespace).FindPodsAsync(restored, cancellation).ConfigureAwait(false);
        if (pods.Count > 0)
            throw new ProcedureException($"{sites.There.Name}: pod {sites.Namespace}/{pods[0].Name()} uses a claim that would be removed", "stop it, or add --keep-restored");
        foreach (var claim in restored)
        {
            if (sites.SeenThere.VolumeOf(claim) is { } volume && volume.Text("spec", "persistentVolumeReclaimPolicy") != "Retain")
                throw new ProcedureException($"{sites.There.Name}: PersistentVolume {volume.Name()} is not retained, so deleting claim {sites.Namespace}/{claim} would delete an image", "set its persistentVolumeReclaimPolicy to Retain, or add --keep-restored");
            if (sites.SeenHere.VolumeOf(claim) is not { } here || Restored.Difference(here, sites.SeenThere.VolumeOf(claim)!) is not null)
                throw new ProcedureException($"{sites.There.Name}: claim {sites.Namespace}/{claim} is another one than that of {sites.Here.Name}", "add --keep-restored to leave it");
        }
    }

    private Step RemoveRestored(IReadOnlyList<string> claims) => new($"remove what was restored at {sites.There.Name}: {string.Join(", ", claims.Select(claim => $"{sites.Namespace}/{claim}"))}", async token =>
        await Steps.EachAsync(claims, async (claim, inner) =>
        {
            await sites.There.DeleteAsync(Kinds.Claim, new ObjectName(sites.Namespace, claim), inner).ConfigureAwait(false);
            await sites.There.DeleteAsync(Kinds.Volume, new ObjectName("", sites.SeenThere.VolumeOf(claim)!.Name()), inner).ConfigureAwait(false);
        }, token).ConfigureAwait(false))
    {
        LookAsync = async token =>
        {
            var left = (await sites.There.ListAsync(Kinds.Claim, sites.Namespace, null, token).ConfigureAwait(false)).Where(claim => claims.Contains(claim.Name())).ToList();
            return left.Count == 0 ? null : $"{left.Count} claims are being deleted: {string.Join(", ", left.Take(3).Select(claim => claim.Name()))}";
        },
    };
}
