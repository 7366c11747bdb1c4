using System.Diagnostics;
using Grpc.Core;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests.Relocation;

/// <summary>
/// Calls as the VolumeReplication controller makes them: repeats what fails with exponential back-off, and answers
/// FAILED_PRECONDITION on promote by calling again with force at once.
/// </summary>
public sealed class ControllerPlay(TestVolume volume, Action<string> log)
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(5);

    // The controller waits up to 1000 s; a checker has no time for that.
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(4);

    /// <summary>Longest time in which a call has to succeed once nothing is broken any more.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    /// <summary>The same for what is said to need a person: reports are a minute old at most, so it is not going to change.</summary>
    private static readonly TimeSpan RefusalPatience = TimeSpan.FromMinutes(2);

    // Reports and restarts take turns where something breaks every few seconds: a call that waits for reports then never ends.
    private static readonly TimeSpan Overdue = TimeSpan.FromMinutes(2);

    private long? _started;

    /// <summary>Whether a call waits for so long that it is owed some time without faults.</summary>
    public bool IsOverdue => _started is { } started && Stopwatch.GetElapsedTime(started) > Overdue;

    /// <summary>Makes the volume secondary at a site.</summary>
    public Task SecondaryAsync(Site site) => RetryAsync($"demote at {site}", async () => await volume.DemoteAsync(site));

    /// <summary>Makes the volume primary at a site.</summary>
    /// <returns>Whether force was used.</returns>
    public async Task<bool> PrimaryAsync(Site site)
    {
        var forced = false;
        await RetryAsync($"promote at {site}", async () =>
        {
            try
            {
                await volume.PromoteAsync(site);
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.FailedPrecondition)
            {
                log($"{volume.Handle.Uuid[..8]} {e.Status.Detail[(e.Status.Detail.IndexOf(": ", StringComparison.Ordinal) + 2)..]}; forcing");
                forced = true;
                await volume.PromoteAsync(site, force: true);
            }
        });
        return forced;
    }

    private async Task RetryAsync(string what, Func<Task> call)
    {
        var started = Stopwatch.GetTimestamp();
        _started = started;
        var pause = FirstPause;
        var last = "";
        while (true)
        {
            try
            {
                await call();
                log($"{volume.Handle.Uuid[..8]} {what}: OK after {Stopwatch.GetElapsedTime(started).TotalSeconds:0.0} s");
                _started = null;
                return;
            }
            catch (RpcException e) when (Stopwatch.GetElapsedTime(started) < (e.StatusCode == StatusCode.FailedPrecondition ? RefusalPatience : Patience))
            {
                if (e.StatusCode.ToString() != last)
                    log($"{volume.Handle.Uuid[..8]} {what}: {e.StatusCode}: {e.Status.Detail}");
                last = e.StatusCode.ToString();
            }
            await Task.Delay(pause);
            pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
        }
    }
}
