namespace RbdReplication.Kubernetes;

/// <summary>Waiting times that double from <paramref name="first"/> to <paramref name="longest"/>, each shortened by up to a fifth.</summary>
internal sealed class Backoff(TimeSpan first, TimeSpan longest)
{
    private int _failures;

    public TimeSpan Next() => Delay(first, longest, _failures++);

    public void Reset() => _failures = 0;

    /// <summary>The wait after failure number <paramref name="failures"/> (from 0).</summary>
    public static TimeSpan Delay(TimeSpan first, TimeSpan longest, int failures)
    {
        // The exponent is capped where the doubling has long passed any sensible maximum and would overflow.
        var delay = Math.Min(longest.TotalMilliseconds, first.TotalMilliseconds * Math.Pow(2, Math.Min(failures, 40)));
        return TimeSpan.FromMilliseconds(delay * (0.8 + (0.2 * Random.Shared.NextDouble())));
    }
}
