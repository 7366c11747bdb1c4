using System.Diagnostics;
using Grpc.Core;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests.Relocation;

/// <summary>
/// Calls as the VolumeReplication controller makes them: repeats what fails with exponential back-off, and answers
/// FAILED_PRECONDITION on promote by calling again with force at once.
/// </summary>
/// <param name="name">What it is called for, in the record.</param>
/// <param name="demote">The call that makes it secondary.</param>
/// <param name="promote">The call that makes it primary, with force or without.</param>
/// <param name="log">Told of each answer.</param>
public sealed class ControllerPlay(string name, Func<Site, Task> demote, Func<Site, bool, Task> promote, Action<string> log)
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

    public ControllerPlay(TestVolume volume, Action<string> log)
        : this(volume.Handle.Uuid[..8], site => volume.DemoteAsync(site), (site, force) => volume.PromoteAsync(site, force), log)
    {
    }

    /// <summary>Whether a call waits for so long that it is owed some time without faults.</summary>
    public bool IsOverdue => _started is { } started && Stopwatch.GetElapsedTime(started) > Overdue;

    /// <summary>Makes it secondary at a site.</summary>
    public Task SecondaryAsync(Site site) => RetryAsync($"demote at {site}", () => demote(site));

    /// <summary>Makes it primary at a site.</summary>
    /// <returns>Whether force was used.</returns>
    public async Task<bool> PrimaryAsync(Site site)
    {
        var forced = false;
        await RetryAsync($"promote at {site}", async () =>
        {
            try
            {
                await promote(site, false);
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.FailedPrecondition)
            {
                log($"{name} {e.Status.Detail[(e.Status.Detail.IndexOf(": ", StringComparison.Ordinal) + 2)..]}; forcing");
                forced = true;
                await promote(site, true);
            }
        });
        return forced;
    }

    /// <summary>Makes it primary at a site whose peer is gone, as somebody does who knows that.</summary>
    public Task PrimaryByForceAsync(Site site) => RetryAsync($"promote by force at {site}", () => promote(site, true));

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
                log($"{name} {what}: OK after {Stopwatch.GetElapsedTime(started).TotalSeconds:0.0} s");
                _started = null;
                return;
            }
            catch (RpcException e) when (Stopwatch.GetElapsedTime(started) < (e.StatusCode == StatusCode.FailedPrecondition ? RefusalPatience : Patience))
            {
                if (e.StatusCode.ToString() != last)
                    log($"{name} {what}: {e.StatusCode}: {e.Status.Detail}");
                last = e.StatusCode.ToString();
            }
            await Task.Delay(pause);
            pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
        }
    }
}
