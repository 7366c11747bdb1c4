using System.Text.Json.Serialization;
using RbdReplication.Kubernetes.Volumes;

namespace RbdReplication.Kubernetes.Groups;

// As for PersistentVolumes: only what is declared here is materialised, and every leaf is optional.
internal sealed class VolumeGroupContentDocument
{
    public VolumeGroupMetadata? Metadata { get; set; }

    public VolumeGroupContentSpec? Spec { get; set; }

    /// <summary>Of a Status: the HTTP code.</summary>
    public int? Code { get; set; }

    /// <summary>Of a Status.</summary>
    public string? Message { get; set; }

    /// <summary>The part that the generator needs; null without a name.</summary>
    public VolumeGroupContent? ToContent() => string.IsNullOrEmpty(Metadata?.Name) ? null : new VolumeGroupContent
    {
        Name = Metadata.Name,
        Uid = Metadata.Uid ?? "",
        Deleting = Metadata.DeletionTimestamp is not null,
        Driver = Spec?.Provisioner,
        Handle = Spec?.VolumeGroupReplicationHandle,
        ClassName = Spec?.VolumeGroupReplicationClassName,
        VolumeHandles = [.. (Spec?.Source?.VolumeHandles ?? []).Select(handle => handle ?? "")],
        Attributes = Spec?.VolumeGroupAttributes?.ToAttributes(),
        Secret = Metadata.Annotations?.ToSecret(),
    };
}

internal sealed class VolumeGroupMetadata
{
    public string? Name { get; set; }

    public string? Uid { get; set; }

    public string? ResourceVersion { get; set; }

    public string? DeletionTimestamp { get; set; }

    public VolumeGroupParameters? Annotations { get; set; }
}

internal sealed class VolumeGroupContentSpec
{
    public string? Provisioner { get; set; }

    public string? VolumeGroupReplicationHandle { get; set; }

    public string? VolumeGroupReplicationClassName { get; set; }

    public VolumeGroupSource? Source { get; set; }

    public VolumeGroupParameters? VolumeGroupAttributes { get; set; }
}

internal sealed class VolumeGroupSource
{
    public List<string?>? VolumeHandles { get; set; }
}

/// <summary>What is read of a content's annotations, of its attributes, and of a class's parameters.</summary>
internal sealed class VolumeGroupParameters
{
    public string? Pool { get; set; }

    public string? JournalPool { get; set; }

    public string? VolumeNamePrefix { get; set; }

    [JsonPropertyName("replication.storage.openshift.io/group-replication-secret-name")]
    public string? SecretName { get; set; }

    [JsonPropertyName("replication.storage.openshift.io/group-replication-secret-namespace")]
    public string? SecretNamespace { get; set; }

    public VolumeGroupAttributes? ToAttributes() =>
        string.IsNullOrEmpty(Pool) ? null : new VolumeGroupAttributes { Pool = Pool, JournalPool = JournalPool, VolumeNamePrefix = VolumeNamePrefix };

    public ObjectName? ToSecret() =>
        string.IsNullOrEmpty(SecretName) || string.IsNullOrEmpty(SecretNamespace) ? null : new ObjectName(SecretNamespace, SecretName);
}

internal sealed class VolumeGroupClassDocument
{
    public VolumeGroupMetadata? Metadata { get; set; }

    public VolumeGroupClassSpec? Spec { get; set; }

    /// <summary>The part that the generator needs; null without a name.</summary>
    public VolumeGroupClass? ToClass() =>
        string.IsNullOrEmpty(Metadata?.Name) ? null : new VolumeGroupClass(Metadata.Name, Spec?.Parameters?.ToAttributes(), Spec?.Parameters?.ToSecret());
}

internal sealed class VolumeGroupClassSpec
{
    public VolumeGroupParameters? Parameters { get; set; }
}

internal sealed class VolumeGroupContentListDocument
{
    public ListMetadata? Metadata { get; set; }

    public List<VolumeGroupContentDocument>? Items { get; set; }
}

internal sealed class VolumeGroupContentEventDocument
{
    public string? Type { get; set; }

    public VolumeGroupContentDocument? Object { get; set; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(VolumeGroupContentListDocument))]
[JsonSerializable(typeof(VolumeGroupContentEventDocument))]
[JsonSerializable(typeof(VolumeGroupClassDocument))]
internal sealed partial class VolumeGroupJson : JsonSerializerContext;
