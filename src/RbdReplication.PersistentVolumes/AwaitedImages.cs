using System.Collections.Concurrent;

namespace RbdReplication.PersistentVolumes;

/// <summary>
/// The images that restored volumes wait for. One read of a pool's directory tells of all of them, so they are looked for every
/// two seconds, however long the back-off of their volumes has become.
/// </summary>
/// <param name="lookup">Reads the directories.</param>
/// <param name="appeared">Gets the volumes whose images are there now.</param>
/// <param name="time">The clock.</param>
internal sealed class AwaitedImages(ImageLookup lookup, Action<IReadOnlySet<ReconcileRequest>> appeared, TimeProvider time)
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);

    // A pool for whose answer one look waits long is asked less often: a twentieth of the time at most.
    private const int RestPerLook = 20;

    // One that did not answer for a while is not punished for it longer than that.
    private static readonly TimeSpan LongestRest = TimeSpan.FromSeconds(30);

    private readonly ConcurrentDictionary<string, AwaitedImage> _awaited = new();

    public void Add(string key, ReconcileRequest request, string imageName) => _awaited[key] = new(request, imageName);

    public void Remove(string key) => _awaited.TryRemove(key, out _);

    /// <summary>Looks until <paramref name="stop"/>.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        // A place that does not answer holds up no other.
        var looks = new Dictionary<JournalPlace, Task>();
        try
        {
            while (true)
            {
                await Task.Delay(Interval, time, stop);
                foreach (var ended in looks.Where(look => look.Value.IsCompleted).ToList())
                    looks.Remove(ended.Key);
                foreach (var (place, images) in lookup.ByPlace([.. _awaited.Values]).Where(group => !looks.ContainsKey(group.Place)))
                    looks[place] = LookAsync(place, images, stop);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            await Task.WhenAll(looks.Values).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task LookAsync(JournalPlace place, IReadOnlyList<AwaitedImage> images, CancellationToken stop)
    {
        var started = time.GetTimestamp();
        var there = await lookup.FindAsync(place, images, stop);
        if (there.Count > 0)
            appeared(there);
        var rest = time.GetElapsedTime(started) * RestPerLook;
        await Task.Delay(rest < LongestRest ? rest : LongestRest, time, stop);
    }
}

/// <summary>An image that a volume waits for.</summary>
internal sealed record AwaitedImage(ReconcileRequest Request, string ImageName);
