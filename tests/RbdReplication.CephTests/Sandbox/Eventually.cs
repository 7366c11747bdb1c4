using System.Diagnostics;

namespace RbdReplication.CephTests.Sandbox;

/// <summary>Waiting for a condition. The limit only ends a test that would otherwise hang; no test depends on how long it takes.</summary>
public static class Eventually
{
    // A demotion that a killed daemon has missed is made anew after two minutes and a report.
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    public static Task TrueAsync(Func<Task<bool>> condition, string what) =>
        GetAsync(async () => await condition() ? "" : null, what);

    /// <summary>Asks until the answer is not null; failures count as "not yet" and the last one is reported.</summary>
    public static async Task<T> GetAsync<T>(Func<Task<T?>> ask, string what) where T : class
    {
        var started = Stopwatch.GetTimestamp();
        Exception? last = null;
        while (Stopwatch.GetElapsedTime(started) < Limit)
        {
            try
            {
                if (await ask() is { } answer)
                    return answer;
                last = null;
            }
            catch (Exception e)
            {
                last = e;
            }
            await Task.Delay(Pause);
        }
        throw new TimeoutException($"waited {Limit.TotalSeconds} s in vain until {what}", last);
    }
}
