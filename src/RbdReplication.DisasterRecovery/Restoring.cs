using System.Text.Json.Nodes;

namespace RbdReplication.DisasterRecovery;

/// <summary>What of claims is missing at a site.</summary>
/// <param name="site">The site.</param>
/// <param name="nameSpace">Namespace of the claims.</param>
/// <param name="seen">What it has.</param>
internal sealed class Restoring(Site site, string nameSpace, SiteReading seen)
{
    private readonly List<RestoredClaim> _missing = [];
    private readonly List<string> _problems = [];

    /// <summary>What the site has by the same name, and is something else.</summary>
    public IReadOnlyList<string> Problems => _problems;

    /// <summary>A step that makes what is missing, or lets grow what is too small; none where all is there.</summary>
    public IReadOnlyList<Step> Steps => _missing.Count > 0 ? [DisasterRecovery.Steps.Restore(site, nameSpace, _missing)] : [];

    /// <summary>A step that makes at the other site what is missing of claims there.</summary>
    /// <exception cref="ProcedureException">The other site has something else by the same name.</exception>
    public static IReadOnlyList<Step> Missing(Sites sites, IReadOnlyList<string> claims)
    {
        var restoring = new Restoring(sites.There, sites.Namespace, sites.SeenThere);
        foreach (var name in claims)
        {
            // A site that was restored itself may have lost them again; what is there is all that can be had.
            if (sites.SeenHere.Claims.GetValueOrDefault(name) is { } claim && sites.SeenHere.VolumeOf(name) is { } volume)
                restoring.Add(claim, volume);
        }
        return restoring.Problems.Count == 0 ? restoring.Steps : throw new ProcedureException(
            string.Join("\n", restoring.Problems), $"delete or rename what {sites.There.Name} has, or leave the claim out; nothing was changed");
    }

    /// <summary>Compares what the site has with a claim and its PersistentVolume.</summary>
    public void Add(JsonObject claim, JsonObject volume)
    {
        var (claimThere, volumeThere) = (seen.Claims.GetValueOrDefault(claim.Name()), seen.Volumes.GetValueOrDefault(volume.Name()));
        if (Conflict(claim, claimThere, volume, volumeThere) is { } conflict)
            _problems.Add(conflict);
        else if (claimThere is null || volumeThere is null || Restored.Growth(volume, volumeThere) is not null
            || Restored.GrowthOfClaims(claim, claimThere) is not null || claimThere.Text("status", "phase") != "Bound")
            _missing.Add(new RestoredClaim(claim.Name(), Restored.Volume(volume), Restored.Claim(claim)));
    }

    private string? Conflict(JsonObject claim, JsonObject? claimThere, JsonObject volume, JsonObject? volumeThere)
    {
        var name = $"{nameSpace}/{claim.Name()}";
        if (claimThere is not null && Restored.DifferenceOfClaims(claim, claimThere) is { } difference)
            return $"claim {name} is another one at {site.Name}: {difference}";
        if (volumeThere is not null && Restored.Difference(volume, volumeThere) is { } other)
            return $"PersistentVolume {volume.Name()} is another one at {site.Name}: {other}";
        if (claimThere?.IsBeingDeleted() == true || volumeThere?.IsBeingDeleted() == true)
            return $"claim {name} or its PersistentVolume is being deleted at {site.Name}";
        // A volume whose claim was deleted and made again waits for an admin: it would never be bound.
        if (volumeThere?.Text("status", "phase") is "Released" or "Failed")
            return $"PersistentVolume {volume.Name()} is {volumeThere.Text("status", "phase")} at {site.Name}: its claim there was deleted; delete it too (it is retained), and it is restored";
        return null;
    }
}
