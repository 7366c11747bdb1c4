using System.Collections.Concurrent;
using System.Diagnostics;

namespace RbdReplication.Benchmarks;

/// <summary>How a number of equal calls went.</summary>
/// <param name="Elapsed">From the first call to the end of the last.</param>
/// <param name="Latencies">Of the calls, the shortest first.</param>
internal sealed record Load(TimeSpan Elapsed, IReadOnlyList<TimeSpan> Latencies)
{
    public int Calls => Latencies.Count;

    public double CallsPerSecond => Calls / Elapsed.TotalSeconds;

    public TimeSpan Percentile(double percent) => Latencies[Math.Min(Calls - 1, (int)(Calls * percent / 100))];

    /// <summary>All calls of several, one load after the other.</summary>
    public static Load Together(IReadOnlyCollection<Load> loads) =>
        new(TimeSpan.FromTicks(loads.Sum(load => load.Elapsed.Ticks)), [.. loads.SelectMany(load => load.Latencies).Order()]);

    /// <summary>
    /// Makes calls for all items in turn. Where the number of items is a multiple of the concurrency, or none is called
    /// twice, each item has one worker: two calls for one volume never meet.
    /// </summary>
    public static async Task<Load> RunAsync<T>(IReadOnlyList<T> items, int calls, int concurrency, Func<T, Task> call)
    {
        var latencies = new ConcurrentBag<TimeSpan>();
        var started = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, concurrency).Select(async worker =>
        {
            await Task.Yield();
            for (var i = worker; i < calls; i += concurrency)
            {
                var before = Stopwatch.GetTimestamp();
                await call(items[i % items.Count]);
                latencies.Add(Stopwatch.GetElapsedTime(before));
            }
        }));
        var elapsed = Stopwatch.GetElapsedTime(started);
        return new Load(elapsed, [.. latencies.Order()]);
    }
}
