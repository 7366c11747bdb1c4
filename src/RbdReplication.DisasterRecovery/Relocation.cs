namespace RbdReplication.DisasterRecovery;

/// <summary>A planned move: every write goes with it. The site here stops, and the other one goes on.</summary>
/// <param name="sites">The claims, at the site that has them.</param>
/// <param name="scaleDown">Whether what uses them here is scaled down; else it has to be stopped already.</param>
/// <param name="scaleUp">Whether what uses them at the other site is scaled up afterwards.</param>
internal sealed class Relocation(Sites sites, bool scaleDown, bool scaleUp)
{
    /// <param name="isAfterFailover">Whether the other site is made to follow first: it is primary yet.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="ProcedureException">It must not be begun.</exception>
    public async Task<Plan> PlanAsync(bool isAfterFailover, CancellationToken cancellation)
    {
        var (here, there) = (sites.Here, sites.There);
        var units = sites.Units();
        var outcome = $"{there.Name} is primary of {Steps.Names(units)}, with every write; {here.Name} follows it";
        if (!isAfterFailover)
        {
            foreach (var unit in units)
                RequireOnePrimary(unit);
        }
        List<Step> steps = [];
        List<string> remarks = [];
        var toDemote = units.Where(unit => unit.At(here)?.Has(Role.Secondary) != true).ToList();
        var toPromote = units.Where(unit => isAfterFailover || unit.At(there)?.Has(Role.Primary) != true).ToList();
        var moved = units.Where(unit => toDemote.Contains(unit) || toPromote.Contains(unit)).SelectMany(unit => unit.Claims).ToList();
        if (moved.Count > 0)
        {
            steps.AddRange(await Scaling.DownAsync(here, sites.SeenHere, sites.Namespace, moved, scaleDown, cancellation).ConfigureAwait(false));
            if (!isAfterFailover)
                steps.AddRange(Restoring.Missing(sites, moved));
        }
        if (toDemote.Count > 0)
            steps.Add(Steps.Switch(here, toDemote, Role.Secondary, there));
        if (toPromote.Count > 0)
            steps.Add(Steps.Switch(there, toPromote, Role.Primary, here));
        if (scaleUp)
            steps.AddRange(await Scaling.UpAsync(sites.There, sites.Here, sites.Namespace, sites.Claims, stopsFirst: isAfterFailover && scaleDown, remarks, cancellation).ConfigureAwait(false));
        return new Plan(steps, remarks, outcome);
    }

    private void RequireOnePrimary(Unit unit)
    {
        var (here, there) = (unit.At(sites.Here), unit.At(sites.There));
        if (here is null)
            throw new ProcedureException($"{unit.Name} is not protected at {sites.Here.Name}, only at {sites.There.Name}", $"swap --context and --peer-context if it is to move to {sites.Here.Name}; else run dr protect first");
        if (here.Wanted == Role.Primary && there?.Wanted == Role.Primary)
            throw new ProcedureException($"{unit.Name} is primary at both sites", $"dr failback with --context at the site whose data is to stay; it makes the other one follow, and moves");
        if (here.Wanted == Role.Resync)
            throw new ProcedureException($"{unit.Name} is being copied anew at {sites.Here.Name}", "wait until it follows; it is the other site that has the data");
        // What is secondary here and primary there has moved, and secondary at both is a move that was interrupted: both go on.
        if (here.Wanted == Role.Primary && here.Reached != "Primary")
            throw new ProcedureException($"{unit.Name} is not primary at {sites.Here.Name} yet{(here.Words.Length > 0 ? ": " + here.Words : "")}", "see dr status; a move needs a primary that is there");
    }
}
