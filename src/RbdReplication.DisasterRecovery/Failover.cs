using System.Globalization;
using RbdReplication.Core;

namespace RbdReplication.DisasterRecovery;

/// <summary>A disaster: the other site is lost, and this one goes on from what it has.</summary>
/// <param name="sites">The claims, at the site that goes on.</param>
/// <param name="peerIsLost">Whether an admin says that the other site is lost, though its API server may answer.</param>
/// <param name="className">The class for claims that were protected without leaving anything here; null where there are none.</param>
/// <param name="fencedBlocks">Address blocks of the lost site's nodes that its Ceph cluster is to refuse; empty for none.</param>
/// <param name="scaleUp">Whether what uses the claims here is scaled up afterwards.</param>
internal sealed class Failover(Sites sites, bool peerIsLost, string? className, IReadOnlyList<string> fencedBlocks, bool scaleUp)
{
    /// <exception cref="ProcedureException">It must not be begun.</exception>
    public async Task<Plan> PlanAsync(CancellationToken cancellation)
    {
        var (here, there) = (sites.Here, sites.There);
        if (sites.SeenThere.Silence is null && !peerIsLost)
            throw new ProcedureException($"{there.Name} answers", $"dr relocate loses nothing; where {there.Name} is lost all the same, say so with --peer-is-lost");
        if (fencedBlocks.Count > 0 && sites.SeenThere.Silence is { } silence)
            throw new ProcedureException($"its nodes cannot be fenced: a fence is set by the server beside {there.Name}'s Ceph cluster, and {silence}", "leave --fence out, and make sure by other means that nothing of it writes any more");
        List<Step> steps = [];
        List<string> remarks = [.. sites.SeenThere.Silence is { } why ? [$"{there.Name} does not answer: {why}"] : Array.Empty<string>()];
        RequireRestored();
        var units = sites.Units(className);
        foreach (var unit in units)
            remarks.Add(Loss(unit));
        if (fencedBlocks.Count > 0)
            steps.Add(Fencing.Step(there, sites.SeenThere, units, fencedBlocks));
        var toPromote = units.Where(unit => unit.At(here)?.Has(Role.Primary) != true).ToList();
        if (toPromote.Count > 0)
            steps.Add(Steps.Switch(here, toPromote, Role.Primary, model: null));
        if (scaleUp)
            steps.AddRange(await Scaling.UpAsync(here, sites.SeenThere.Silence is null ? there : null, sites.Namespace, sites.Claims, stopsFirst: false, remarks, cancellation).ConfigureAwait(false));
        return new Plan(steps, remarks, $"{here.Name} is primary of {Steps.Names(units)}; when {there.Name} is back: dr failback");
    }

    private void RequireRestored()
    {
        var missing = sites.Claims.Where(claim => sites.SeenHere.Claims.GetValueOrDefault(claim)?.Text("status", "phase") != "Bound").ToList();
        if (missing.Count > 0)
        {
            throw new ProcedureException(
                $"{sites.Here.Name}: {string.Join(", ", missing.Select(claim => $"{sites.Namespace}/{claim}"))} {(missing.Count == 1 ? "is" : "are")} not restored here",
                "dr restore DIR, from what dr backup has saved; then run this again");
        }
    }

    private string Loss(Unit unit)
    {
        var (here, there) = (unit.At(sites.Here), unit.At(sites.There));
        if (here?.Has(Role.Primary) == true)
            return $"{unit.Name}: {sites.Here.Name} is primary already";
        if (there?.Wanted is Role.Secondary or Role.Resync)
            return $"{unit.Name}: {sites.There.Name} was made secondary before: nothing is lost if {sites.Here.Name} holds its demotion, which PromoteVolume finds out";
        if (there?.LastSync is { } sync)
            return $"{unit.Name}: what {sites.There.Name} wrote after {Time(sync)} is lost, {Age(sync)} until now";
        var seen = unit.Claims.Select(claim => sites.SeenHere.Claims.GetValueOrDefault(claim)?.Annotation(Protecting.SyncNote)).FirstOrDefault(note => note is not null);
        return DateTimeOffset.TryParse(seen, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var noted)
            ? $"{unit.Name}: what was written after the last sync is lost; dr protect has seen one of {Time(noted)} at last, {Age(noted)} ago"
            : $"{unit.Name}: what was written after the last sync is lost; when that was cannot be seen without {sites.There.Name} (rbd-replication status at {sites.Here.Name} shows it)";
    }

    private static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss 'UTC'", CultureInfo.InvariantCulture);

    private static string Age(DateTimeOffset time) => Ages.Text(DateTimeOffset.UtcNow - time);
}
