using RbdReplication.Core;

namespace RbdReplication.PersistentVolumes;

/// <summary>Looks which images are there, many with one read. What cannot be read is reported by the volumes' own checks.</summary>
internal sealed class ImageLookup(ClusterFiles files, JournalOpener opener)
{
    // Names in one read of the directory of images.
    private const int NamesAtATime = 2000;

    /// <summary>Images by where they will be; without those of volumes that have no place.</summary>
    public IReadOnlyList<(JournalPlace Place, IReadOnlyList<AwaitedImage> Images)> ByPlace(IReadOnlyList<AwaitedImage> images)
    {
        if (images.Count == 0)
            return [];
        try
        {
            var settings = files.Read();
            return [.. images.GroupBy(image => JournalPlace.Of(settings, image.Request)).Where(group => group.Key is not null)
                .Select(group => (group.Key!, (IReadOnlyList<AwaitedImage>)[.. group]))];
        }
        catch (ReplicationException)
        {
            return [];
        }
    }

    /// <summary>The volumes whose images are there now.</summary>
    public async Task<IReadOnlySet<ReconcileRequest>> FindAsync(JournalPlace place, IReadOnlyList<AwaitedImage> images, CancellationToken cancellationToken)
    {
        var there = new HashSet<ReconcileRequest>();
        var secrets = images.Select(image => image.Request.Secret);
        if (await new OpenedJournals(opener, place).OpenAnyAsync(secrets, cancellationToken) is not { } journal)
            return there;
        try
        {
            foreach (var some in images.Chunk(NamesAtATime))
            {
                var found = await journal.FindImagesAsync([.. some.Select(image => image.ImageName)], cancellationToken);
                there.UnionWith(some.Where(image => found.Contains(image.ImageName)).Select(image => image.Request));
            }
        }
        catch (ReplicationException)
        {
        }
        catch (ObjectDisposedException)
        {
            // Another batch found the connection or the pool to be of no more use and closed it.
        }
        return there;
    }
}
