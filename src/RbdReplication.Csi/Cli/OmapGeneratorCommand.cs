using System.CommandLine;
using RbdReplication.Core;
using RbdReplication.Csi.Composition;
using RbdReplication.Kubernetes.Manifests;
using RbdReplication.PersistentVolumes;

namespace RbdReplication.Csi.Cli;

/// <summary><c>omap-generator</c>: keeps the mappings from PersistentVolumes to images.</summary>
internal static class OmapGeneratorCommand
{
    public static Command Create()
    {
        var driverName = Flags.Text("--driver-name", "rbd.csi.ceph.com", "CSI driver whose volumes are mapped");
        var http = Flags.Text("--http-endpoint", "http://0.0.0.0:8081", "Where /metrics, /healthz and /readyz are served; \"\" for nowhere");
        var kubeConfig = Flags.Text("--kubeconfig", "", "kubeconfig file; without it the pod's service account is used");
        var leaseNamespace = Flags.Text("--leader-election-namespace", "", "Namespace of the Lease; without it the pod's own");
        var clusterName = Flags.Text("--cluster-name", "", "Name of this Kubernetes cluster, for images' metadata");
        var setMetadata = Flags.Switch("--set-metadata", "Write the names of claim, namespace and cluster onto images");
        var workers = Flags.Number("--workers", 4, 1, 64, "Batches of one cluster's pool that are checked side by side; each pool has its own");
        var manifests = Flags.Text("--from-manifests", "", "Map the PersistentVolumes and volume groups of this file or directory (YAML or JSON) once and exit; no API server is used");
        var secretDirectory = Flags.Text("--secret-dir", "", "With --from-manifests: secrets as NAMESPACE/NAME/KEY, NAME/KEY or KEY files");
        var dryRun = Flags.Switch("--dry-run", "With --from-manifests: print what would be written and write nothing");
        var shared = new SharedFlags();

        var command = new Command("omap-generator", "Keep the CSI journal, so that PVs restored from the peer cluster find their mirrored images.")
        {
            driverName, http, kubeConfig, leaseNamespace, clusterName, setMetadata, workers, manifests, secretDirectory, dryRun,
        };
        shared.AddTo(command);
        command.Validators.Add(result =>
        {
            if (result.GetValue(manifests) is { Length: > 0 })
                return;
            if (result.GetValue(dryRun))
                result.AddError("--dry-run needs --from-manifests");
            if (result.GetValue(secretDirectory) is { Length: > 0 })
                result.AddError("--secret-dir needs --from-manifests");
        });
        http.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string>() is { Length: > 0 } text && !ServeCommand.IsHttp(text))
                result.AddError($"--http-endpoint is \"{text}\", and must be a URI such as http://0.0.0.0:8081, or empty");
        });
        command.SetAction(async (parsed, cancellationToken) =>
        {
            if (parsed.GetRequiredValue(manifests) is { Length: > 0 } path)
            {
                var reconcile = new ReconcileOptions(parsed.GetValue(setMetadata), parsed.GetRequiredValue(clusterName), parsed.GetValue(dryRun));
                var files = new ClusterFiles(parsed.GetRequiredValue(shared.ClusterConfig), parsed.GetRequiredValue(shared.ClusterMapping), static (_, _) => { });
                var run = new ManifestRunOptions(
                    path, parsed.GetRequiredValue(secretDirectory), parsed.GetRequiredValue(driverName), parsed.GetRequiredValue(shared.InstanceId), reconcile);
                try
                {
                    var areAllMapped = await ManifestRun.RunAsync(
                        run, files, Console.Out, Console.Error, showProgress: !Console.IsErrorRedirected, cancellationToken);
                    return areAllMapped ? ExitCode.Success : ExitCode.Failure;
                }
                catch (ManifestException e)
                {
                    await Console.Error.WriteLineAsync($"rbd-replication: {e.Message}");
                    return ExitCode.Failure;
                }
            }
            return await OmapGeneratorHost.RunAsync(new OmapGeneratorHostOptions
            {
                Host = shared.Host(parsed, http),
                Generator = new OmapGeneratorOptions
                {
                    DriverName = parsed.GetRequiredValue(driverName),
                    InstanceId = parsed.GetRequiredValue(shared.InstanceId),
                    LeaderElectionNamespace = NullIfEmpty(parsed.GetRequiredValue(leaseNamespace)),
                    SetMetadata = parsed.GetValue(setMetadata),
                    ClusterName = parsed.GetRequiredValue(clusterName),
                    Workers = parsed.GetRequiredValue(workers),
                },
                KubeConfig = NullIfEmpty(parsed.GetRequiredValue(kubeConfig)),
            }, cancellationToken);
        });
        return command;
    }

    private static string? NullIfEmpty(string text) => text.Length == 0 ? null : text;
}
