using System.CommandLine;
using RbdReplication.Core;
using RbdReplication.Csi.Hosting;

namespace RbdReplication.Csi.Cli;

/// <summary><c>status</c>: for people, the replicated volumes of this site: who is behind, why, and what to do.</summary>
internal static class StatusCommand
{
    public static Command Create()
    {
        var site = new SiteFlags();
        var cluster = Flags.Text("--cluster-id", "", "Only this cluster of the cluster configuration; all of them by default");
        var pool = Flags.Text("--pool", "", "Only this pool; all mirrored pools by default");
        var radosNamespace = new Option<string?>("--namespace") { Description = "Only this rados namespace; \"\" for the default one" };
        var output = Flags.Choice("--output", "table", "Form of the output", "table", "json");
        output.Aliases.Add("-o");
        var generations = Flags.Switch("--generations", "Tell what a forced promotion of each volume group would return to; opens every volume of the groups");
        var watch = Flags.Switch("--watch", "Show it again and again until interrupted");
        var interval = Flags.Duration("--interval", TimeSpan.FromSeconds(5), "With --watch: the time between");
        var timeout = Flags.Duration("--timeout", TimeSpan.FromSeconds(30), "Longest time that one look takes");
        var endpoint = Flags.Endpoint(
            "--csi-addons-endpoint", "unix:///csi/csi-addons.sock", "Socket of a running server, whose overdue operations are shown too; there need not be one", "unix");
        var command = new Command("status", "Show the replicated volumes and volume groups of a site and what is wrong with them; exit code 1 if anything is.")
        {
            cluster, pool, radosNamespace, endpoint, output, generations, watch, interval, timeout,
        };
        site.AddTo(command);
        command.SetAction((parsed, cancellationToken) => site.RunAsync(
            parsed,
            async (at, token) =>
            {
                var named = parsed.GetRequiredValue(cluster);
                var clusters = ConfiguredClusters.Select(at.Files.Read().Config, named, parsed.GetValue(radosNamespace));
                var poolName = parsed.GetRequiredValue(pool) is { Length: > 0 } name ? name : null;
                var lister = new PoolLister(at.Connections, TimeProvider.System);
                var view = StatusView.Of(parsed.GetRequiredValue(output), parsed.GetValue(watch));
                try
                {
                    while (true)
                    {
                        var passed = named.Length > 0 ? [] : Places.OfOtherSites(at.Files.Read().Config, clusters);
                        var report = await LookAsync(
                            lister, clusters, passed, at.Credentials, poolName, parsed.GetValue(generations), parsed.GetRequiredValue(endpoint).LocalPath,
                            parsed.GetRequiredValue(timeout), token);
                        view.Show(report);
                        if (!parsed.GetValue(watch))
                            return report.IsGood ? ExitCode.Success : ExitCode.Failure;
                        await Task.Delay(parsed.GetRequiredValue(interval), token);
                    }
                }
                catch (OperationCanceledException) when (token.IsCancellationRequested)
                {
                    return ExitCode.Success;
                }
            },
            cancellationToken));
        return command;
    }

    // A cluster that does not answer must not hide the others.
    private static async Task<StatusReport> LookAsync(
        PoolLister lister, List<ClusterEntry> clusters, IReadOnlyList<PassedOver> foreign, CephCredentials credentials, string? poolName, bool opensMembers,
        string socketPath, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(timeout);
        var server = AskServerAsync(socketPath, deadline.Token, cancellationToken);
        var local = clusters.Where(cluster => foreign.All(passed => passed.ClusterId != cluster.ClusterId));
        var looks = await Task.WhenAll(local.Select(async cluster =>
        {
            try
            {
                return (Listings: await lister.ListAsync(cluster, credentials, poolName, opensMembers, deadline.Token), Problem: (string?)null);
            }
            catch (ReplicationException e)
            {
                return ([], e.Message);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                return ([], $"cluster {cluster.ClusterId} did not answer within {timeout.TotalSeconds} s");
            }
        }));
        var (operations, silence) = await server;
        return new StatusReport(
            [.. looks.SelectMany(look => look.Listings).SelectMany(listing => listing.Volumes).WorstFirst()],
            [.. looks.SelectMany(look => look.Listings).SelectMany(listing => listing.Groups).WorstFirst()],
            [.. looks.SelectMany(look => look.Listings).SelectMany(listing => listing.Drills.Select(drill => new ShownDrill(listing.Pool, listing.Namespace, drill)))
                .OrderBy(drill => drill.Drill.CreatedAt)],
            [.. looks.Select(look => look.Problem).Append(silence).OfType<string>()],
            [.. foreign.Select(passed => passed.Why.Message)], operations);
    }

    private static async Task<(IReadOnlyList<OperationJson> Operations, string? Problem)> AskServerAsync(
        string socketPath, CancellationToken deadline, CancellationToken cancellationToken)
    {
        try
        {
            return await ServerOperations.ReadAsync(socketPath, deadline);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return ([], $"the server on {socketPath} did not answer in time");
        }
    }
}

/// <summary>What one look at a site gave.</summary>
/// <param name="Volumes">The volumes, worst first.</param>
/// <param name="Groups">The volume groups, worst first.</param>
/// <param name="Drills">The drills, the oldest first.</param>
/// <param name="Problems">What could not be looked at, and why.</param>
/// <param name="PassedOver">Clusters that are the other site's, and how that is known.</param>
/// <param name="Operations">What the server is doing to volumes.</param>
internal sealed record StatusReport(
    IReadOnlyList<MirroredVolume> Volumes, IReadOnlyList<GroupStatus> Groups, IReadOnlyList<ShownDrill> Drills, IReadOnlyList<string> Problems,
    IReadOnlyList<string> PassedOver, IReadOnlyList<OperationJson> Operations)
{
    /// <summary>Operations that go on though their caller has stopped waiting.</summary>
    public IEnumerable<OperationJson> Overdue => Operations.Where(operation => operation.OverdueSince is not null);

    public bool IsGood => Problems.Count == 0 && Overdue.All(operation => operation.GivesWay)
        && Volumes.All(volume => volume.Status.Health == ReplicationHealth.Healthy) && Groups.All(group => group.Health == ReplicationHealth.Healthy);
}

/// <summary>A drill and where it is.</summary>
/// <param name="Pool">Pool name.</param>
/// <param name="Namespace">Rados namespace; empty for the default one.</param>
/// <param name="Drill">The drill.</param>
internal sealed record ShownDrill(string Pool, string Namespace, DrillEntry Drill);
