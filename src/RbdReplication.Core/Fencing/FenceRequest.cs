using System.Globalization;
using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>What a fencing call asks for.</summary>
/// <param name="ClusterId">The cluster, as in <c>config.json</c>.</param>
/// <param name="Force">Do what may cut off more than was meant.</param>
/// <param name="Blocks">The addresses; none where they are to be listed.</param>
/// <param name="Credentials">Ceph user and key.</param>
public sealed record FenceRequest(string ClusterId, bool Force, IReadOnlyList<CidrBlock> Blocks, CephCredentials Credentials)
{
    /// <summary>Parameter that names the cluster.</summary>
    public const string ClusterKey = "clusterID";

    private const string ForceKey = "force";
    private const int MaximumShown = 64;

    /// <summary>Reads a request for blocks of addresses.</summary>
    /// <exception cref="ReplicationException">InvalidArgument: says what is missing or wrong. AccessDenied: the key is none.</exception>
    public static FenceRequest Parse(IReadOnlyDictionary<string, string> parameters, IReadOnlyList<string> cidrs, IReadOnlyDictionary<string, string> secrets)
    {
        var (cluster, force) = ParseParameters(parameters);
        if (cidrs.Count == 0)
            throw Invalid($"the request for cluster {cluster} names no addresses: cidrs is empty");
        var blocks = cidrs.Select(ParseBlock).Distinct().ToList();
        return new FenceRequest(cluster, force, blocks, CephCredentials.FromSecrets(secrets));
    }

    /// <summary>Reads a request that names no addresses.</summary>
    /// <inheritdoc cref="Parse(IReadOnlyDictionary{string, string}, IReadOnlyList{string}, IReadOnlyDictionary{string, string})" path="/exception"/>
    public static FenceRequest Parse(IReadOnlyDictionary<string, string> parameters, IReadOnlyDictionary<string, string> secrets)
    {
        var (cluster, force) = ParseParameters(parameters);
        return new FenceRequest(cluster, force, [], CephCredentials.FromSecrets(secrets));
    }

    private static (string Cluster, bool Force) ParseParameters(IReadOnlyDictionary<string, string> parameters)
    {
        var cluster = parameters.GetValueOrDefault(ClusterKey, "");
        if (cluster.Length == 0)
            throw Invalid($"parameter {ClusterKey} is missing; it names the cluster, as in config.json");
        return parameters.GetValueOrDefault(ForceKey, "false") switch
        {
            "true" => (cluster, true),
            "false" => (cluster, false),
            var other => throw Invalid($"parameter {ForceKey} is \"{Short(other)}\", and must be true or false"),
        };
    }

    private static CidrBlock ParseBlock(string text) => CidrBlock.TryParse(text, out var block, out var problem)
        ? block
        : throw Invalid(string.Create(CultureInfo.InvariantCulture, $"\"{Short(text)}\" is no block of addresses: {problem}"));

    private static string Short(string text) => text.Length <= MaximumShown ? text : text[..MaximumShown] + "…";

    private static ReplicationException Invalid(string message) => new(ReplicationError.InvalidArgument, message);
}
