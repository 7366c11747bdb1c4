using System.CommandLine;
using RbdReplication.Core;

namespace RbdReplication.Csi.Cli;

/// <summary>
/// What the commands have in common that work at a site without its server: where its clusters are, the Ceph user, and how they fail.
/// </summary>
internal sealed class SiteFlags
{
    private readonly SharedFlags _shared = new();
    private readonly Option<string> _secret = SecretSource.Option();

    /// <summary>ceph-csi's instance id, for those that write to its journal.</summary>
    public Option<string> InstanceId => _shared.InstanceId;

    /// <summary>The mapping between sites, for those that take handles of either one.</summary>
    public Option<string> ClusterMapping => _shared.ClusterMapping;

    /// <summary>Adds the options that each of them has, and more of its own.</summary>
    public void AddTo(Command command, params ReadOnlySpan<Option> others)
    {
        foreach (var option in (ReadOnlySpan<Option>)[_secret, _shared.ClusterConfig, .. others])
            command.Options.Add(option);
    }

    /// <summary>Runs one, and tells on stderr what it fails with.</summary>
    /// <returns>The exit code.</returns>
    public async Task<int> RunAsync(ParseResult parsed, Func<CommandSite, CancellationToken, Task<int>> run, CancellationToken cancellationToken)
    {
        try
        {
            var files = new ClusterFiles(parsed.GetRequiredValue(_shared.ClusterConfig), parsed.GetValue(ClusterMapping) ?? "/nonexistent", static (_, _) => { });
            var credentials = CephCredentials.FromSecrets(SecretSource.Read(parsed.GetRequiredValue(_secret)));
            await using var connections = new ClusterConnections(TimeProvider.System);
            return await run(new CommandSite(files, credentials, connections), cancellationToken);
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
}

/// <summary>The site that a command works at.</summary>
/// <param name="Files">Cluster configuration and mapping.</param>
/// <param name="Credentials">Ceph user and key.</param>
/// <param name="Connections">Connections to clusters.</param>
internal sealed record CommandSite(ClusterFiles Files, CephCredentials Credentials, ClusterConnections Connections)
{
    /// <summary>What finds volumes.</summary>
    public VolumeResolver Volumes => new(Files, Places, Connections, new PoolsInUse(TimeProvider.System, areWatched: false));

    /// <summary>What finds groups.</summary>
    public GroupResolver GroupsOf(string instanceId) => new(Files, Places, Connections, new GroupOptions(instanceId));

    private Places Places => new(Connections, TimeProvider.System);
}
