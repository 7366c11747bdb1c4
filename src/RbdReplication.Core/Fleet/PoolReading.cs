namespace RbdReplication.Core;

/// <summary>What is known of a pool that is listed over and over.</summary>
/// <param name="ClusterId">Cluster id.</param>
/// <param name="PoolId">Pool number.</param>
/// <param name="Pool">Pool name.</param>
/// <param name="Namespace">Rados namespace; empty for the default one.</param>
/// <param name="Listing">The last listing that succeeded; null: none has.</param>
/// <param name="Problem">Why it cannot be listed now; null where the last listing succeeded.</param>
/// <param name="FailingSince">Since when it cannot; null where it can.</param>
public sealed record PoolReading(
    string ClusterId, long PoolId, string Pool, string Namespace, PoolListing? Listing, string? Problem, DateTimeOffset? FailingSince);
