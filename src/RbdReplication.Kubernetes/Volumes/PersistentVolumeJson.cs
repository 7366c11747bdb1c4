using System.Text.Json.Serialization;

namespace RbdReplication.Kubernetes.Volumes;

// Only what is declared here is materialised: annotations, managed fields and statuses, which make up most of a
// PersistentVolume, are skipped by the reader. Every leaf is optional, so one type also reads the Status of an ERROR
// event and the nearly empty object of a bookmark.
internal sealed class PersistentVolumeDocument
{
    public ObjectMetadata? Metadata { get; set; }

    public PersistentVolumeSpec? Spec { get; set; }

    /// <summary>Of a Status: the HTTP code.</summary>
    public int? Code { get; set; }

    /// <summary>Of a Status.</summary>
    public string? Message { get; set; }

    /// <summary>The part that the generator needs; null without a name.</summary>
    public PersistentVolume? ToVolume(StringPool strings)
    {
        if (string.IsNullOrEmpty(Metadata?.Name))
            return null;
        var csi = Spec?.Csi;
        var attributes = csi?.VolumeAttributes;
        return new PersistentVolume
        {
            Name = Metadata.Name,
            Uid = Metadata.Uid ?? "",
            Deleting = Metadata.DeletionTimestamp is not null,
            Driver = strings.Share(csi?.Driver),
            VolumeHandle = csi?.VolumeHandle,
            Claim = Spec?.ClaimRef?.ToName(strings, shareName: false),
            Secret = csi?.ControllerExpandSecretRef?.ToName(strings, shareName: true)
                ?? csi?.NodeStageSecretRef?.ToName(strings, shareName: true),
            IsStatic = attributes?.StaticVolume == "true",
            IsCephFs = !string.IsNullOrEmpty(attributes?.FsName),
            Pool = strings.Share(attributes?.Pool),
            JournalPool = strings.Share(attributes?.JournalPool),
            VolumeNamePrefix = strings.Share(attributes?.VolumeNamePrefix),
            Encrypted = strings.Share(attributes?.Encrypted),
            EncryptionKmsId = strings.Share(attributes?.EncryptionKmsId),
            EncryptionType = strings.Share(attributes?.EncryptionType),
        };
    }
}

internal sealed class ObjectMetadata
{
    public string? Name { get; set; }

    public string? Namespace { get; set; }

    public string? Uid { get; set; }

    public string? ResourceVersion { get; set; }

    public string? DeletionTimestamp { get; set; }
}

internal sealed class PersistentVolumeSpec
{
    public CsiSource? Csi { get; set; }

    public Reference? ClaimRef { get; set; }
}

internal sealed class CsiSource
{
    public string? Driver { get; set; }

    public string? VolumeHandle { get; set; }

    public VolumeAttributes? VolumeAttributes { get; set; }

    public Reference? ControllerExpandSecretRef { get; set; }

    public Reference? NodeStageSecretRef { get; set; }
}

internal sealed class VolumeAttributes
{
    public string? StaticVolume { get; set; }

    public string? FsName { get; set; }

    public string? Pool { get; set; }

    public string? JournalPool { get; set; }

    public string? VolumeNamePrefix { get; set; }

    public string? Encrypted { get; set; }

    [JsonPropertyName("encryptionKMSID")]
    public string? EncryptionKmsId { get; set; }

    public string? EncryptionType { get; set; }
}

internal sealed class Reference
{
    public string? Namespace { get; set; }

    public string? Name { get; set; }

    public ObjectName? ToName(StringPool strings, bool shareName) =>
        string.IsNullOrEmpty(Name) ? null : new(strings.Share(Namespace) ?? "", shareName ? strings.Share(Name) : Name);
}

internal sealed class PersistentVolumeListDocument
{
    public ListMetadata? Metadata { get; set; }

    public List<PersistentVolumeDocument>? Items { get; set; }
}

internal sealed class ListMetadata
{
    public string? ResourceVersion { get; set; }

    public string? Continue { get; set; }
}

internal sealed class WatchEventDocument
{
    public string? Type { get; set; }

    public PersistentVolumeDocument? Object { get; set; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(PersistentVolumeListDocument))]
[JsonSerializable(typeof(WatchEventDocument))]
internal sealed partial class PersistentVolumeJson : JsonSerializerContext;
