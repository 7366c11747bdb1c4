using System.CommandLine;
using RbdReplication.DisasterRecovery;

namespace RbdReplication.Csi.Cli;

/// <summary><c>dr</c>: the disaster recovery procedures over two Kubernetes clusters; as <c>kubectl-rbd_dr</c> a plugin of kubectl.</summary>
internal static class DrCommand
{
    /// <summary>The name under which kubectl finds it as a plugin.</summary>
    public const string PluginName = "kubectl-rbd_dr";

    public const string Name = "dr";

    public static Command Create() => new(Name, "Disaster recovery over two Kubernetes clusters: protect claims, move them, fail over, come back. Talks to the API servers alone.")
    {
        Protect(), Status(), BackUp(), Restore(), Relocate(), FailOver(), FailBack(), Unprotect(), Drill(),
    };

    private static Command Protect()
    {
        var flags = new DrFlags();
        var className = Flags.Text("--class", "", "VolumeReplicationClass for claims that are not protected yet");
        var group = Flags.Text("--group", "", "Replicate the claims as one volume group of this name; they are told by --selector");
        var groupClass = Flags.Text("--group-class", "", "VolumeGroupReplicationClass of the group");
        var command = flags.CreateForBoth("protect", "Replicate claims from --context to --peer-context and restore them there; run again, keep the other site in step.", className, group, groupClass);
        command.Validators.Add(result =>
        {
            if (result.GetValue(group) is { Length: > 0 } && (result.GetValue(className) is not { Length: > 0 } || result.GetValue(groupClass) is not { Length: > 0 }))
                result.AddError("--group needs --class and --group-class");
        });
        flags.Act(command, (parsed, procedures, cancellationToken) => procedures.ProtectAsync(
            new ProtectionOptions(Given(parsed.GetRequiredValue(className)), Given(parsed.GetRequiredValue(groupClass)), Given(parsed.GetRequiredValue(group))), cancellationToken));
        return command;
    }

    private static Command Status()
    {
        var flags = new DrFlags();
        var command = flags.CreateForStatus("status", "Show protected claims over both sites; exit code 1 if a failover of any is not safe.");
        command.SetAction((parsed, cancellationToken) =>
        {
            var safe = ExitCode.Success;
            return Both(DrOutput.TellAsync(command.Name, false, async _ =>
            {
                using var here = flags.Here(parsed);
                using var there = flags.There(parsed);
                safe = DrOutput.Show(await StatusRow.ReadAsync(flags.Selection(parsed, here), here, there, cancellationToken), here.Name, there.Name, flags.IsJson(parsed));
            }, cancellationToken));

            async Task<int> Both(Task<int> told) => await told is not ExitCode.Success and var failed ? failed : safe;
        });
        return command;
    }

    private static Command BackUp()
    {
        var flags = new DrFlags();
        var directory = new Argument<string>("directory") { Description = "Where the files go" };
        var command = flags.CreateForOne("backup", "Save PersistentVolumes and claims of a site as files that kubectl apply takes; nothing of secrets.", directory, hasClaims: true);
        command.SetAction((parsed, cancellationToken) => DrOutput.TellAsync(command.Name, flags.IsJson(parsed), async timeline =>
        {
            using var here = flags.Here(parsed);
            var began = TimeProvider.System.GetTimestamp();
            var saved = await Saving.BackUpAsync(here, flags.Selection(parsed, here), parsed.GetRequiredValue(directory), cancellationToken);
            timeline.Ended(TimeProvider.System.GetElapsedTime(began), $"{saved} claim{(saved == 1 ? "" : "s")} of {here.Name} saved in {parsed.GetRequiredValue(directory)}");
        }, cancellationToken));
        return command;
    }

    private static Command Restore()
    {
        var flags = new DrFlags();
        var directory = new Argument<string>("directory") { Description = "What dr backup has written" };
        var command = flags.CreateForOne("restore", "Make the PersistentVolumes and claims of a directory at a site, and wait until they are bound.", directory, hasClaims: false);
        command.SetAction((parsed, cancellationToken) => DrOutput.TellAsync(command.Name, flags.IsJson(parsed), async timeline =>
        {
            using var here = flags.Here(parsed);
            await Procedures.RestoreAsync(here, parsed.GetRequiredValue(directory), timeline, flags.IsDryRun(parsed), flags.Patience(parsed), cancellationToken);
        }, cancellationToken));
        return command;
    }

