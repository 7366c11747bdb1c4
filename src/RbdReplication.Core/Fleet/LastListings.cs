namespace RbdReplication.Core;

/// <summary>
/// The last listing of each pool that is listed over and over: what was last seen of the images, for all that show it without asking
/// Ceph. Safe for concurrent use.
/// </summary>
/// <param name="interval">Time between two listings of a pool.</param>
/// <param name="time">Clock.</param>
public sealed class LastListings(TimeSpan interval, TimeProvider time)
{
    private const int StaleAfterIntervals = 3;

    private readonly Lock _lock = new();
    private readonly Dictionary<(string ClusterId, long PoolId), PoolListing> _listings = [];

    /// <summary>Takes a new listing in the place of the pool's last one.</summary>
    public void Put(PoolInUse pool, PoolListing listing)
    {
        lock (_lock)
            _listings[(pool.ClusterId, pool.PoolId)] = listing;
    }

    /// <summary>Forgets all other pools; tells whether there were any.</summary>
    public bool Keep(IEnumerable<PoolInUse> pools)
    {
        lock (_lock)
        {
            var gone = _listings.Keys.Except(pools.Select(pool => (pool.ClusterId, pool.PoolId))).ToList();
            foreach (var key in gone)
                _listings.Remove(key);
            return gone.Count > 0;
        }
    }

    /// <summary>Whether a listing still tells how things are. One that was made three intervals ago does not.</summary>
    public bool IsFresh(PoolListing listing) => time.GetUtcNow() - listing.ListedAt < interval * StaleAfterIntervals;

    /// <summary>All listings, each with its share of the worst images of those that are fresh; a listing that is not has none.</summary>
    /// <param name="maximum">How many images in all.</param>
    public IReadOnlyList<(PoolListing Listing, IReadOnlyList<MirroredVolume> Worst)> ListWorst(int maximum)
    {
        List<PoolListing> all;
        lock (_lock)
            all = [.. _listings.Values];
        var isFresh = all.ToLookup(IsFresh);
        var fresh = isFresh[true].OrderBy(listing => (listing.ClusterId, listing.Pool, listing.Namespace)).ToList();
        var worst = fresh.SelectMany(listing => listing.Volumes.Select(volume => (Listing: listing, Volume: volume)))
            .OrderByDescending(entry => entry.Volume.Status.Severity)
            .Take(maximum)
            .ToLookup(entry => entry.Listing, entry => entry.Volume);
        return [.. fresh.Concat(isFresh[false]).Select(listing => (listing, (IReadOnlyList<MirroredVolume>)[.. worst[listing]]))];
    }
}
