using System.CommandLine;
using RbdReplication.Core;

namespace RbdReplication.Csi.Cli;

/// <summary>What the commands of <c>drill</c> that make, list and remove drills have in common.</summary>
internal sealed class DrillRun
{
    private readonly SiteFlags _site = new();

    /// <param name="forms">The forms of the output; the first is the default.</param>
    public DrillRun(params string[] forms)
    {
        Output = Flags.Choice("--output", forms[0], "Form of the output", forms);
        Output.Aliases.Add("-o");
    }

    /// <summary>Name of the drill.</summary>
    public static Argument<string> Name()
    {
        var name = new Argument<string>("name") { Description = "Name of the drill: small letters, digits and dashes" };
        name.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && !DrillName.IsValid(token.Value))
                result.AddError($"the drill's name is \"{token.Value}\", and must have 1 to {DrillName.MaximumLength} small letters, digits and dashes, with none of these first or last");
        });
        return name;
    }

    public Option<string> Output { get; }

    public Option<Duration> Timeout { get; } = Flags.Duration("--timeout", TimeSpan.FromMinutes(2), "Longest wait for a point that is named, for another run, and for clients that were killed");

    public Option<string> ClusterId { get; } = Flags.Text("--cluster-id", "", "Only this cluster of the cluster configuration; all of them by default");

    public Option<string> Pool { get; } = Flags.Text("--pool", "", "Only this pool; all by default");

    /// <summary>Adds the options that each of them has.</summary>
    public void AddTo(Command command) => _site.AddTo(command, _site.ClusterMapping, _site.InstanceId);

    /// <summary>Runs one.</summary>
    public Task<int> RunAsync(ParseResult parsed, Func<DrillSite, CancellationToken, Task<int>> run, CancellationToken cancellationToken) =>
        _site.RunAsync(parsed, (site, token) => run(new DrillSite(site, parsed.GetRequiredValue(_site.InstanceId)), token), cancellationToken);

    /// <summary>Looks at all clusters of the site, for a command without a handle, and tells what stood in the way at some.</summary>
    /// <param name="site">The site.</param>
    /// <param name="parsed">The command line.</param>
    /// <param name="look">Looks at a cluster; only at the pool that is named, if one is.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<(IReadOnlyList<T> Found, IReadOnlyList<string> Problems)> LookAsync<T>(
        DrillSite site, ParseResult parsed, Func<ClusterEntry, string?, CancellationToken, Task<IReadOnlyList<T>>> look, CancellationToken cancellationToken)
    {
        var named = parsed.GetRequiredValue(ClusterId);
        var config = site.Site.Files.Read().Config;
        var clusters = ConfiguredClusters.Select(config, named, radosNamespace: null);
        var others = named.Length > 0 ? [] : Places.OfOtherSites(config, clusters);
        var pool = parsed.GetRequiredValue(Pool) is { Length: > 0 } name ? name : null;
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(parsed.GetRequiredValue(Timeout));
        // A cluster that does not answer must not hide the others.
        var looks = await Task.WhenAll(clusters.Where(cluster => others.All(other => other.ClusterId != cluster.ClusterId)).Select(async cluster =>
        {
            try
            {
                return (Found: await look(cluster, pool, deadline.Token), Problem: null);
            }
            catch (ReplicationException e)
            {
                return (Found: (IReadOnlyList<T>)[], Problem: e.Message);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                return (Found: (IReadOnlyList<T>)[], Problem: (string?)$"cluster {cluster.ClusterId} did not answer in time");
            }
        }));
        return ([.. looks.SelectMany(one => one.Found)], [.. looks.Select(one => one.Problem).OfType<string>()]);
    }
}

/// <summary>The site that a command of <c>drill</c> works at.</summary>
/// <param name="Site">The site.</param>
/// <param name="InstanceId">ceph-csi's instance id.</param>
internal sealed record DrillSite(CommandSite Site, string InstanceId)
{
    /// <summary>Makes and removes drills.</summary>
    public Drills Drills => new(Site.Volumes, Site.GroupsOf(InstanceId), Site.Connections, InstanceId, TimeProvider.System);

    /// <summary>Finds them.</summary>
    public DrillListing Listing => new(Site.Connections, TimeProvider.System);
}
