using System.Buffers;
using System.Text.Json;
using RbdReplication.Kubernetes.Informers;

namespace RbdReplication.Kubernetes.Volumes;

/// <summary>The PersistentVolumes of one CSI driver.</summary>
/// <param name="driverName">The driver.</param>
public sealed class PersistentVolumeResource(string driverName) : WatchedResource<PersistentVolume>
{
    // One informer reads one list or watch at a time.
    private readonly StringPool _strings = new();

    /// <inheritdoc/>
    public override string Path => "api/v1/persistentvolumes";

    /// <inheritdoc/>
    public override string Kind => "PersistentVolumes";

    /// <inheritdoc/>
    public override string Selection => $"of driver {driverName}";

    /// <inheritdoc/>
    public override Guid IdOf(PersistentVolume item) => item.Id;

    internal override async ValueTask<ListPage<PersistentVolume>> ReadPageAsync(Stream body, CancellationToken cancellationToken)
    {
        var page = await JsonSerializer
            .DeserializeAsync(body, PersistentVolumeJson.Default.PersistentVolumeListDocument, cancellationToken).ConfigureAwait(false)
            ?? throw new JsonException("null in place of a list");
        var volumes = new List<PersistentVolume>(page.Items?.Count ?? 0);
        foreach (var item in page.Items ?? [])
        {
            if (Select(item) is { } volume)
                volumes.Add(volume);
        }
        return new(volumes, page.Metadata?.ResourceVersion, page.Metadata?.Continue);
    }

    internal override WatchEvent<PersistentVolume> ReadEvent(ReadOnlySequence<byte> line)
    {
        var json = new Utf8JsonReader(line);
        var read = JsonSerializer.Deserialize(ref json, PersistentVolumeJson.Default.WatchEventDocument)
            ?? throw new JsonException("null in place of a watch event");
        return new(read.Type, read.Object is { } item ? Select(item) : null, read.Object?.Metadata?.ResourceVersion, read.Object?.Code, read.Object?.Message);
    }

    // A volume cannot change its driver, but one that is deleted and made again under the same name has another UID.
    private PersistentVolume? Select(PersistentVolumeDocument item) => item.ToVolume(_strings) is { } volume && volume.Driver == driverName ? volume : null;
}
