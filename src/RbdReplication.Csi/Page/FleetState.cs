using System.Text.Json;
using RbdReplication.Core;

namespace RbdReplication.Csi.Page;

/// <summary>One state of what the page shows, and what of it is new. The bytes are made when they are first asked for.</summary>
internal sealed class FleetState
{
    private readonly IReadOnlyDictionary<string, VolumeRow> _volumes;
    private readonly IReadOnlyDictionary<string, GroupRow> _groups;
    private readonly Lazy<byte[]> _whole;
    private readonly Lazy<byte[]> _changes;

    public FleetState(
        FleetState? before, LastListings listings, IReadOnlyDictionary<string, VolumeRow> volumes, IReadOnlyDictionary<string, GroupRow> groups, FleetJson document)
    {
        _volumes = volumes;
        _groups = groups;
        Version = (before?.Version ?? 0) + 1;
        _whole = new(() => JsonSerializer.SerializeToUtf8Bytes(
            document with { Volumes = document.Volumes.Select(row => row.WithHistory(listings)), Groups = document.Groups.Select(row => row.WithHistory(listings)) },
            FleetJsonContext.Default.FleetJson));
        // Rows are made anew when their pool was read again: the lists are taken now, so that the state before is not kept.
        List<VolumeRow> changedVolumes = [.. volumes.Values.Where(row => !ReferenceEquals(before?._volumes.GetValueOrDefault(row.Id), row))];
        List<GroupRow> changedGroups = [.. groups.Values.Where(row => !ReferenceEquals(before?._groups.GetValueOrDefault(row.Id), row))];
        List<string> removed = before is null ? [] : [.. before._volumes.Keys.Where(id => !volumes.ContainsKey(id)), .. before._groups.Keys.Where(id => !groups.ContainsKey(id))];
        _changes = new(() => JsonSerializer.SerializeToUtf8Bytes(
            document with { Volumes = changedVolumes, Groups = changedGroups, Removed = removed }, FleetJsonContext.Default.FleetJson));
    }

    /// <summary>Grows by one from state to state.</summary>
    public long Version { get; }

    /// <summary>All of it, a <see cref="FleetJson"/>.</summary>
    public byte[] Whole => _whole.Value;

    /// <summary>What is new since the state before, a <see cref="FleetJson"/>.</summary>
    public byte[] Changes => _changes.Value;
}
