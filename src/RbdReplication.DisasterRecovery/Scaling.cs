namespace RbdReplication.DisasterRecovery;

/// <summary>Stopping the application where its claims are, and starting it where they have moved to.</summary>
internal static class Scaling
{
    /// <summary>A step that scales down what uses the claims and waits until no node has their volumes; none where nobody has them.</summary>
    /// <param name="site">Where the claims are given up.</param>
    /// <param name="seen">What it has.</param>
    /// <param name="nameSpace">The claims' namespace.</param>
    /// <param name="claims">The claims.</param>
    /// <param name="isAllowed">Whether it may be scaled down.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="ProcedureException">A pod uses a claim, and is not to be stopped or cannot be.</exception>
    public static async Task<IReadOnlyList<Step>> DownAsync(
        Site site, SiteReading seen, string nameSpace, IReadOnlyList<string> claims, bool isAllowed, CancellationToken cancellation)
    {
        var workloads = new Workloads(site, nameSpace);
        var pods = await workloads.FindPodsAsync(claims, cancellation).ConfigureAwait(false);
        if (pods.Count > 0 && !isAllowed)
        {
            throw new ProcedureException(
                $"{site.Name}: {string.Join(", ", pods.Take(5).Select(pod => $"pod {nameSpace}/{pod.Name()}"))}{(pods.Count > 5 ? $" and {pods.Count - 5} more" : "")} {(pods.Count == 1 ? "uses" : "use")} the claims",
                "stop the application there, or add --scale-down");
        }
        var owners = await workloads.FindOwnersAsync(pods, cancellation).ConfigureAwait(false);
        var volumes = claims.Select(claim => seen.VolumeOf(claim)?.Name()).OfType<string>().ToList();
        var attached = await workloads.FindAttachmentsAsync(volumes, cancellation).ConfigureAwait(false);
        return pods.Count > 0 || attached.Count > 0 ? [Steps.Release(site, nameSpace, owners, claims, volumes)] : [];
    }

    /// <summary>A step that scales up what uses the claims; none where all of it runs.</summary>
    /// <param name="site">Where the claims are primary from now on.</param>
    /// <param name="before">The other site, which may have written down how many there were; null where it is lost.</param>
    /// <param name="nameSpace">The claims' namespace.</param>
    /// <param name="claims">The claims.</param>
    /// <param name="stopsFirst">Whether an earlier step scales them down here, though they run when the plan is made.</param>
    /// <param name="remarks">Takes what has to be started by hand.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public static async Task<IReadOnlyList<Step>> UpAsync(
        Site site, Site? before, string nameSpace, IReadOnlyList<string> claims, bool stopsFirst, List<string> remarks, CancellationToken cancellation)
    {
        var users = await new Workloads(site, nameSpace).FindUsersAsync(claims, cancellation).ConfigureAwait(false);
        var others = before is null ? [] : await new Workloads(before, nameSpace).FindUsersAsync(claims, cancellation).ConfigureAwait(false);
        if (users.Count == 0)
            remarks.Add($"{site.Name} has no Deployment or StatefulSet that uses the claims: start the application there by hand");
        List<(Workload, int)> scaled = [];
        foreach (var user in users.Where(user => user.Replicas == 0 || stopsFirst))
        {
            var other = others.FirstOrDefault(other => other.Kind == user.Kind && other.Name == user.Name);
            // One that is not scaled down yet says how many it has.
            if (user.Replicas > 0)
                scaled.Add((user, user.Replicas));
            else if ((user.ReplicasBefore ?? other?.ReplicasBefore ?? (other is { Replicas: > 0 } ? other.Replicas : null)) is { } replicas)
                scaled.Add((user, replicas));
            else
                remarks.Add($"{site.Name}: {user} has no replicas, and nothing says how many it had: scale it by hand");
        }
        return scaled.Count > 0 ? [Steps.ScaleUp(site, nameSpace, scaled)] : [];
    }
}
