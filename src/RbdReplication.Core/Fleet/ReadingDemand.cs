namespace RbdReplication.Core;

/// <summary>
/// Whether all images of a pool are worth reading at once for those that are asked for: a reading costs by the images of the pool, what it saves by
/// the calls that come while it is new. Not safe for concurrent use.
/// </summary>
/// <param name="window">For how long a reading is used.</param>
/// <param name="time">Clock.</param>
public sealed class ReadingDemand(TimeSpan window, TimeProvider time)
{
    /// <summary>So many images are read for what opening one costs (docs/performance.md).</summary>
    public const int ImagesPerAsk = 100;

    /// <summary>One volume that is asked for now and then is no fleet.</summary>
    public const int MinimumAsks = 3;

    /// <summary>What a pool is taken for that has not been read yet.</summary>
    public const int AssumedImages = 1000;

    private long _windowBeganAt = time.GetTimestamp();
    private int _asks;
    private int _asksBefore;

    /// <summary>Notes that a volume of the pool is asked for.</summary>
    public void Count()
    {
        Turn();
        _asks++;
    }

    /// <summary>Whether there were as many calls within a window, this one or the one before, as pay for a reading.</summary>
    /// <param name="images">How many images the last reading had; null where there was none.</param>
    public bool Pays(int? images)
    {
        Turn();
        return Math.Max(_asks, _asksBefore) >= Math.Max(MinimumAsks, (images ?? AssumedImages) / ImagesPerAsk);
    }

    private void Turn()
    {
        var now = time.GetTimestamp();
        var passed = time.GetElapsedTime(_windowBeganAt, now);
        if (passed < window)
            return;
        _asksBefore = passed < window * 2 ? _asks : 0;
        _asks = 0;
        _windowBeganAt = now;
    }
}
