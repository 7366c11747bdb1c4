using System.CommandLine;
using RbdReplication.Core;

namespace RbdReplication.Csi.Cli;

/// <summary>
/// <c>volume import</c>: makes an image that ceph-csi did not create a CSI volume. It writes the journal entries and prints
/// the PersistentVolume; the image itself is not touched, unless it has to be renamed.
/// </summary>
internal static class VolumeImport
{
    private sealed record Request(
        string ClusterId, string Pool, string Image, string PersistentVolume, string ClaimNamespace, string Claim, string StorageClass,
        string SecretName, string SecretNamespace, string DriverName, string VolumeMode);

    public static Command Create()
    {
        var site = new SiteFlags();
        var cluster = new Option<string>("--cluster-id") { Description = "Cluster id of the cluster configuration", Required = true };
        var pool = new Option<string>("--pool") { Description = "Pool name", Required = true };
        var image = new Option<string>("--image") { Description = "Image name; it must end with a uuid, as csi-vol-<uuid> does", Required = true };
        var volume = Flags.Text("--pv-name", "", "Name of the PersistentVolume; pvc-<uuid of the image> by default");
        var claimNamespace = Flags.Text("--pvc-namespace", "", "Namespace of the claim that the volume is reserved for");
        var claim = Flags.Text("--pvc-name", "", "Name of the claim that the volume is reserved for");
        var storageClass = Flags.Text("--storage-class", "", "Storage class of the PersistentVolume");
        var secretName = Flags.Text("--secret-name", "rook-csi-rbd-provisioner", "Kubernetes secret that the PersistentVolume refers to");
        var secretNamespace = Flags.Text("--secret-namespace", "rook-ceph", "Its namespace");
        var driver = Flags.Text("--driver-name", "rbd.csi.ceph.com", "CSI driver name");
        var mode = Flags.Choice("--volume-mode", "Filesystem", "Volume mode of the PersistentVolume", "Filesystem", "Block");
        var command = new Command("import", "Register an existing image as a CSI volume and print its PersistentVolume.")
        {
            cluster, pool, image, volume, claimNamespace, claim, storageClass, secretName, secretNamespace, driver, mode,
        };
        site.AddTo(command, site.InstanceId);
        command.SetAction((parsed, cancellationToken) => site.RunAsync(
            parsed,
            async (at, token) =>
            {
                var request = new Request(
                    parsed.GetRequiredValue(cluster), parsed.GetRequiredValue(pool), parsed.GetRequiredValue(image), parsed.GetRequiredValue(volume),
                    parsed.GetRequiredValue(claimNamespace), parsed.GetRequiredValue(claim), parsed.GetRequiredValue(storageClass),
                    parsed.GetRequiredValue(secretName), parsed.GetRequiredValue(secretNamespace), parsed.GetRequiredValue(driver), parsed.GetRequiredValue(mode));
                await ImportAsync(request, at, parsed.GetRequiredValue(site.InstanceId), token);
                return ExitCode.Success;
            },
            cancellationToken));
        return command;
    }

    private static async Task ImportAsync(Request request, CommandSite site, string instanceId, CancellationToken cancellationToken)
    {
        var config = site.Files.Read().Config;
        var cluster = config.Find(request.ClusterId)
            ?? throw new ReplicationException(ReplicationError.NotConfigured, $"cluster {request.ClusterId} is not in the cluster configuration; known are {string.Join(", ", config.ClusterIds)}");
        var uuid = request.Image.Length >= VolumeHandle.UuidLength ? request.Image[^VolumeHandle.UuidLength..] : "";
        if (!VolumeHandle.IsUuid(uuid))
        {
            throw new ReplicationException(
                ReplicationError.InvalidArgument,
                $"image {request.Image} does not end with a uuid, which ceph-csi needs to delete and to restore it; rename it first: rbd rename {request.Pool}/{request.Image} {request.Pool}/{JournalKeys.DefaultImagePrefix}{Guid.NewGuid():D}");
        }
        var name = request.PersistentVolume.Length > 0 ? request.PersistentVolume : "pvc-" + uuid;
        var reservation = new Reservation(name, uuid)
        {
            ImagePrefix = request.Image[..^VolumeHandle.UuidLength],
            IsImageKnown = true,
            Owner = request.ClaimNamespace.Length > 0 ? request.ClaimNamespace : null,
        };
        var imported = await ImageImport.RunAsync(site.Connections, cluster, site.Credentials, request.Pool, reservation, instanceId, cancellationToken);
        Console.Write(new PersistentVolumeManifest(name, imported.Handle, imported.SizeBytes, request.Pool)
        {
            ImagePrefix = reservation.ImagePrefix,
            Claim = request.Claim.Length > 0 ? new(request.ClaimNamespace, request.Claim) : null,
            Shape = new(request.StorageClass, request.SecretName, request.SecretNamespace, request.DriverName, request.VolumeMode, ""),
        }.Volume());
    }
}
