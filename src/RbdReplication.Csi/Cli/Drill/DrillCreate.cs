using System.CommandLine;
using RbdReplication.Core;

namespace RbdReplication.Csi.Cli;

/// <summary><c>drill create</c>: makes the clones, and prints the manifests by which pods can use them.</summary>
internal static class DrillCreate
{
    public static Command Create()
    {
        var run = new DrillRun("yaml", "json");
        var name = DrillRun.Name();
        var volumes = new Option<string[]>("--volume") { Description = "Handle of a volume; can be given several times" };
        var group = Flags.Text("--group", "", "Handle of a volume group, in place of volumes");
        var point = Flags.Text("--point", "", "Name of the volumes' consistency point, which is waited for; the newest that is whole here by default");
        var generation = Flags.Number("--generation", 0, 0, int.MaxValue, "Number of the group's generation, which is waited for; the newest that is whole here by default");
        var space = Flags.Text("--namespace", "", "Kubernetes namespace of the claims; drill-NAME by default");
        var claim = Flags.Text("--pvc-name", "", "Name of the claim, where there is one volume; the name of the source's PersistentVolume by default");
        var storageClass = Flags.Text("--storage-class", "", "Storage class of the PersistentVolumes");
        var secretName = Flags.Text("--secret-name", "rook-csi-rbd-provisioner", "Kubernetes secret that the PersistentVolumes refer to");
        var secretNamespace = Flags.Text("--secret-namespace", "rook-ceph", "Its namespace");
        var driver = Flags.Text("--driver-name", "rbd.csi.ceph.com", "CSI driver name");
        var mode = Flags.Choice("--volume-mode", "Filesystem", "Volume mode of the PersistentVolumes", "Filesystem", "Block");
        var fileSystem = Flags.Text("--fs-type", "", "Filesystem that is on the volumes; the driver's default without it");
        var command = new Command("create", "Clone volumes or a group as they were at a point that is whole at this site, and print PersistentVolumes and claims.")
        {
            name, volumes, group, point, generation, space, claim, storageClass, secretName, secretNamespace, driver, mode, fileSystem, run.Timeout, run.Output,
        };
        run.AddTo(command);
        command.Validators.Add(result =>
        {
            var (named, ofGroup) = (result.GetValue(volumes) ?? [], result.GetValue(group) is { Length: > 0 });
            if (named.Length > 0 == ofGroup)
                result.AddError("either --volume or --group is needed");
            else if (ofGroup && result.GetValue(point) is { Length: > 0 })
                result.AddError("--point is for volumes; the points of a group are its generations: --generation");
            else if (!ofGroup && result.GetValue(generation) > 0)
                result.AddError("--generation is for a group; volumes have points: --point");
            else if (result.GetValue(point) is { Length: > 0 } text && !PointName.IsValid(text))
                result.AddError($"--point is \"{text}\", which no point can be called");
            else if (result.GetValue(space) is { Length: > 0 } label && !DrillName.IsLabel(label))
                result.AddError($"--namespace is \"{label}\", and must be the name of a namespace");
            else if (result.GetValue(claim) is { Length: > 0 } && named.Length != 1)
                result.AddError("--pvc-name is for a drill of one volume");
            foreach (var handle in named.Append(result.GetValue(group) ?? "").Where(handle => handle.Length > 0))
            {
                if (!VolumeHandle.TryParse(handle, out _, out var problem))
                    result.AddError($"\"{handle}\" is not a handle of ceph-csi: {problem}");
            }
            if (named.GroupBy(handle => handle[^Math.Min(handle.Length, VolumeHandle.UuidLength)..], StringComparer.OrdinalIgnoreCase).Any(same => same.Count() > 1))
                result.AddError("--volume names a volume more than once");
        });
        command.SetAction((parsed, cancellationToken) => run.RunAsync(
            parsed,
            async (site, token) =>
            {
                var drillName = parsed.GetRequiredValue(name);
                var request = new DrillRequest(
                    drillName, [.. (parsed.GetValue(volumes) ?? []).Select(Handle)], parsed.GetRequiredValue(group) is { Length: > 0 } handle ? Handle(handle) : null,
                    parsed.GetRequiredValue(point) is { Length: > 0 } named ? named : null, parsed.GetValue(generation) is > 0 and var number ? number : null,
                    parsed.GetRequiredValue(space) is { Length: > 0 } label ? label : DrillName.NamespaceOf(drillName));
                var shape = new VolumeShape(
                    parsed.GetRequiredValue(storageClass), parsed.GetRequiredValue(secretName), parsed.GetRequiredValue(secretNamespace), parsed.GetRequiredValue(driver),
                    parsed.GetRequiredValue(mode), parsed.GetRequiredValue(fileSystem));
                var made = await site.Drills.CreateAsync(request, site.Site.Credentials, parsed.GetRequiredValue(run.Timeout), token);
                new DrillView(parsed.GetRequiredValue(run.Output) == "json").Show(made, shape, parsed.GetRequiredValue(claim));
                return ExitCode.Success;
            },
            cancellationToken));
        return command;
    }

    private static VolumeHandle Handle(string text) =>
        VolumeHandle.TryParse(text, out var handle, out var problem) ? handle : throw new FormatException($"\"{text}\" is not a handle of ceph-csi: {problem}");
}
