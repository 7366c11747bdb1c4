namespace RbdReplication.Core;

/// <summary>Makes few reports of many: one when a further tenth is done, and not before some time has passed since the last.</summary>
/// <param name="time">Clock.</param>
/// <param name="pause">That time.</param>
/// <param name="report">Gets the finished part in percent, a multiple of ten.</param>
public sealed class ProgressSteps(TimeProvider time, TimeSpan pause, Action<int> report)
{
    private const int PercentStep = 10;

    private long _last = time.GetTimestamp();
    private int _reported;

    /// <summary>Takes a part from 0 to 1. librbd calls it from one thread at a time.</summary>
    public void Take(double part)
    {
        var percent = (int)(part * 100) / PercentStep * PercentStep;
        if (percent <= _reported || time.GetElapsedTime(_last) < pause)
            return;
        _reported = percent;
        _last = time.GetTimestamp();
        report(percent);
    }
}
