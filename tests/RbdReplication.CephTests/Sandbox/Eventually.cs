using System.Diagnostics;
using Grpc.Core;

namespace RbdReplication.CephTests.Sandbox;

/// <summary>Waiting for a condition. The limit only ends a test that would otherwise hang; no test depends on how long it takes.</summary>
public static class Eventually
{
    // A demotion that a killed daemon has missed is made again after two minutes and a report.
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    public static Task TrueAsync(Func<Task<bool>> condition, string what) =>
        GetAsync(async () => await condition() ? "" : null, what);

    /// <summary>
    /// Asks until the answer is not null. Failures count as "not yet" and the last one is reported; an assertion that fails and a
    /// bug of the server end the wait at once.
    /// </summary>
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
            catch (Exception e) when (!IsAssertion(e) && !IsBug(e))
            {
                last = e;
            }
            await Task.Delay(Pause);
        }
        throw new TimeoutException($"waited {Limit.TotalSeconds} s in vain until {what}", last);
    }

    // By name, as test frameworks agree to: the benchmarks wait with this as well, and have none.
    private static bool IsAssertion(Exception failure) => failure.GetType().GetInterface("IAssertionException") is not null;

    /// <summary>Whether a failure is a bug of the server's own: the gRPC client has this code for connections that break, too.</summary>
    public static bool IsBug(Exception failure) =>
        failure is RpcException { StatusCode: StatusCode.Internal } e
        && (e.Status.Detail.Contains("a bug in this server", StringComparison.Ordinal) || e.Status.Detail.Contains("Ceph answered", StringComparison.Ordinal));
}
