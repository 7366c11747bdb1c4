using System.Text.Json.Serialization;
using RbdReplication.Core;
using RbdReplication.Csi.Hosting;

namespace RbdReplication.Csi.Page;

/// <summary>The document of <c>/api/v1/volumes</c>, and of the events by which the page follows it: <c>docs/page.md</c> describes it.</summary>
internal sealed record FleetJson
{
    /// <summary>Version of the program.</summary>
    public string Program { get; } = ProductVersion.Text;

    /// <summary>Seconds between two readings of a pool; 0: none is read.</summary>
    public required double IntervalSeconds { get; init; }

    /// <summary>How many seconds a reading tells how things are.</summary>
    public required double FreshForSeconds { get; init; }

    /// <summary>Healthy volumes that have no row.</summary>
    public required int LeftOut { get; init; }

    /// <summary>The pools.</summary>
    public required IReadOnlyList<PoolJson> Pools { get; init; }

    /// <summary>The volumes; in a change those that are new or have changed.</summary>
    public required IEnumerable<VolumeRow> Volumes { get; init; }

    /// <summary>The volume groups.</summary>
    public required IEnumerable<GroupRow> Groups { get; init; }

    /// <summary>The drills at this site, the oldest first.</summary>
    public required IReadOnlyList<DrillJson> Drills { get; init; }

    /// <summary>What the server is doing to volumes and groups.</summary>
    public required IReadOnlyList<OperationJson> Operations { get; init; }

    /// <summary>Ids of rows that are gone; in a change only.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Removed { get; init; }
}

/// <summary>What is known of a pool.</summary>
/// <param name="Id">Cluster, pool and rados namespace.</param>
/// <param name="ClusterId">Cluster id.</param>
/// <param name="Pool">Pool name.</param>
/// <param name="Namespace">Rados namespace; empty for the default one.</param>
/// <param name="ReadAt">When its last reading that succeeded was begun; null: none has.</param>
/// <param name="Volumes">Number of its mirrored images, with and without a row.</param>
/// <param name="Problem">Why it cannot be read now; null where it can.</param>
/// <param name="FailingSince">Since when it cannot.</param>
internal sealed record PoolJson(
    string Id, string ClusterId, string Pool, string Namespace, DateTimeOffset? ReadAt, int Volumes, string? Problem, DateTimeOffset? FailingSince)
{
    public static PoolJson Of(PoolReading reading) => new(
        IdOf(reading), reading.ClusterId, reading.Pool, reading.Namespace, reading.Listing?.ListedAt, reading.Listing?.Count ?? 0, reading.Problem, reading.FailingSince);

    public static string IdOf(PoolReading reading) => $"{reading.ClusterId}/{reading.Pool}/{reading.Namespace}";
}

/// <summary>One volume of it.</summary>
internal sealed record VolumeRow : VolumeJson
{
    private readonly PoolReading _reading;
    private readonly ImageStatus _status;

    public VolumeRow(PoolReading reading, MirroredVolume volume) : base(volume)
    {
        _reading = reading;
        _status = volume.Status;
        Id = $"{PoolJson.IdOf(reading)}/{_status.ImageId}";
        PoolId = PoolJson.IdOf(reading);
        ClusterId = reading.ClusterId;
        ScheduleIntervalSeconds = volume.Status.ScheduleInterval?.TotalSeconds;
        Severity = volume.Status.Severity;
        Uuid = volume.Handle?.Uuid;
    }

    /// <summary>The same row for as long as the image is there.</summary>
    public string Id { get; }

    /// <summary>Id of the pool, whose reading it is from.</summary>
    public string PoolId { get; }

    public string ClusterId { get; }

    /// <summary>Interval of the shortest schedule in force at this site.</summary>
    public double? ScheduleIntervalSeconds { get; }

    /// <summary>How much it wants to be looked at: 0 healthy to 3 in error.</summary>
    public int Severity { get; }

    /// <summary>What the server is doing to it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public OperationJson? Pending { get; init; }

    /// <summary>The largest lag of each of the last 60 minutes in seconds, oldest first, the last one that of the pool's reading; not in a change.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<int?>? LagOfLastHour { get; init; }

    [JsonIgnore]
    public string? Uuid { get; }

    public VolumeRow WithHistory(LastListings listings) => this with { LagOfLastHour = listings.LagOfLastHour(_reading, _status, _reading.Listing!.ListedAt) };
}

/// <summary>One volume group of it.</summary>
internal sealed record GroupRow : GroupJson
{
    private readonly PoolReading _reading;
    private readonly GroupStatus _status;

    public GroupRow(PoolReading reading, GroupStatus group) : base(group)
    {
        _reading = reading;
        _status = group;
        Id = $"{PoolJson.IdOf(reading)}/group/{group.Handle.Uuid}";
        PoolId = PoolJson.IdOf(reading);
        ClusterId = reading.ClusterId;
        Severity = group.Health.Severity();
        ScheduleIntervalSeconds = ReplicationSchedule.ShortestInterval(group.State.Schedule is { } schedule ? [schedule] : [])?.TotalSeconds;
        Uuid = group.Handle.Uuid;
    }

    /// <summary>The same row for as long as the group is there.</summary>
    public string Id { get; }

    /// <summary>Id of the pool, whose reading it is from.</summary>
    public string PoolId { get; }

    public string ClusterId { get; }

    /// <summary>Interval of its generations.</summary>
    public double? ScheduleIntervalSeconds { get; }

    /// <summary>How much it wants to be looked at: 0 healthy to 3 in error.</summary>
    public int Severity { get; }

    /// <summary>What the server is doing to it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public OperationJson? Pending { get; init; }

    /// <summary>The same of the age of the newest generation that was taken here.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<int?>? LagOfLastHour { get; init; }

    [JsonIgnore]
    public string Uuid { get; }

    public GroupRow WithHistory(LastListings listings) => this with { LagOfLastHour = listings.LagOfLastHour(_reading, _status, _reading.Listing!.ListedAt) };
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(FleetJson))]
internal sealed partial class FleetJsonContext : JsonSerializerContext;
