using RbdReplication.Core;

namespace RbdReplication.DisasterRecovery;

/// <summary>A claim over both sites, for people.</summary>
/// <param name="Claim">Namespace and name.</param>
/// <param name="Group">The group that it moves with; empty for none.</param>
/// <param name="Here">What the site here is for it: <c>primary</c>, <c>secondary</c>, <c>resync</c>, with what it was asked for where that is not reached; <c>-</c> for no protection, <c>?</c> for a site that does not answer.</param>
/// <param name="There">The same of the other site.</param>
/// <param name="LastSync">When the newest state that the other site has was taken.</param>
/// <param name="Restored">Whether the site that is not primary has claim and volume, bound.</param>
/// <param name="IsSafe">Whether a failover would lose no more than what the schedule allows.</param>
/// <param name="Words">Why not, or what the controller says.</param>
public sealed record StatusRow(
    string Claim, string Group, string Here, string There, DateTimeOffset? LastSync, string Restored, bool IsSafe, string Words)
{
    /// <summary>How much a failover would lose now; null where it is not known.</summary>
    public TimeSpan? Lag(DateTimeOffset now) => LastSync is { } sync ? now - sync : null;

    /// <summary>Reads both sites; either may be silent, not both.</summary>
    /// <exception cref="ProcedureException">The site here does not answer, or has none of the claims.</exception>
    public static async Task<IReadOnlyList<StatusRow>> ReadAsync(Selection selection, Site here, Site there, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(selection);
        var sites = await Sites.ReadAsync(selection, here, there, silentAfter: 1, cancellation).ConfigureAwait(false);
        var classes = await here.ListAsync(Kinds.VolumeReplicationClass, null, null, cancellation).ConfigureAwait(false);
        var intervals = classes.ToDictionary(item => item.Name(), item => ReplicationSchedule.ParseInterval(item.Text("spec", "parameters", "schedulingInterval") ?? ""), StringComparer.Ordinal);
        // Where the whole namespace was asked for, claims that nobody protects are not of interest.
        return [.. sites.Claims.Where(claim => !selection.IsAll || sites.SeenHere.ProtectionOf(claim) is not null || sites.SeenThere.ProtectionOf(claim) is not null)
            .Select(claim => Of(sites, claim, intervals))];
    }

    private static StatusRow Of(Sites sites, string claim, Dictionary<string, TimeSpan?> intervals)
    {
        var (seenHere, seenThere) = (sites.SeenHere, sites.SeenThere);
        var (here, there) = (seenHere.ProtectionOf(claim), seenThere.ProtectionOf(claim));
        var primary = here?.Wanted == Role.Primary ? here : there?.Wanted == Role.Primary ? there : null;
        var (volumes, follower) = primary == here ? (seenHere, seenThere) : (seenThere, seenHere);
        var restored = follower.Silence is not null ? "?" : follower.Claims.GetValueOrDefault(claim) is { } other
            ? (other.Text("status", "phase") == "Bound" ? "yes" : (other.Text("status", "phase") ?? "no").ToLowerInvariant())
            : "no";
        var sync = primary?.LastSync;
        var why = Why(sites, claim, here, there, primary, volumes, follower, intervals);
        return new StatusRow(
            $"{sites.Namespace}/{claim}", (here ?? there) is { IsGroup: true } group ? group.Name.Name : "", RoleOf(seenHere, here), RoleOf(seenThere, there), sync, restored, why is null,
            why ?? primary?.MessageOf("Replicating") ?? primary?.Words ?? "");
    }

    private static string? Why(
        Sites sites, string claim, Protection? here, Protection? there, Protection? primary, SiteReading at, SiteReading follower, Dictionary<string, TimeSpan?> intervals)
    {
        if (sites.SeenThere.Silence is { } silence)
            return $"{sites.There.Name} does not answer: {silence}";
        if (here is null && there is null)
            return "it is not protected (dr protect)";
        if (here?.Wanted == Role.Primary && there?.Wanted == Role.Primary)
            return "both sites are primary: dr failback with --context at the one whose data is to stay";
        if (primary is null)
            return "no site is primary: run the command again that was interrupted, or dr failover";
        if (!primary.Has(Role.Primary))
            return $"{at.SiteName} is not primary yet{(primary.Words.Length > 0 ? ": " + primary.Words : "")}";
        if (follower.Claims.GetValueOrDefault(claim)?.Text("status", "phase") != "Bound")
            return $"its claim is not restored at {follower.SiteName}: dr protect";
        if (primary.StatusOf("Replicating") == "False")
            return primary.MessageOf("Replicating") ?? "it is not replicating";
        if (primary.LastSync is not { } sync)
            return "nothing has been synced yet";
        var interval = intervals.GetValueOrDefault(primary.Class ?? "");
        // Two intervals and a report: one sync may be under way, and what it brought is told half a minute later.
        return interval is { } every && DateTimeOffset.UtcNow - sync > (2 * every) + TimeSpan.FromMinutes(1)
            ? $"the last sync is {Ages.Text(DateTimeOffset.UtcNow - sync)} old, and there should be one every {Ages.Text(every)}"
            : null;
    }

    private static string RoleOf(SiteReading seen, Protection? protection)
    {
        if (seen.Silence is not null)
            return "?";
        if (protection?.Wanted is not { } wanted)
            return "-";
        var text = Roles.Text(wanted);
        return protection.Has(wanted) ? text : $"{(protection.Reached is { } reached ? reached.ToLowerInvariant() : "unknown")}, to be {text}";
    }
}
