using System.Buffers;
using System.Text.Json;
using RbdReplication.Kubernetes.Informers;

namespace RbdReplication.Kubernetes.Groups;

/// <summary>The VolumeGroupReplicationContents of one CSI driver. A cluster whose CSI-Addons know no groups does not have the kind.</summary>
/// <param name="driverName">The driver.</param>
public sealed class VolumeGroupContentResource(string driverName) : WatchedResource<VolumeGroupContent>
{
    /// <inheritdoc/>
    public override string Path => $"apis/{VolumeGroupContent.ApiVersion}/volumegroupreplicationcontents";

    /// <inheritdoc/>
    public override string Kind => "VolumeGroupReplicationContents";

    /// <inheritdoc/>
    public override string Selection => $"of driver {driverName}";

    /// <inheritdoc/>
    public override bool IsOptional => true;

    /// <inheritdoc/>
    public override Guid IdOf(VolumeGroupContent item) => item.Reference.Id;

    internal override async ValueTask<ListPage<VolumeGroupContent>> ReadPageAsync(Stream body, CancellationToken cancellationToken)
    {
        var page = await JsonSerializer.DeserializeAsync(body, VolumeGroupJson.Default.VolumeGroupContentListDocument, cancellationToken).ConfigureAwait(false)
            ?? throw new JsonException("null in place of a list");
        return new([.. (page.Items ?? []).Select(Select).OfType<VolumeGroupContent>()], page.Metadata?.ResourceVersion, page.Metadata?.Continue);
    }

    internal override WatchEvent<VolumeGroupContent> ReadEvent(ReadOnlySequence<byte> line)
    {
        var json = new Utf8JsonReader(line);
        var read = JsonSerializer.Deserialize(ref json, VolumeGroupJson.Default.VolumeGroupContentEventDocument)
            ?? throw new JsonException("null in place of a watch event");
        return new(read.Type, read.Object is { } item ? Select(item) : null, read.Object?.Metadata?.ResourceVersion, read.Object?.Code, read.Object?.Message);
    }

    private VolumeGroupContent? Select(VolumeGroupContentDocument item) => item.ToContent() is { } content && content.Driver == driverName ? content : null;
}
