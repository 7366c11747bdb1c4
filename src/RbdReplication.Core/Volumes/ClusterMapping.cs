using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace RbdReplication.Core;

/// <summary>
/// Which cluster ids and pool numbers of two sites belong together: the content of ceph-csi's <c>cluster-mapping.json</c>.
/// The same file is installed on both sites, so it is read in both directions.
/// </summary>
public sealed class ClusterMapping
{
    private readonly IReadOnlyList<ClusterMappingEntry> _entries;

    private ClusterMapping(IReadOnlyList<ClusterMappingEntry> entries) => _entries = entries;

    /// <summary>A mapping that maps nothing.</summary>
    public static ClusterMapping Empty { get; } = new([]);

    /// <summary>Reads the JSON text; property names match in any letter case (Rook writes <c>ClusterIDMapping</c>).</summary>
    /// <exception cref="FormatException">Says what is wrong and where.</exception>
    public static ClusterMapping Parse(ReadOnlySpan<byte> json)
    {
        try
        {
            var entries = JsonSerializer.Deserialize(json, ClusterJson.Default.ListClusterMappingEntry) ?? [];
            return new ClusterMapping([.. entries.OfType<ClusterMappingEntry>()]);
        }
        catch (JsonException e)
        {
            throw new FormatException($"not a JSON array of cluster mappings: {e.Message}", e);
        }
    }

    /// <summary>The cluster ids that <paramref name="clusterId"/> is mapped to, in the order of the file.</summary>
    public IEnumerable<string> ClustersFor(string clusterId) =>
        _entries.SelectMany(entry => Others(entry.Clusters, clusterId)).Distinct(StringComparer.Ordinal);

    /// <summary>The places where a volume of that cluster and pool may be known as well, in the order of the file.</summary>
    public IEnumerable<(string ClusterId, long PoolId)> LocationsFor(string clusterId, long poolId)
    {
        var pool = poolId.ToString(CultureInfo.InvariantCulture);
        return
            from entry in _entries
            from cluster in Others(entry.Clusters, clusterId)
            from pools in entry.Pools
            where pools is not null
            from other in Others(pools, pool)
            let number = long.TryParse(other, NumberStyles.None, CultureInfo.InvariantCulture, out var parsed) ? parsed : -1
            where number >= 0
            select (cluster, number);
    }

    // Keys go first: a pair may map an id to itself.
    private static IEnumerable<string> Others(IReadOnlyDictionary<string, string?> pairs, string id)
    {
        foreach (var (key, value) in pairs)
        {
            if (string.IsNullOrEmpty(value))
                continue;
            if (key == id)
                yield return value;
            else if (value == id)
                yield return key;
        }
    }
}

/// <summary>One element of the file. A null in it stands for an absent value.</summary>
internal sealed record ClusterMappingEntry
{
    [JsonPropertyName("clusterIDMapping")]
    public IReadOnlyDictionary<string, string?> Clusters { get; init => field = value ?? new Dictionary<string, string?>(); } = new Dictionary<string, string?>();

    [JsonPropertyName("RBDPoolIDMapping")]
    public IReadOnlyList<IReadOnlyDictionary<string, string?>?> Pools { get; init => field = value ?? []; } = [];
}