    private static Command Relocate()
    {
        var flags = new DrFlags();
        var (down, up) = (ScaleDown(), ScaleUp());
        var command = flags.CreateForBoth("relocate", "Move claims from --context to --peer-context; no write is lost.", down, up);
        flags.Act(command, (parsed, procedures, cancellationToken) => procedures.RelocateAsync(parsed.GetValue(down), parsed.GetValue(up), cancellationToken));
        return command;
    }

    private static Command FailOver()
    {
        var flags = new DrFlags();
        var up = ScaleUp();
        var lost = Flags.Switch("--peer-is-lost", "The other site is lost, even if its API server answers");
        var className = Flags.Text("--class", "", "VolumeReplicationClass for claims that were not protected by this command");
        var fence = new Option<string[]>("--fence") { Description = "Block of addresses of the lost site's nodes that its Ceph cluster is to refuse, 192.0.2.0/24; may be repeated" };
        var command = flags.CreateForBoth("failover", "Go on at --context: the site of --peer-context is lost. What it wrote after the last sync is lost, too.", lost, className, fence, up);
        flags.Act(command, (parsed, procedures, cancellationToken) => procedures.FailOverAsync(
            parsed.GetValue(lost), Given(parsed.GetRequiredValue(className)), parsed.GetValue(fence) ?? [], parsed.GetValue(up), cancellationToken));
        return command;
    }

    private static Command FailBack()
    {
        var flags = new DrFlags();
        var (down, up) = (ScaleDown(), ScaleUp());
        var discard = Flags.Switch("--discard-peer-data", "Throw away what the site of --peer-context wrote after its last sync before it was lost");
        var follow = Flags.Switch("--follow-only", "Make the other site follow, and move nothing back yet");
        var command = flags.CreateForBoth("failback", "The site of --peer-context was lost and is back: make it follow --context, then move the claims back to it.", discard, follow, down, up);
        flags.Act(command, (parsed, procedures, cancellationToken) => procedures.FailBackAsync(
            parsed.GetValue(discard), parsed.GetValue(follow), parsed.GetValue(down), parsed.GetValue(up), cancellationToken));
        return command;
    }

    private static Command Unprotect()
    {
        var flags = new DrFlags();
        var keep = Flags.Switch("--keep-restored", "Leave the claims and PersistentVolumes of the other site, which have no image any more");
        var command = flags.CreateForBoth("unprotect", "End replication; --context keeps the data, and the copies of --peer-context are removed.", keep);
        flags.Act(command, (parsed, procedures, cancellationToken) => procedures.UnprotectAsync(parsed.GetValue(keep), cancellationToken));
        return command;
    }

    private static Command Drill()
    {
        var flags = new DrFlags();
        var name = DrillRun.Name();
        var space = Flags.Text("--drill-namespace", "", "Namespace of the drill's claims; drill-NAME by default");
        var point = Flags.Text("--point", "", "Consistency point, or number of a group's generation; the newest that is whole at --context by default");
        var exec = Flags.Text("--exec", ServerCommand.Default, "Command that runs rbd-replication beside the Ceph cluster of --context");
        var remove = Flags.Switch("--remove", "Remove the drill");
        var command = flags.CreateForSome("drill", "Rehearse a failover at --context, which goes on following: clones of claims in a namespace of their own.", name, remove, space, point, exec);
        command.SetAction((parsed, cancellationToken) => DrOutput.TellAsync(command.Name, flags.IsJson(parsed), async timeline =>
        {
            using var here = flags.Here(parsed);
            await Procedures.DrillAsync(
                here, parsed.GetValue(remove) ? null : flags.Selection(parsed, here),
                new DrillOptions(parsed.GetRequiredValue(name), Given(parsed.GetRequiredValue(space)), Given(parsed.GetRequiredValue(point))),
                new ServerCommand(here, parsed.GetRequiredValue(exec), flags.Files(parsed)), timeline, flags.IsDryRun(parsed), flags.Patience(parsed), cancellationToken);
        }, cancellationToken));
        return command;
    }

    private static Option<bool> ScaleDown() => Flags.Switch("--scale-down", "Scale down the Deployments and StatefulSets that use the claims, and write down how many replicas they had");

    private static Option<bool> ScaleUp() => Flags.Switch("--scale-up", "Scale up those that use the claims where they are primary in the end, to as many replicas as were written down");

    private static string? Given(string text) => text.Length > 0 ? text : null;
}
