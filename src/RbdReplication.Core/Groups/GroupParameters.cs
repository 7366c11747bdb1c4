namespace RbdReplication.Core;

/// <summary>The parameters of a VolumeGroupReplicationClass that say how a group is made, validated.</summary>
/// <param name="ClusterId">The cluster, as in <c>config.json</c>.</param>
/// <param name="Pool">Name of the pool of the group and of its members.</param>
/// <param name="NamePrefix">What the RBD group's name has before the uuid.</param>
/// <param name="Flatten">What to do with clones.</param>
public sealed record GroupParameters(string ClusterId, string Pool, string NamePrefix, FlattenMode Flatten)
{
    private const string ClusterKey = "clusterID";
    private const string PoolKey = "pool";
    private const string JournalPoolKey = "journalPool";
    private const string PrefixKey = "volumeNamePrefix";
    private const string FlattenKey = "flattenMode";
    private const int MaximumShown = 64;

    /// <summary>All keys that mean something. Those of the replication are in the VolumeReplicationClass of the group; where they stand here as well, for Ramen, they mean nothing.</summary>
    public static IReadOnlyList<string> KnownKeys { get; } = [ClusterKey, PoolKey, JournalPoolKey, PrefixKey, FlattenKey];

    /// <summary>Those that say where a group is: the answer has them as the group's context, and so its object at the API server, whose other site needs them.</summary>
    public static IReadOnlyList<string> PlaceKeys { get; } = [ClusterKey, PoolKey, JournalPoolKey, PrefixKey];

    /// <summary>Validates the parameters of a request that makes a group.</summary>
    /// <exception cref="ReplicationException">InvalidArgument: names the key, the value and what is allowed.</exception>
    public static GroupParameters Parse(IReadOnlyDictionary<string, string> parameters)
    {
        var (cluster, pool) = (Required(parameters, ClusterKey, "the cluster, as in config.json"), Required(parameters, PoolKey, "the pool of the volumes"));
        var prefix = ParsePrefix(pool, parameters.GetValueOrDefault(JournalPoolKey), parameters.GetValueOrDefault(PrefixKey));
        return new GroupParameters(cluster, pool, prefix, ParseFlatten(parameters));
    }

    /// <summary>What the RBD group's name has before the uuid.</summary>
    /// <param name="pool">The pool of the group.</param>
    /// <param name="journalPool">The pool of its journal; null or empty for the same.</param>
    /// <param name="prefix">The prefix that is asked for; null or empty for none.</param>
    /// <exception cref="ReplicationException">InvalidArgument: the prefix cannot be, or the journal's pool is another one.</exception>
    public static string ParsePrefix(string pool, string? journalPool, string? prefix)
    {
        if (!string.IsNullOrEmpty(journalPool) && journalPool != pool)
            throw Invalid($"parameter {JournalPoolKey} is \"{Shown(journalPool)}\", and must be {pool} like {PoolKey}, or absent: the driver would write the group's entries there and look for them in the group's own pool");
        if (string.IsNullOrEmpty(prefix))
            return GroupKeys.DefaultGroupPrefix;
        // Ceph takes neither in the name of a group.
        if (prefix.Any(character => char.IsControl(character) || character is '/' or '@'))
            throw Invalid($"parameter {PrefixKey} is \"{Shown(prefix)}\", and must be the beginning of a name, without / and @");
        return prefix;
    }

    /// <summary>What to do with clones, of a request that changes a group.</summary>
    /// <exception cref="ReplicationException">InvalidArgument: the value is not known.</exception>
    public static FlattenMode ParseFlatten(IReadOnlyDictionary<string, string> parameters) => parameters.GetValueOrDefault(FlattenKey) switch
    {
        null or "never" => FlattenMode.Never,
        "force" => FlattenMode.Force,
        var other => throw Invalid($"parameter {FlattenKey} is \"{Shown(other)}\", and must be never or force"),
    };

    private static string Required(IReadOnlyDictionary<string, string> parameters, string key, string what) =>
        parameters.GetValueOrDefault(key) is { Length: > 0 } value ? value : throw Invalid($"parameter {key} is missing; it names {what}");

    private static string Shown(string value) => value.Length <= MaximumShown ? value : value[..MaximumShown] + "…";

    private static ReplicationException Invalid(string message) => new(ReplicationError.InvalidArgument, message);
}
