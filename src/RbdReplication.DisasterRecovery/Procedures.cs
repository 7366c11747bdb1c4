namespace RbdReplication.DisasterRecovery;

/// <summary>
/// The procedures over two Kubernetes clusters. Each can be killed and run again, and goes on where it stopped; none sets force by itself.
/// </summary>
/// <param name="here">The site that it is run for.</param>
/// <param name="there">The other one.</param>
/// <param name="selection">The claims.</param>
/// <param name="timeline">Where it is told.</param>
/// <param name="isDryRun">Whether it is planned only.</param>
/// <param name="patience">Longest wait of one step.</param>
public sealed class Procedures(Site here, Site there, Selection selection, Timeline timeline, bool isDryRun, TimeSpan patience)
{
    /// <summary>Replicates claims and restores them at the other site.</summary>
    /// <exception cref="ProcedureException">It cannot be done, or not go on.</exception>
    public Task ProtectAsync(ProtectionOptions options, CancellationToken cancellation) =>
        RunAsync(silentAfter: 0, sites => new Protecting(sites, options).PlanAsync(cancellation), cancellation);

    /// <summary>Moves claims from here to the other site; no write is lost.</summary>
    /// <inheritdoc cref="ProtectAsync" path="/exception"/>
    public Task RelocateAsync(bool scaleDown, bool scaleUp, CancellationToken cancellation) =>
        RunAsync(silentAfter: 0, sites => new Relocation(sites, scaleDown, scaleUp).PlanAsync(isAfterFailover: false, cancellation), cancellation);

    /// <summary>Goes on here, since the other site is lost.</summary>
    /// <inheritdoc cref="ProtectAsync" path="/exception"/>
    public Task FailOverAsync(bool peerIsLost, string? className, IReadOnlyList<string> fencedBlocks, bool scaleUp, CancellationToken cancellation) =>
        RunAsync(silentAfter: 3, sites => new Failover(sites, peerIsLost, className, fencedBlocks, scaleUp).PlanAsync(cancellation), cancellation);

    /// <summary>Makes the other site follow that was lost, and moves the claims back to it unless it is to follow only.</summary>
    /// <inheritdoc cref="ProtectAsync" path="/exception"/>
    public Task FailBackAsync(bool discardsPeersData, bool followsOnly, bool scaleDown, bool scaleUp, CancellationToken cancellation) =>
        RunAsync(silentAfter: 0, sites => new Failback(sites, discardsPeersData, followsOnly, scaleDown, scaleUp).PlanAsync(cancellation), cancellation);

    /// <summary>Ends replication; the data stays here.</summary>
    /// <inheritdoc cref="ProtectAsync" path="/exception"/>
    public Task UnprotectAsync(bool keepsRestored, CancellationToken cancellation) =>
        RunAsync(silentAfter: 0, sites => new Unprotecting(sites, keepsRestored).PlanAsync(cancellation), cancellation);

    /// <summary>Makes what was saved to a directory, at <paramref name="site"/>.</summary>
    /// <inheritdoc cref="ProtectAsync" path="/exception"/>
    public static async Task RestoreAsync(Site site, string directory, Timeline timeline, bool isDryRun, TimeSpan patience, CancellationToken cancellation) =>
        await new Runner(timeline, patience).RunAsync(await Saving.PlanRestoreAsync(site, directory, cancellation).ConfigureAwait(false), isDryRun, cancellation).ConfigureAwait(false);

    /// <summary>Makes a drill at a site that follows, or removes it. The other site is not asked.</summary>
    /// <param name="site">The site.</param>
    /// <param name="selection">The claims; null to remove the drill.</param>
    /// <param name="options">What is made.</param>
    /// <param name="server">Runs this program beside the site's Ceph cluster.</param>
    /// <param name="timeline">Where it is told.</param>
    /// <param name="isDryRun">Whether it is planned only.</param>
    /// <param name="patience">Longest wait of one step.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <inheritdoc cref="ProtectAsync" path="/exception"/>
    public static async Task DrillAsync(
        Site site, Selection? selection, DrillOptions options, ServerCommand server, Timeline timeline, bool isDryRun, TimeSpan patience, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(site);
        ArgumentNullException.ThrowIfNull(options);
        var drilling = new Drilling(site, options, server, timeline);
        var plan = selection is null ? drilling.PlanRemovalAsync(cancellation) : drilling.PlanAsync(selection, cancellation);
        await new Runner(timeline, patience).RunAsync(await plan.ConfigureAwait(false), isDryRun, cancellation).ConfigureAwait(false);
    }

    private async Task RunAsync(int silentAfter, Func<Sites, Task<Plan>> plan, CancellationToken cancellation)
    {
        var runner = new Runner(timeline, patience);
        var sites = await Sites.ReadAsync(selection, here, there, silentAfter, cancellation).ConfigureAwait(false);
        await runner.RunAsync(await plan(sites).ConfigureAwait(false), isDryRun, cancellation).ConfigureAwait(false);
    }
}
