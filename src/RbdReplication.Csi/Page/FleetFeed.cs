using RbdReplication.Core;
using RbdReplication.Csi.Hosting;
using RbdReplication.Csi.VolumeMetrics;

namespace RbdReplication.Csi.Page;

/// <summary>
/// What the page shows: the last readings of all pools and the operations under way. It is put together when somebody asks for it and
/// something is new, and written and compressed once for all who ask. Safe for concurrent use.
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
                _rows[PoolJson.IdOf(reading)] = PoolRows.Of(reading, listing, listings);
        }
        var pending = operations.DistinctBy(UuidOf, StringComparer.OrdinalIgnoreCase).ToDictionary(UuidOf, StringComparer.OrdinalIgnoreCase);
        List<VolumeJson> volumes =
        [
            .. _rows.Values.SelectMany(pool => pool.Volumes).OrderByDescending(volume => volume.Row.Severity).Take(options.MaximumVolumeSeries)
                .Select(volume => volume.Uuid is { } uuid && pending.TryGetValue(uuid, out var operation) ? volume.Row with { Pending = operation } : volume.Row),
        ];
        List<GroupJson> groups =
        [
            .. _rows.Values.SelectMany(pool => pool.Groups)
                .Select(group => pending.TryGetValue(group.Uuid, out var operation) ? group.Row with { Pending = operation } : group.Row),
        ];
        return new FleetState(_state, new FleetJson
        {
            IntervalSeconds = options.Interval.TotalSeconds,
            FreshForSeconds = listings.FreshFor.TotalSeconds,
            LeftOut = readings.Sum(reading => reading.Listing?.Count ?? 0) - volumes.Count,
            Pools = [.. readings.Select(PoolJson.Of)],
            Volumes = volumes,
            Groups = groups,
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

    private sealed record PoolRows(PoolListing Listing, IReadOnlyList<(VolumeJson Row, string? Uuid)> Volumes, IReadOnlyList<(GroupJson Row, string Uuid)> Groups)
    {
        public static PoolRows Of(PoolReading reading, PoolListing listing, LastListings listings)
        {
            var pool = PoolJson.IdOf(reading);
            return new PoolRows(
                listing,
                [
                    .. listing.Volumes.WorstFirst().Select(volume => (new VolumeJson(volume)
                    {
                        Id = $"{pool}/{volume.Status.ImageId}",
                        PoolId = pool,
                        ClusterId = reading.ClusterId,
                        ScheduleIntervalSeconds = volume.Status.ScheduleInterval?.TotalSeconds,
                        Severity = volume.Status.Severity,
                        ReadHistory = () => listings.LagOfLastHour(reading, volume.Status, listing.ListedAt),
                    }, volume.Handle?.Uuid)),
                ],
                [
                    .. listing.Groups.WorstFirst().Select(group => (new GroupJson(group)
                    {
                        Id = $"{pool}/group/{group.Handle.Uuid}",
                        PoolId = pool,
                        ClusterId = reading.ClusterId,
                        ScheduleIntervalSeconds = ReplicationSchedule.ShortestInterval(group.State.Schedule is { } schedule ? [schedule] : [])?.TotalSeconds,
                        Severity = group.Health.Severity(),
                        ReadHistory = () => listings.LagOfLastHour(reading, group, listing.ListedAt),
                    }, group.Handle.Uuid)),
                ]);
        }
    }
}
