using RbdReplication.Core;
using RbdReplication.Kubernetes;
using RbdReplication.Kubernetes.Volumes;

namespace RbdReplication.PersistentVolumes;

/// <summary>A PersistentVolume whose mapping is to be kept.</summary>
internal sealed record ReconcileRequest(PersistentVolume Volume, VolumeHandle Handle, Reservation Reservation, ObjectName Secret, string Pool)
{
    /// <summary>ceph-csi's name for a volume's KMS where the volume names none.</summary>
    private const string DefaultKms = "default";

    /// <summary>Pool of the directory object.</summary>
    public string JournalPool => string.IsNullOrEmpty(Volume.JournalPool) ? Pool : Volume.JournalPool;

    /// <summary>
    /// Whether the volume needs no mapping: it is being deleted, another driver's, without a claim, static, or of CephFS.
    /// </summary>
    public static bool IsExempt(PersistentVolume volume, string driverName) =>
        volume.Deleting || volume.Driver != driverName || volume.Claim is null || volume.IsStatic || volume.IsCephFs;

    /// <summary>Reads what a mapping needs from a volume that is not exempt.</summary>
    /// <returns>Null and the problem if the object is broken.</returns>
    public static ReconcileRequest? From(PersistentVolume volume, out string problem)
    {
        if (string.IsNullOrEmpty(volume.VolumeHandle))
            return Broken("it has no volumeHandle", out problem);
        if (!VolumeHandle.TryParse(volume.VolumeHandle, out var handle, out var reason))
            return Broken($"its volumeHandle '{Shorten(volume.VolumeHandle)}' is not valid: {reason}", out problem);
        if (string.IsNullOrEmpty(volume.Pool))
            return Broken("its volumeAttributes have no pool", out problem);
        if (volume.Secret is null || volume.Secret.Namespace.Length == 0)
            return Broken("it has neither a controllerExpandSecretRef nor a nodeStageSecretRef with name and namespace", out problem);
        if (!TryReadEncryption(volume, out var kms, out var type))
            return Broken($"its attribute encrypted is '{Shorten(volume.Encrypted!)}' or encryptionType is '{Shorten(volume.EncryptionType ?? "")}', which is not known", out problem);
        problem = "";
        var reservation = new Reservation(volume.Name, handle.Uuid)
        {
            ImagePrefix = string.IsNullOrEmpty(volume.VolumeNamePrefix) ? JournalKeys.DefaultImagePrefix : volume.VolumeNamePrefix,
            Owner = volume.Claim?.Namespace is { Length: > 0 } owner ? owner : null,
            EncryptionKms = kms,
            EncryptionType = type,
        };
        return new ReconcileRequest(volume, handle, reservation, volume.Secret, volume.Pool);
    }

    private static bool TryReadEncryption(PersistentVolume volume, out string? kms, out string? type)
    {
        kms = type = null;
        switch (volume.Encrypted)
        {
            case null or "" or "0" or "f" or "F" or "false" or "False" or "FALSE":
                return true;
            case "1" or "t" or "T" or "true" or "True" or "TRUE":
                kms = string.IsNullOrEmpty(volume.EncryptionKmsId) ? DefaultKms : volume.EncryptionKmsId;
                // As the provisioner: without a type, block. (ceph-csi's generator leaves it empty, and the volume is no
                // longer taken for an encrypted one.)
                type = string.IsNullOrEmpty(volume.EncryptionType) ? "block" : volume.EncryptionType;
                return type is "block" or "file";
            default:
                return false;
        }
    }

    internal static string Shorten(string text) => text.Length <= 160 ? text : text[..159] + '…';

    private static ReconcileRequest? Broken(string reason, out string problem)
    {
        problem = reason;
        return null;
    }
}
