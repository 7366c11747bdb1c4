using RbdReplication.Core;
using RbdReplication.Csi.Hosting;
using RbdReplication.Csi.VolumeMetrics;

namespace RbdReplication.Csi.Page;

/// <summary>
/// What the page shows: the last readings of all pools and the operations under way. It is put together when somebody asks for it and
/// something is new, and written as JSON once for all who ask. Safe for concurrent use.
/// </summary>
internal sealed class FleetFeed(LastListings listings, VolumeGate gate, VolumeMetricsOptions options)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, PoolRows> _rows = [];
    private IReadOnlyList<OperationJson> _operations = [];
    private long _listingsVersion = -1;
    private FleetState? _state;

    /// <summary>The newest state.</summary>
    public FleetState Read()
    {
        lock (_lock)
        {
            var listingsVersion = listings.Version;
            var operations = OperationsJson.Of(gate).Operations;
            if (_state is null || listingsVersion != _listingsVersion || !operations.SequenceEqual(_operations))
            {
                _state = Next(operations);
                _listingsVersion = listingsVersion;
                _operations = operations;
            }
            return _state;
        }
    }

    private FleetState Next(IReadOnlyList<OperationJson> operations)
    {
        var readings = listings.ListAll();
        foreach (var gone in _rows.Keys.Except(readings.Select(PoolJson.IdOf)).ToList())
            _rows.Remove(gone);
        foreach (var reading in readings)
        {
            if (reading.Listing is { } listing && !ReferenceEquals(_rows.GetValueOrDefault(PoolJson.IdOf(reading))?.Listing, listing))
                _rows[PoolJson.IdOf(reading)] = PoolRows.Of(reading, listing);
        }
        var pending = operations.DistinctBy(UuidOf, StringComparer.OrdinalIgnoreCase).ToDictionary(UuidOf, StringComparer.OrdinalIgnoreCase);
        var volumes = _rows.Values.SelectMany(pool => pool.Volumes).OrderByDescending(row => row.Severity).Take(options.MaximumVolumeSeries)
            .Select(row => row.Uuid is { } uuid && pending.TryGetValue(uuid, out var operation) ? row with { Pending = operation } : row)
            .ToDictionary(row => row.Id, StringComparer.Ordinal);
        var groups = _rows.Values.SelectMany(pool => pool.Groups)
            .Select(row => pending.TryGetValue(row.Uuid, out var operation) ? row with { Pending = operation } : row)
            .ToDictionary(row => row.Id, StringComparer.Ordinal);
        return new FleetState(_state, listings, volumes, groups, new FleetJson
        {
            IntervalSeconds = options.Interval.TotalSeconds,
            FreshForSeconds = listings.FreshFor.TotalSeconds,
            LeftOut = readings.Sum(reading => reading.Listing?.Count ?? 0) - volumes.Count,
            Pools = [.. readings.Select(PoolJson.Of)],
            Volumes = volumes.Values,
            Groups = groups.Values,
            Drills =
            [
                .. readings.SelectMany(reading => (reading.Listing?.Drills ?? []).Select(drill => new DrillJson(reading.Pool, reading.Namespace, drill)))
                    .OrderBy(drill => drill.CreatedAt).ThenBy(drill => drill.Name, StringComparer.Ordinal),
            ],
            Operations = operations,
        });
    }

    // Both sites' handles of a volume end with the same uuid.
    private static string UuidOf(OperationJson operation) =>
        operation.VolumeHandle.Length > VolumeHandle.UuidLength ? operation.VolumeHandle[^VolumeHandle.UuidLength..] : operation.VolumeHandle;

    private sealed record PoolRows(PoolListing Listing, IReadOnlyList<VolumeRow> Volumes, IReadOnlyList<GroupRow> Groups)
    {
        public static PoolRows Of(PoolReading reading, PoolListing listing) => new(
            listing, [.. listing.Volumes.WorstFirst().Select(volume => new VolumeRow(reading, volume))],
            [.. listing.Groups.WorstFirst().Select(group => new GroupRow(reading, group))]);
    }
}
