using System.Text.Json;
using System.Text.Json.Serialization;
using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>The clusters that the CSI driver knows: the content of ceph-csi's <c>config.json</c>.</summary>
public sealed class ClusterConfig
{
    private readonly Dictionary<string, ClusterEntry> _clusters = new(StringComparer.Ordinal);

    private ClusterConfig(IEnumerable<ClusterEntry> clusters)
    {
        // ceph-csi uses the first entry of an id.
        foreach (var cluster in clusters)
            _clusters.TryAdd(cluster.ClusterId, cluster);
    }

    /// <summary>Ids of all clusters.</summary>
    public IReadOnlyCollection<string> ClusterIds => _clusters.Keys;

    /// <summary>All clusters.</summary>
    public IReadOnlyCollection<ClusterEntry> Clusters => _clusters.Values;

    /// <summary>The cluster with this id; null if there is none.</summary>
    public ClusterEntry? Find(string clusterId) => _clusters.GetValueOrDefault(clusterId);

    /// <summary>Reads the JSON text. Property names match in any letter case and unknown ones are ignored, as in ceph-csi.</summary>
    /// <exception cref="FormatException">Says what is wrong and where.</exception>
    public static ClusterConfig Parse(ReadOnlySpan<byte> json)
    {
        try
        {
            var clusters = JsonSerializer.Deserialize(json, ClusterJson.Default.ListClusterEntry) ?? [];
            return new ClusterConfig(clusters.Where(cluster => cluster is { ClusterId.Length: > 0 }));
        }
        catch (JsonException e)
        {
            throw new FormatException($"not a JSON array of clusters: {e.Message}", e);
        }
    }
}

/// <summary>One cluster of <see cref="ClusterConfig"/>. A null in the file stands for an absent value, as in ceph-csi.</summary>
public sealed record ClusterEntry
{
    /// <summary>The id that volume handles carry.</summary>
    [JsonPropertyName("clusterID")]
    public string ClusterId { get; init => field = value ?? ""; } = "";

    /// <summary>Monitor addresses.</summary>
    public IReadOnlyList<string> Monitors { get; init => field = value ?? []; } = [];

    /// <summary>
    /// The monitors in normal form: the same for all ways to write them. As they are written, where that cannot be read.
    /// </summary>
    [JsonIgnore]
    public string MonitorsText
    {
        get
        {
            try
            {
                return MonitorList.Parse(Monitors).ToString();
            }
            catch (FormatException)
            {
                return string.Join(',', Monitors);
            }
        }
    }

    /// <summary>Settings for RBD.</summary>
    public ClusterRbdSettings Rbd { get; init => field = value ?? new(); } = new();

    /// <summary>What this cluster's volumes are called on the peer cluster; null if handles are the same there.</summary>
    public ReplicationDestination? ReplicationDestination { get; init; }

    /// <summary>Rados namespace of images and journal; empty for the default one.</summary>
    [JsonIgnore]
    public string RadosNamespace => Rbd.RadosNamespace;
}

/// <summary>Settings of a cluster for RBD.</summary>
public sealed record ClusterRbdSettings
{
    /// <summary>Rados namespace of images and journal; empty for the default one.</summary>
    public string RadosNamespace { get; init => field = value ?? ""; } = "";
}

/// <summary>Where a cluster's volumes are replicated to.</summary>
public sealed record ReplicationDestination
{
    /// <summary>The peer cluster's id.</summary>
    [JsonPropertyName("remoteClusterID")]
    public string RemoteClusterId { get; init => field = value ?? ""; } = "";

    /// <summary>Settings for RBD.</summary>
    public ReplicationDestinationRbd Rbd { get; init => field = value ?? new(); } = new();

    /// <summary>The peer's number, as it is written, of the pool with this name; null where the file has none.</summary>
    public string? PoolIdTextOf(string poolName) => Rbd.RemotePoolMapping.GetValueOrDefault(poolName)?.PoolId;
}

/// <summary>Pools of the peer cluster.</summary>
public sealed record ReplicationDestinationRbd
{
    /// <summary>Local pool name to the peer's pool; a pool without entry has the same number there.</summary>
    public IReadOnlyDictionary<string, RemotePool?> RemotePoolMapping { get; init => field = value ?? new Dictionary<string, RemotePool?>(); } =
        new Dictionary<string, RemotePool?>();
}

/// <summary>A pool of the peer cluster.</summary>
public sealed record RemotePool
{
    /// <summary>Pool number in decimal.</summary>
    [JsonPropertyName("poolID")]
    public string PoolId { get; init => field = value ?? ""; } = "";
}

[JsonSourceGenerationOptions(PropertyNameCaseInsensitive = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    ReadCommentHandling = JsonCommentHandling.Disallow, MaxDepth = 16)]
[JsonSerializable(typeof(List<ClusterEntry>))]
[JsonSerializable(typeof(List<ClusterMappingEntry>))]
internal sealed partial class ClusterJson : JsonSerializerContext;
