namespace RbdReplication.Core;

/// <summary>
/// The last listing of each pool that is listed over and over: what was last seen of the images, for all that show it without asking
/// Ceph, with their lag of the last hour. Safe for concurrent use.
/// </summary>
/// <param name="interval">Time between two listings of a pool.</param>
/// <param name="time">Clock.</param>
public sealed class LastListings(TimeSpan interval, TimeProvider time)
{
    private const int StaleAfterIntervals = 3;

    private readonly Lock _lock = new();
    private readonly Dictionary<(string ClusterId, long PoolId), Known> _pools = [];
    private long _version;

    /// <summary>For how long after it was begun a listing tells how things are.</summary>
    public TimeSpan FreshFor => interval * StaleAfterIntervals;

    /// <summary>Changes whenever anything here does.</summary>
    public long Version => Interlocked.Read(ref _version);

    /// <summary>Takes a new listing in the place of the pool's last one.</summary>
    public void Put(PoolInUse pool, PoolListing listing)
    {
        lock (_lock)
        {
            var before = _pools.GetValueOrDefault((pool.ClusterId, pool.PoolId));
            _pools[(pool.ClusterId, pool.PoolId)] = Known.After(before, pool, listing);
            _version++;
        }
    }

    /// <summary>Notes that a pool cannot be listed now; what was listed before stays.</summary>
    /// <param name="pool">The pool.</param>
    /// <param name="problem">Why.</param>
    public void Fail(PoolInUse pool, string problem)
    {
        lock (_lock)
        {
            var before = _pools.GetValueOrDefault((pool.ClusterId, pool.PoolId));
            if (before?.Reading.Problem == problem)
                return;
            var reading = new PoolReading(
                pool.ClusterId, pool.PoolId, pool.PoolName, pool.Namespace, before?.Reading.Listing, problem, before?.Reading.FailingSince ?? time.GetUtcNow());
            _pools[(pool.ClusterId, pool.PoolId)] = new Known(reading, before?.Lags ?? []);
            _version++;
        }
    }

    /// <summary>Forgets all other pools; tells whether there were any.</summary>
    public bool Keep(IEnumerable<PoolInUse> pools)
    {
        lock (_lock)
        {
            var gone = _pools.Keys.Except(pools.Select(pool => (pool.ClusterId, pool.PoolId))).ToList();
            foreach (var key in gone)
                _pools.Remove(key);
            if (gone.Count > 0)
                _version++;
            return gone.Count > 0;
        }
    }

    /// <summary>Whether a listing still tells how things are. One that was made three intervals ago does not.</summary>
    public bool IsFresh(PoolListing listing) => time.GetUtcNow() - listing.ListedAt < FreshFor;

    /// <summary>All pools, with those that cannot be listed.</summary>
    public IReadOnlyList<PoolReading> ListAll()
    {
        lock (_lock)
            return [.. _pools.Values.Select(known => known.Reading).OrderBy(reading => (reading.ClusterId, reading.Pool, reading.Namespace))];
    }

    /// <summary>The lag of an image over the last hour, the largest of each minute in seconds, oldest first; null for a minute of which nothing is known.</summary>
    /// <param name="reading">The pool.</param>
    /// <param name="image">The image.</param>
    /// <param name="until">A time in the last of the minutes.</param>
    public IReadOnlyList<int?> LagOfLastHour(PoolReading reading, ImageStatus image, DateTimeOffset until)
    {
        ArgumentNullException.ThrowIfNull(image);
        return LagOfLastHour(reading, image.ImageId, until);
    }

    /// <summary>The same of a group: the age of the newest generation that was taken here.</summary>
    /// <param name="reading">The pool.</param>
    /// <param name="group">The group.</param>
    /// <param name="until">A time in the last of the minutes.</param>
    public IReadOnlyList<int?> LagOfLastHour(PoolReading reading, GroupStatus group, DateTimeOffset until)
    {
        ArgumentNullException.ThrowIfNull(group);
        return LagOfLastHour(reading, KeyOf(group), until);
    }

    private int?[] LagOfLastHour(PoolReading reading, string key, DateTimeOffset until)
    {
        ArgumentNullException.ThrowIfNull(reading);
        lock (_lock)
            return _pools.GetValueOrDefault((reading.ClusterId, reading.PoolId))?.Lags.GetValueOrDefault(key)?.UpTo(LagHistory.MinuteOf(until)) ?? [];
    }

    private static string KeyOf(GroupStatus group) => $"group {group.Handle.Uuid}";

    /// <summary>All listings, each with its share of the worst images of those that are fresh; a listing that is not has none.</summary>
    /// <param name="maximum">How many images in all.</param>
    public IReadOnlyList<(PoolListing Listing, IReadOnlyList<MirroredVolume> Worst)> ListWorst(int maximum)
    {
        var isFresh = ListAll().Select(reading => reading.Listing).OfType<PoolListing>().ToLookup(IsFresh);
        var fresh = isFresh[true].ToList();
        var worst = fresh.SelectMany(listing => listing.Volumes.Select(volume => (Listing: listing, Volume: volume)))
            .OrderByDescending(entry => entry.Volume.Status.Severity)
            .Take(maximum)
            .ToLookup(entry => entry.Listing, entry => entry.Volume);
        return [.. fresh.Concat(isFresh[false]).Select(listing => (listing, (IReadOnlyList<MirroredVolume>)[.. worst[listing]]))];
    }

    private sealed record Known(PoolReading Reading, Dictionary<string, LagHistory> Lags)
    {
        // Of images that are not listed any more, or have become others, nothing is kept.
        public static Known After(Known? before, PoolInUse pool, PoolListing listing)
        {
            var earlier = before?.Reading.Listing;
            var images = earlier?.Volumes.ToDictionary(volume => volume.Status.ImageId, volume => volume.Status, StringComparer.Ordinal) ?? [];
            var groups = earlier?.Groups.ToDictionary(group => group.Handle) ?? [];
            Dictionary<string, LagHistory> lags = new(listing.Volumes.Count, StringComparer.Ordinal);
            void Note(string key, TimeSpan? lag)
            {
                var history = before?.Lags.GetValueOrDefault(key) ?? new LagHistory();
                history.Add(listing.ListedAt, lag);
                lags[key] = history;
            }

            foreach (var volume in listing.Volumes)
                Note(volume.Status.ImageId, volume.Status.Lag);
            foreach (var group in listing.Groups)
                Note(KeyOf(group), listing.ListedAt - group.Newest?.TakenAt is { } age && age > TimeSpan.Zero ? age : null);
            var after = listing with
            {
                Volumes = [.. listing.Volumes.Select(volume => images.GetValueOrDefault(volume.Status.ImageId) is { } image ? volume with { Status = volume.Status.After(image) } : volume)],
                Groups = [.. listing.Groups.Select(group => groups.GetValueOrDefault(group.Handle) is { } last ? group.After(last) : group)],
            };
            return new Known(new PoolReading(pool.ClusterId, pool.PoolId, pool.PoolName, pool.Namespace, after, null, null), lags);
        }
    }
}
