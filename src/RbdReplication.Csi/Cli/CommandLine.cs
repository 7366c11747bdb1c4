using System.CommandLine;

namespace RbdReplication.Csi.Cli;

/// <summary>The executable's commands.</summary>
internal static class CommandLine
{
    /// <summary>Runs the command that <paramref name="arguments"/> name and returns the exit code.</summary>
    public static async Task<int> RunAsync(string[] arguments)
    {
        var parsed = Root().Parse(IsPlugin ? [DrCommand.Name, .. arguments] : arguments);
        // What a shell asks to have completed is seldom a correct command line.
        var completes = arguments is [var first, ..] && first.StartsWith("[suggest", StringComparison.Ordinal);
        if (parsed.Errors.Count > 0 && !completes)
        {
            await Console.Error.WriteLineAsync($"rbd-replication: {parsed.Errors[0].Message} (see --help)").ConfigureAwait(false);
            return ExitCode.Usage;
        }
        // SIGTERM and SIGINT cancel the action's token. How long it then takes to stop a server has a limit of its own.
        var patience = parsed.CommandResult.Command.Name == ServeCommand.Name ? Timeout.InfiniteTimeSpan : TimeSpan.FromSeconds(30);
        return await parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = patience }).ConfigureAwait(false);
    }

    // kubectl runs "kubectl rbd-dr status" as "kubectl-rbd_dr status".
    private static bool IsPlugin => Path.GetFileName(Environment.GetCommandLineArgs()[0]) == DrCommand.PluginName;

    internal static RootCommand Root() =>
        new("Disaster recovery for Ceph RBD volumes under Kubernetes: CSI-Addons replication and PV-to-image mappings.")
        {
            ServeCommand.Create(),
            StatusCommand.Create(),
            DrCommand.Create(),
            DrillCommand.Create(),
            OmapGeneratorCommand.Create(),
            CallCommand.Create(),
            VolumeCommand.Create(),
            CompletionCommand.Create(),
        };
}
