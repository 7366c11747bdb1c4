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
    public required IEnumerable<VolumeJson> Volumes { get; init; }

    /// <summary>The volume groups.</summary>
    public required IEnumerable<GroupJson> Groups { get; init; }

    /// <summary>The drills at this site, the oldest first.</summary>
    public required IReadOnlyList<DrillJson> Drills { get; init; }

    /// <summary>What the server is doing to volumes and groups.</summary>
    public required IReadOnlyList<OperationJson> Operations { get; init; }

    /// <summary>Rows of which nothing but the age and the words that tell it has changed; in a change only.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<WordsJson>? Words { get; init; }

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

/// <summary>New words for a row of which nothing else has changed but its age.</summary>
/// <param name="Id">Id of the row.</param>
/// <param name="Message">What is seen and what to do.</param>
/// <param name="FailoverReason">Why it is safe to fail over or not; null: as before.</param>
internal sealed record WordsJson(
    string Id, string Message, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? FailoverReason);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(FleetJson))]
internal sealed partial class FleetJsonContext : JsonSerializerContext;
