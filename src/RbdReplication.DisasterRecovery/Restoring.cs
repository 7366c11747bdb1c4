using System.Text.Json.Nodes;

namespace RbdReplication.DisasterRecovery;

/// <summary>What of claims is missing at the other site.</summary>
internal static class Restoring
{
    /// <summary>A step that makes what is missing there, or lets grow what is too small; none where all is there.</summary>
    /// <exception cref="ProcedureException">The other site has something else by the same name.</exception>
    public static IReadOnlyList<Step> Missing(Sites sites, IReadOnlyList<string> claims)
    {
        List<RestoredClaim> missing = [];
        List<string> problems = [];
        foreach (var name in claims)
        {
            var (claim, volume) = (sites.SeenHere.Claims.GetValueOrDefault(name), sites.SeenHere.VolumeOf(name));
            // A site that was restored itself may have lost them again; what is there is all that can be had.
            if (claim is null || volume is null)
                continue;
            var (claimThere, volumeThere) = (sites.SeenThere.Claims.GetValueOrDefault(name), sites.SeenThere.Volumes.GetValueOrDefault(volume.Name()));
            if (Conflict(sites, name, claim, claimThere, volume, volumeThere) is { } conflict)
                problems.Add(conflict);
            else if (claimThere is null || volumeThere is null || Restored.Growth(volume, volumeThere) is not null
                || Restored.GrowthOfClaims(claim, claimThere) is not null || claimThere.Text("status", "phase") != "Bound")
                missing.Add(new RestoredClaim(name, Restored.Volume(volume), Restored.Claim(claim)));
        }
        if (problems.Count > 0)
            throw new ProcedureException(string.Join("\n", problems), $"delete or rename what {sites.There.Name} has, or leave the claim out; nothing was changed");
        return missing.Count > 0 ? [Steps.Restore(sites.There, sites.Namespace, missing)] : [];
    }

    private static string? Conflict(
        Sites sites, string name, JsonObject claim, JsonObject? claimThere, JsonObject volume, JsonObject? volumeThere)
    {
        if (claimThere is not null && Restored.DifferenceOfClaims(claim, claimThere) is { } difference)
            return $"claim {sites.Namespace}/{name} is another one at {sites.There.Name}: {difference}";
        if (volumeThere is not null && Restored.Difference(volume, volumeThere) is { } other)
            return $"PersistentVolume {volume.Name()} is another one at {sites.There.Name}: {other}";
        if (claimThere?.IsBeingDeleted() == true || volumeThere?.IsBeingDeleted() == true)
            return $"claim {sites.Namespace}/{name} or its PersistentVolume is being deleted at {sites.There.Name}";
        // A volume whose claim was deleted and made again waits for an admin: it would never be bound.
        if (volumeThere?.Text("status", "phase") is "Released" or "Failed")
            return $"PersistentVolume {volume.Name()} is {volumeThere.Text("status", "phase")} at {sites.There.Name}: its claim there was deleted; delete it too (it is retained), and it is restored";
        return null;
    }
}
