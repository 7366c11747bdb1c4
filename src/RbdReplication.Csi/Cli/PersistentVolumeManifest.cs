using System.Globalization;
using System.Text.Json;
using RbdReplication.Core;

namespace RbdReplication.Csi.Cli;

/// <summary>What people decide of a PersistentVolume, and nothing in Ceph tells.</summary>
/// <param name="StorageClass">Its storage class.</param>
/// <param name="SecretName">Kubernetes secret by which nodes reach the image.</param>
/// <param name="SecretNamespace">Its namespace.</param>
/// <param name="DriverName">The CSI driver.</param>
/// <param name="VolumeMode">Filesystem or Block.</param>
/// <param name="FileSystem">The filesystem on it; empty for the driver's default.</param>
internal sealed record VolumeShape(string StorageClass, string SecretName, string SecretNamespace, string DriverName, string VolumeMode, string FileSystem);

/// <summary>The claim that a PersistentVolume is reserved for.</summary>
/// <param name="Namespace">Its namespace.</param>
/// <param name="Name">Its name.</param>
internal sealed record ClaimName(string Namespace, string Name);

/// <summary>The manifests of a volume whose image is in Ceph already.</summary>
/// <param name="name">Name of the PersistentVolume.</param>
/// <param name="handle">Volume handle.</param>
/// <param name="sizeBytes">Size of the image.</param>
/// <param name="pool">Its pool.</param>
internal sealed class PersistentVolumeManifest(string name, VolumeHandle handle, ulong sizeBytes, string pool)
{
    public required VolumeShape Shape { get; init; }

    /// <summary>What the image's name has before the uuid.</summary>
    public string ImagePrefix { get; init; } = JournalKeys.DefaultImagePrefix;

    /// <summary>The claim that it is reserved for; null for any.</summary>
    public ClaimName? Claim { get; init; }

    /// <summary>The drill that it belongs to; null for none.</summary>
    public string? Drill { get; init; }

    /// <summary>Id of the key management service of an encrypted volume; null if it is not encrypted.</summary>
    public string? EncryptionKms { get; init; }

    /// <summary><c>block</c> or <c>file</c> for an encrypted volume, else null.</summary>
    public string? EncryptionType { get; init; }

    private string Storage => sizeBytes.ToString(CultureInfo.InvariantCulture);

    /// <summary>The PersistentVolume. Retain: deleting the claim of a replicated volume must not delete the data at both sites.</summary>
    public string Volume()
    {
        var claim = Claim is null ? "" : $"""

              claimRef:
                apiVersion: v1
                kind: PersistentVolumeClaim
                name: {Quote(Claim.Name)}
                namespace: {Quote(Claim.Namespace)}
            """;
        return $"""
            apiVersion: v1
            kind: PersistentVolume
            metadata:
              name: {Quote(name)}{Labels()}
              annotations:
                pv.kubernetes.io/provisioned-by: {Quote(Shape.DriverName)}
            spec:
              capacity:
                storage: {Quote(Storage)}
              accessModes:
                - ReadWriteOnce
              volumeMode: {Shape.VolumeMode}
              persistentVolumeReclaimPolicy: Retain
              storageClassName: {Quote(Shape.StorageClass)}{claim}
              csi:
                driver: {Quote(Shape.DriverName)}{(Shape.FileSystem.Length == 0 ? "" : $"\n    fsType: {Quote(Shape.FileSystem)}")}
                volumeHandle: {Quote(handle.ToString())}
                volumeAttributes:
            {string.Join('\n', Attributes().Select(pair => $"      {pair.Key}: {pair.Value}"))}
                controllerExpandSecretRef:
                  name: {Quote(Shape.SecretName)}
                  namespace: {Quote(Shape.SecretNamespace)}
                nodeStageSecretRef:
                  name: {Quote(Shape.SecretName)}
                  namespace: {Quote(Shape.SecretNamespace)}

            """;
    }

    /// <summary>The claim that it is reserved for.</summary>
    public string ClaimOf(ClaimName claim) => $"""
        apiVersion: v1
        kind: PersistentVolumeClaim
        metadata:
          name: {Quote(claim.Name)}
          namespace: {Quote(claim.Namespace)}{Labels()}
        spec:
          accessModes:
            - ReadWriteOnce
          volumeMode: {Shape.VolumeMode}
          storageClassName: {Quote(Shape.StorageClass)}
          volumeName: {Quote(name)}
          resources:
            requests:
              storage: {Quote(Storage)}

        """;

    private IEnumerable<KeyValuePair<string, string>> Attributes()
    {
        yield return new("clusterID", Quote(handle.ClusterId));
        yield return new("pool", Quote(pool));
        yield return new("imageFeatures", "layering");
        if (ImagePrefix != JournalKeys.DefaultImagePrefix)
            yield return new("volumeNamePrefix", Quote(ImagePrefix));
        if (EncryptionKms is null)
            yield break;
        yield return new("encrypted", Quote("true"));
        yield return new("encryptionKMSID", Quote(EncryptionKms));
        if (EncryptionType is not null)
            yield return new("encryptionType", Quote(EncryptionType));
    }

    private string Labels() => Drill is null ? "" : $"\n  labels:\n    {DrillName.Label}: {Quote(Drill)}";

    // JSON's quoting is a subset of YAML's.
    private static string Quote(string text) => $"\"{JsonEncodedText.Encode(text)}\"";
}
