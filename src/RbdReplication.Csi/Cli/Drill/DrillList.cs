using System.CommandLine;

namespace RbdReplication.Csi.Cli;

/// <summary><c>drill list</c>: the drills of a site, who uses them, and what is kept for them.</summary>
internal static class DrillList
{
    public static Command Create()
    {
        var run = new DrillRun("table", "json");
        var command = new Command("list", "Show the drills of this site, who has them open, and what is kept for them.") { run.ClusterId, run.Pool, run.Timeout, run.Output };
        run.AddTo(command);
        command.SetAction((parsed, cancellationToken) => run.RunAsync(
            parsed,
            async (site, token) =>
            {
                var (drills, problems) = await run.LookAsync(
                    site, parsed, (cluster, pool, inTime) => site.Listing.ListAsync(cluster, site.Site.Credentials, pool, inTime), token);
                new DrillView(parsed.GetRequiredValue(run.Output) == "json").Show(drills, problems);
                return problems.Count == 0 ? ExitCode.Success : ExitCode.Failure;
            },
            cancellationToken));
        return command;
    }
}
