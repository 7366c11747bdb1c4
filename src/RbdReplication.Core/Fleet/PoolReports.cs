using System.Collections.Concurrent;
using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>A mirrored image in a reading of its pool.</summary>
/// <param name="ImageId">Image id.</param>
/// <param name="Reports">What is reported about it.</param>
public sealed record ListedImage(string ImageId, ImageReports Reports);

/// <summary>
/// What one reading saw of all mirrored images of a pool and rados namespace: statuses and schedules, page by page, a listing and two reads for 1024
/// images; nothing is judged, and no image is opened. Of the volumes that are asked for while it is used it keeps what their journal entry and the
/// image's header say, for which each costs one read apiece, made at the same time and once.
/// </summary>
public sealed class PoolReports
{
    private readonly RadosPool _pool;
    private readonly Dictionary<string, ListedImage> _byName;
    private readonly ConcurrentDictionary<string, Lazy<Task<VolumeLook>>> _looks = new(StringComparer.Ordinal);

    private PoolReports(RadosPool pool, DateTimeOffset readAt, List<ListedImage> images)
    {
        _pool = pool;
        ReadAt = readAt;
        Images = images;
        _byName = new(images.Count, StringComparer.Ordinal);
        foreach (var image in images)
            _byName[image.Reports.Status.ImageName] = image;
    }

    /// <summary>When the reading was begun.</summary>
    public DateTimeOffset ReadAt { get; }

    /// <summary>The images, in the order of their ids.</summary>
    public IReadOnlyList<ListedImage> Images { get; }

    /// <summary>Reads them.</summary>
    /// <exception cref="CephException">The pool is gone, the user may not read it, or the cluster does not answer.</exception>
    public static async Task<PoolReports> ReadAsync(ClusterConnection connection, RadosPool pool, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(connection);
        ArgumentNullException.ThrowIfNull(time);
        var readAt = time.GetUtcNow();
        List<ListedImage> images = [];
        var sites = await connection.GetSitesAsync(pool, cancellationToken).ConfigureAwait(false);
        var mirroring = new PoolMirroring(pool);
        IReadOnlyList<KeyValuePair<string, MirrorGlobalStatus>> page;
        do
        {
            page = await mirroring.ListStatusAsync(images.Count == 0 ? "" : images[^1].ImageId, cancellationToken).ConfigureAwait(false);
            if (page.Count == 0)
                break;
            var schedules = await SchedulesInForce.ListAsync(connection, pool, [.. page.Select(entry => entry.Key)], cancellationToken).ConfigureAwait(false);
            images.AddRange(page.Select(entry =>
            {
                var (due, taker) = schedules.GetValueOrDefault(entry.Key, SchedulesInForce.None);
                return new ListedImage(entry.Key, new ImageReports(entry.Value, sites, due, taker));
            }));
        }
        while (page.Count == PoolMirroring.PageSize);
        return new PoolReports(pool, readAt, images);
    }

    /// <summary>What is known of a volume by now, by the first look at it since this was read.</summary>
    /// <exception cref="CephException">It cannot be looked at.</exception>
    /// <exception cref="FormatException">The image's header is not encoded as expected.</exception>
    internal Task<VolumeLook> LookAtAsync(string volumeUuid, CancellationToken cancellationToken) =>
        _looks.GetOrAdd(volumeUuid, Looking).Value.WaitAsync(cancellationToken);

    // A failure is for those who wait now.
    private Lazy<Task<VolumeLook>> Looking(string volumeUuid)
    {
        Lazy<Task<VolumeLook>>? looking = null;
        looking = new(async () =>
        {
            try
            {
                return await LookAsync(volumeUuid).ConfigureAwait(false);
            }
            catch
            {
                _looks.TryRemove(new(volumeUuid, looking!));
                throw;
            }
        });
        return looking;
    }

    private async Task<VolumeLook> LookAsync(string volumeUuid)
    {
        // Most images have this name: both reads go out at once.
        var usual = _byName.GetValueOrDefault(JournalKeys.DefaultImagePrefix + volumeUuid);
        var header = usual is null ? Task.FromResult<StoredImage?>(null) : StoredImage.ReadAsync(_pool, usual.ImageId, CancellationToken.None);
        var record = JournalEntry.ReadAsync(_pool, volumeUuid, CancellationToken.None);
        await Task.WhenAll(header, record).ConfigureAwait(false);
        var entry = await record.ConfigureAwait(false);
        var image = _byName.GetValueOrDefault(entry.ImageNameOr(volumeUuid));
        var stored = image is null ? null
            : image == usual ? await header.ConfigureAwait(false)
            : await StoredImage.ReadAsync(_pool, image.ImageId, CancellationToken.None).ConfigureAwait(false);
        return new VolumeLook(entry, image?.Reports, stored);
    }
}

/// <summary>A volume as a reading of its pool, and a look at the volume itself, show it.</summary>
/// <param name="Entry">What the journal says.</param>
/// <param name="Reports">What is reported about its image; null: that is not among the mirrored ones.</param>
/// <param name="Image">What the image's header says; null: it is gone, or nobody has looked.</param>
internal sealed record VolumeLook(JournalEntry Entry, ImageReports? Reports, StoredImage? Image);
