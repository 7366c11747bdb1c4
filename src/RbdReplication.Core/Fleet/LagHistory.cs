namespace RbdReplication.Core;

/// <summary>The lag of an image over the last hour: the largest of each minute, in a ring of fixed size. Not safe for concurrent use.</summary>
internal sealed class LagHistory
{
    /// <summary>How many minutes are kept.</summary>
    public const int Minutes = 60;

    private readonly float[] _seconds = new float[Minutes];
    private long _newest = -Minutes;

    public LagHistory() => Array.Fill(_seconds, float.NaN);

    /// <summary>The minute that a time is in.</summary>
    public static long MinuteOf(DateTimeOffset time) => Math.DivRem(time.ToUnixTimeSeconds(), 60).Quotient;

    /// <summary>Takes what a look has seen; null: nothing was reported.</summary>
    public void Add(DateTimeOffset at, TimeSpan? lag)
    {
        var minute = MinuteOf(at);
        if (minute <= _newest - Minutes)
            return;
        for (var passed = Math.Max(_newest + 1, minute - Minutes + 1); passed <= minute; passed++)
            _seconds[PlaceOf(passed)] = float.NaN;
        _newest = Math.Max(_newest, minute);
        if (lag is { } seen && !(_seconds[PlaceOf(minute)] >= seen.TotalSeconds))
            _seconds[PlaceOf(minute)] = (float)seen.TotalSeconds;
    }

    /// <summary>The values of the minutes up to one, in whole seconds, oldest first; null for a minute of which nothing is known.</summary>
    public int?[] UpTo(long minute)
    {
        var values = new int?[Minutes];
        for (var i = 0; i < Minutes; i++)
        {
            var one = minute - Minutes + 1 + i;
            if (one <= _newest && one > _newest - Minutes && !float.IsNaN(_seconds[PlaceOf(one)]))
                values[i] = (int)_seconds[PlaceOf(one)];
        }
        return values;
    }

    private static int PlaceOf(long minute) => (int)(((minute % Minutes) + Minutes) % Minutes);
}
