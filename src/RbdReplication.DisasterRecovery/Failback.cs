using System.Globalization;
using RbdReplication.Core;

namespace RbdReplication.DisasterRecovery;

/// <summary>After a failover: the site that was lost is back, follows again, and takes the claims back by a planned move.</summary>
/// <param name="sites">The claims, at the site that goes on; the other is the one that was lost.</param>
/// <param name="discardsPeersData">Whether what the other site wrote after the last sync, and this one does not have, may be thrown away.</param>
/// <param name="follows">Whether the other site is to follow only, and not to take the claims back.</param>
/// <param name="scaleDown">Whether what uses the claims is scaled down.</param>
/// <param name="scaleUp">Whether it is scaled up at the site that takes them back.</param>
internal sealed class Failback(Sites sites, bool discardsPeersData, bool follows, bool scaleDown, bool scaleUp)
{
    /// <exception cref="ProcedureException">It must not be begun.</exception>
    public async Task<Plan> PlanAsync(CancellationToken cancellation)
    {
        var (here, back) = (sites.Here, sites.There);
        var units = sites.Units();
        List<Step> steps = [];
        List<string> remarks = [];
        var parted = units.Where(unit => unit.At(here)?.Wanted == Role.Primary && !FollowsAlready(unit)).ToList();
        foreach (var unit in units.Where(unit => unit.At(here)?.Wanted == Role.Primary && unit.At(here)?.Reached != "Primary"))
            throw new ProcedureException($"{unit.Name} is not primary at {here.Name} yet", "dr failover, or wait for the controller (dr status)");
        foreach (var unit in units.Where(unit => unit.At(here)?.Wanted != Role.Primary && unit.At(back)?.Wanted != Role.Primary && unit.At(back)?.Wanted != Role.Secondary))
            throw new ProcedureException($"{unit.Name} is primary at neither site", "dr failover with --context at the site whose data is to stay");
        if (parted.Count > 0)
        {
            var claims = parted.SelectMany(unit => unit.Claims).ToList();
            steps.AddRange(await Scaling.DownAsync(back, sites.SeenThere, sites.Namespace, claims, scaleDown, cancellation).ConfigureAwait(false));
            steps.AddRange(Restoring.Missing(sites, claims));
            var toDemote = parted.Where(unit => unit.At(back) is not { Wanted: Role.Secondary or Role.Resync } there || there.Reached != "Secondary").ToList();
            if (toDemote.Count > 0)
                steps.Add(Steps.Switch(back, toDemote, Role.Secondary, here));
            if (discardsPeersData)
            {
                remarks.Add($"what {back.Name} wrote after its last sync is thrown away: {Steps.Names(parted)}");
                steps.Add(Steps.Switch(back, parted, Role.Resync, here));
            }
            steps.Add(Follow(parted, DateTimeOffset.UtcNow));
            // What is left at "resync" throws the copy away again whenever it parts.
            if (discardsPeersData)
                steps.Add(Steps.Switch(back, parted, Role.Secondary, here));
        }
        if (await Fencing.FindBlocksAsync(back, cancellation).ConfigureAwait(false) is { Count: > 0 } blocks)
            remarks.Add(Fencing.Remark(back, blocks));
        if (follows)
            return new Plan(steps, remarks, $"{back.Name} follows {here.Name}: {Steps.Names(units)}");
        var moved = await new Relocation(sites, scaleDown, scaleUp).PlanAsync(isAfterFailover: steps.Count > 0, cancellation).ConfigureAwait(false);
        return new Plan([.. steps, .. moved.Steps], [.. remarks, .. moved.Remarks], moved.Outcome);
    }

    // The site that follows says nothing of how far it is; the primary does, once a sync has ended that began after it was asked.
    private Step Follow(List<Unit> units, DateTimeOffset since) => new(
        $"wait until {sites.There.Name} has copied {Steps.Names(units)}", static _ => Task.CompletedTask)
    {
        LookAsync = async token =>
        {
            var seen = await SiteReading.ReadAsync(sites.There, sites.Namespace, new HashSet<string>(), [], token).ConfigureAwait(false);
            foreach (var unit in units)
            {
                if (seen.Find(unit.Kind, unit.NameAt(sites.There)) is { } there && !discardsPeersData && SaysParted(there))
                {
                    throw new ProcedureException(
                        $"{unit.Name}: {sites.There.Name} has data that {sites.Here.Name} does not have: {there.Words}",
                        $"what {sites.There.Name} wrote after its last sync has to be thrown away, or saved first; then run this again with --discard-peer-data");
                }
            }
            var here = await SiteReading.ReadAsync(sites.Here, sites.Namespace, new HashSet<string>(), [], token).ConfigureAwait(false);
            var left = units.Where(unit => here.Find(unit.Kind, unit.NameAt(sites.Here)) is not { } primary || !IsInStep(primary, since)).ToList();
            if (left.Count == 0)
                return null;
            var words = seen.Find(left[0].Kind, left[0].NameAt(sites.There))?.Words;
            return $"{units.Count - left.Count} of {units.Count} are in step; {left[0].Name}: {(string.IsNullOrEmpty(words) ? "waiting for a sync" : words)}";
        },
    };

    private static bool IsInStep(Protection primary, DateTimeOffset since) =>
        primary.LastSync is { } sync && sync >= since && primary.StatusOf("Replicating") is null or "True";

    private bool FollowsAlready(Unit unit) =>
        unit.At(sites.There) is { Wanted: Role.Secondary } there && there.Reached == "Secondary" && !SaysParted(there)
        && DateTimeOffset.TryParse(there.Object.Annotation(Steps.AskedNote), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var asked)
        && unit.At(sites.Here) is { } here && IsInStep(here, asked);

    private static bool SaysParted(Protection protection) => protection.Words.Contains(ResyncRules.OnlyWithForce, StringComparison.Ordinal);
}
