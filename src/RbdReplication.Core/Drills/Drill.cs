using System.Text.Json.Serialization;
using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>A drill: clones of replicated volumes as they were at a point that has come over, on which a failover is rehearsed.</summary>
/// <param name="Name">Its name.</param>
/// <param name="CreatedAt">When it was begun.</param>
/// <param name="Namespace">Kubernetes namespace of its claims, which the journal has as the owner of its volumes.</param>
/// <param name="Group">Handle of the volume group that it is of; null where it is of single volumes.</param>
/// <param name="Members">Its volumes, in the order of their sources.</param>
public sealed record Drill(string Name, DateTimeOffset CreatedAt, string Namespace, string? Group, IReadOnlyList<DrillMember> Members)
{
    /// <summary>Whether all of it has been made.</summary>
    public bool IsComplete { get; init; }

    /// <summary>Whether all members are of one instant.</summary>
    public bool IsOfOneInstant => Group is not null || Members.Count == 1;

    /// <summary>The instant that the oldest of its data is of, or the latest time that it can be of.</summary>
    public DateTimeOffset TakenAt => Members.Min(member => member.Point.TakenAt);
}

/// <summary>One volume of a drill.</summary>
/// <param name="Source">Handle of the volume that it is a clone of, as it was named.</param>
/// <param name="SourceName">That one's PV; null where the journal here does not know it.</param>
/// <param name="SourceImage">Its image.</param>
/// <param name="SourceImageId">Id of that here; a resync gives it another one.</param>
/// <param name="Uuid">Uuid of the drill's volume.</param>
/// <param name="ImagePrefix">What the clone's name has before that.</param>
/// <param name="Point">What it is a clone of.</param>
public sealed record DrillMember(
    string Source, string? SourceName, string SourceImage, string SourceImageId, string Uuid, string ImagePrefix, DrillPoint Point)
{
    /// <summary>Id of the key management service of an encrypted volume; null if it is not encrypted.</summary>
    public string? EncryptionKms { get; init; }

    /// <summary><c>block</c> or <c>file</c> for an encrypted volume, else null.</summary>
    public string? EncryptionType { get; init; }

    /// <summary>What the clone is to have of its source; null where that has not been looked at yet.</summary>
    [JsonIgnore]
    public CloneShape? Shape { get; init; }

    /// <summary>Name of the clone.</summary>
    [JsonIgnore]
    public string ImageName => ImagePrefix + Uuid;

    /// <summary>Name of its PV.</summary>
    [JsonIgnore]
    public string PersistentVolume => "pvc-" + Uuid;

    /// <summary>The PV of its source, or what ceph-csi would have called it.</summary>
    [JsonIgnore]
    public string SourceNameOrDefault => SourceName ?? "pvc-" + Source[^VolumeHandle.UuidLength..];
}

/// <summary>A point of a volume that is whole at this site.</summary>
/// <param name="SnapshotName">Name of the user snapshot.</param>
/// <param name="SizeBytes">Size of the volume then.</param>
/// <param name="TakenAt">When it was taken, or the latest time when that can have been.</param>
/// <param name="IsExact">Whether it was taken at this site; the mirror daemon makes the copy of one later.</param>
public sealed record DrillPoint(string SnapshotName, ulong SizeBytes, DateTimeOffset TakenAt, bool IsExact)
{
    /// <summary>What people call it: the name of a point, or <c>generation N</c>.</summary>
    [JsonIgnore]
    public string Title => GenerationName.Parse(SnapshotName) is { } generation ? $"generation {generation.Number}"
        : PointName.Parse(SnapshotName) is { } point ? point.Name
        : SnapshotName;
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, MaxDepth = 16)]
[JsonSerializable(typeof(DrillMember))]
internal sealed partial class DrillJson : JsonSerializerContext;
