using System.Collections.Concurrent;
using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// Of when the newest points are of which secondary images could have a drill. Points come and go with syncs: of a pool that is listed over and over
/// only an image that has had one since costs a read.
/// </summary>
internal sealed class DrillableTimes
{
    private const int ReadsAtATime = 64;

    private readonly ConcurrentDictionary<(string ClusterId, long PoolId), Dictionary<string, Known>> _pools = new();

    /// <summary>The same images, in their order, with the times. What is not asked for is forgotten.</summary>
    public async Task<IReadOnlyList<ImageStatus>> ReadAsync(
        string clusterId, RadosPool pool, IReadOnlyList<ImageStatus> images, CancellationToken cancellationToken)
    {
        var before = _pools.GetValueOrDefault((clusterId, pool.Id)) ?? [];
        var times = new Dictionary<string, Known>(StringComparer.Ordinal);
        foreach (var some in images.Where(image => image is { Role: ImageRole.Secondary, LastSyncTime: not null }).Chunk(ReadsAtATime))
        {
            var read = await Task.WhenAll(some.Select(async image =>
                before.GetValueOrDefault(image.ImageId) is { } known && known.LastSyncTime == image.LastSyncTime
                    ? known
                    : new Known(image.LastSyncTime, await ReadAsync(pool, image.ImageId, cancellationToken).ConfigureAwait(false)))).ConfigureAwait(false);
            foreach (var (image, known) in some.Zip(read))
                times[image.ImageId] = known;
        }
        _pools[(clusterId, pool.Id)] = times;
        return [.. images.Select(image => times.GetValueOrDefault(image.ImageId)?.Time is { } time ? image with { DrillableTime = time } : image)];
    }

    private static async Task<DateTimeOffset?> ReadAsync(RadosPool pool, string imageId, CancellationToken cancellationToken)
    {
        try
        {
            return await StoredSnapshots.ReadAsync(pool, imageId, cancellationToken).ConfigureAwait(false) is { } stored
                ? DrillRules.NewestTime(new MemberSnapshots(imageId, stored.Users, stored.Mirrors))
                : null;
        }
        // A later release's; whoever makes the drill asks librbd.
        catch (FormatException)
        {
            return null;
        }
    }

    private sealed record Known(DateTimeOffset? LastSyncTime, DateTimeOffset? Time);
}
