using System.Collections.Concurrent;
using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// PV names of images, from the journal. A name is read once in the life of an image: of a pool that is listed over and over
/// only what is new costs a read.
/// </summary>
internal sealed class VolumeNames(TimeProvider time)
{
    private const int ReadsAtATime = 64;

    // At a secondary site the omap generator makes the entries when the PVs are restored there, long after the images came.
    private static readonly TimeSpan AbsentTime = TimeSpan.FromMinutes(10);

    private readonly ConcurrentDictionary<(string ClusterId, long PoolId), Dictionary<string, Known>> _pools = new();

    /// <summary>The names of a pool's images, in their order; null where the journal has none. What is not asked for is forgotten.</summary>
    public async Task<IReadOnlyList<string?>> ReadAsync(
        string clusterId, RadosPool pool, IReadOnlyList<ImageStatus> images, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var before = _pools.GetValueOrDefault((clusterId, pool.Id));
        Known? Remembered(ImageStatus image) =>
            before?.GetValueOrDefault(image.ImageId) is { } known && (known.Name is not null || now - known.ReadAt < AbsentTime) ? known : null;

        var names = new Dictionary<string, Known>(StringComparer.Ordinal);
        foreach (var some in images.Chunk(ReadsAtATime))
        {
            var read = await Task.WhenAll(some.Select(async image =>
                Remembered(image) ?? new Known(await ReadAsync(pool, image, cancellationToken).ConfigureAwait(false), now))).ConfigureAwait(false);
            foreach (var (image, known) in some.Zip(read))
                names[image.ImageId] = known;
        }
        _pools[(clusterId, pool.Id)] = names;
        return [.. images.Select(image => names[image.ImageId].Name)];
    }

    private static async Task<string?> ReadAsync(RadosPool pool, ImageStatus image, CancellationToken cancellationToken) =>
        image.VolumeUuid is { } uuid ? (await JournalEntry.ReadAsync(pool, uuid, cancellationToken).ConfigureAwait(false)).RequestName : null;

    private sealed record Known(string? Name, DateTimeOffset ReadAt);
}
