using System.CommandLine;
using RbdReplication.Core;

namespace RbdReplication.Csi.Cli;

/// <summary>What the commands of <c>drill</c> have in common: the site, its Ceph user, and how they fail.</summary>
internal sealed class DrillRun
{
    private readonly SharedFlags _shared = new();
    private readonly Option<string> _secret = SecretSource.Option();

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
    public void AddTo(Command command)
    {
        command.Options.Add(_secret);
        command.Options.Add(_shared.ClusterConfig);
        command.Options.Add(_shared.ClusterMapping);
        command.Options.Add(_shared.InstanceId);
    }

    /// <summary>Runs one.</summary>
    public async Task<int> RunAsync(ParseResult parsed, Func<DrillSite, CancellationToken, Task<int>> run, CancellationToken cancellationToken)
    {
        try
        {
            var files = new ClusterFiles(parsed.GetRequiredValue(_shared.ClusterConfig), parsed.GetRequiredValue(_shared.ClusterMapping), static (_, _) => { });
            var credentials = CephCredentials.FromSecrets(SecretSource.Read(parsed.GetRequiredValue(_secret)));
            await using var connections = new ClusterConnections(TimeProvider.System);
            return await run(new DrillSite(files, credentials, connections, parsed.GetRequiredValue(_shared.InstanceId)), cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            await Console.Error.WriteLineAsync("rbd-replication: interrupted; run this again, it goes on where it stopped");
        }
        catch (Exception e) when (e is ReplicationException or IOException or UnauthorizedAccessException or FormatException)
        {
            await Console.Error.WriteLineAsync($"rbd-replication: {e.Message}");
        }
        return ExitCode.Failure;
    }

    /// <summary>The places that a command without a handle looks in, and what stood in the way of others.</summary>
    public async Task<(IReadOnlyList<DrillPlace> Places, IReadOnlyList<string> Problems)> FindPlacesAsync(DrillSite site, ParseResult parsed, CancellationToken cancellationToken)
    {
        var named = parsed.GetRequiredValue(ClusterId);
        var config = site.Files.Read().Config;
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
                return (Places: await site.Listing.ListPlacesAsync(cluster, site.Credentials, pool, deadline.Token), Problem: null);
            }
            catch (ReplicationException e)
            {
                return (Places: (IReadOnlyList<DrillPlace>)[], Problem: e.Message);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                return (Places: (IReadOnlyList<DrillPlace>)[], Problem: (string?)$"cluster {cluster.ClusterId} did not answer in time");
            }
        }));
        return ([.. looks.SelectMany(look => look.Places)], [.. looks.Select(look => look.Problem).OfType<string>()]);
    }
}

/// <summary>The site that a command of <c>drill</c> works at.</summary>
/// <param name="Files">Cluster configuration.</param>
/// <param name="Credentials">Ceph user and key.</param>
/// <param name="Connections">Connections to clusters.</param>
/// <param name="InstanceId">ceph-csi's instance id.</param>
internal sealed record DrillSite(ClusterFiles Files, CephCredentials Credentials, ClusterConnections Connections, string InstanceId)
{
    /// <summary>Makes and removes drills.</summary>
    public Drills Drills
    {
        get
        {
            var places = new Places(Connections, TimeProvider.System);
            return new Drills(
                new VolumeResolver(Files, places, Connections, new PoolsInUse(TimeProvider.System, areWatched: false)),
                new GroupResolver(Files, places, Connections, new GroupOptions(InstanceId)), Connections, InstanceId, TimeProvider.System);
        }
    }

    /// <summary>Finds them.</summary>
    public DrillListing Listing => new(Connections, TimeProvider.System);
}
