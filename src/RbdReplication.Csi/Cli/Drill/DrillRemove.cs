using System.CommandLine;
using RbdReplication.Core;

namespace RbdReplication.Csi.Cli;

/// <summary><c>drill remove</c>: removes the clones with all that is kept for them.</summary>
internal static class DrillRemove
{
    public static Command Create()
    {
        var run = new DrillRun("table", "json");
        var name = DrillRun.Name();
        var force = Flags.Switch("--force", "Put clients that have a volume of it open on the cluster's blocklist, with all that they have open");
        var command = new Command("remove", "Remove a drill; delete its pods, claims and PersistentVolumes before.") { name, force, run.ClusterId, run.Pool, run.Timeout };
        run.AddTo(command);
        command.SetAction((parsed, cancellationToken) => run.RunAsync(
            parsed,
            async (site, token) =>
            {
                var drill = parsed.GetRequiredValue(name);
                var (found, problems) = await run.LookAsync(
                    site, parsed, (cluster, pool, inTime) => site.Listing.FindAsync(cluster, site.Site.Credentials, pool, drill, inTime), token);
                if (found.Count > 1)
                    throw new ReplicationException(ReplicationError.InvalidArgument, $"there is a drill {drill} in {string.Join(" and in ", found)}; say with --cluster-id and --pool which one is meant");
                if (found.Count == 0 && problems.Count > 0)
                    throw new ReplicationException(ReplicationError.Unavailable, $"cannot find drill {drill}: {string.Join("; ", problems)}");
                var removed = found.Count == 0 ? null
                    : await site.Drills.RemoveAsync(found[0], drill, parsed.GetValue(force), parsed.GetRequiredValue(run.Timeout), token);
                // Whoever asks for it twice, or again after it was cut off, has what was asked for.
                await Console.Out.WriteLineAsync(removed is null ? $"there is no drill {drill}" : $"removed drill {drill}: {DrillView.Number(removed.Members.Count, "volume")}");
                return ExitCode.Success;
            },
            cancellationToken));
        return command;
    }
}
