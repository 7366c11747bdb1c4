namespace RbdReplication.Core;

/// <summary>Gets what became of each consistency point that was due.</summary>
/// <param name="volume">The volume.</param>
/// <param name="point">The point; null: none was taken.</param>
/// <param name="problem">What was in the way; empty where nothing was.</param>
public delegate void PointReport(VolumeHandle volume, PointName? point, string problem);

/// <summary>
/// Takes the consistency points of volumes when they are due, in the place of the manager's schedule. A volume is kept until it is not primary here any
/// more or has no plan. Of the servers that keep it, whoever is first takes the point that is due, and the others see that it is there. It runs
/// beside the changes of a volume and gives way to them, as the manager's snapshots do.
/// </summary>
public sealed class PointSchedule : IAsyncDisposable
{
    /// <summary>What the locks' objects begin with.</summary>
    public const string LockPrefix = "rbd-replication.points.";

    internal const string Name = "take a consistency point";

    // Many are due at the same moment. Half of the threads for changes are left to those that somebody waits for.
    private const int LooksAtATime = 32;

    // A look opens the image.
    private static readonly TimeSpan LongestWait = TimeSpan.FromHours(1);

    private readonly VolumeOperations _volumes;
    private readonly VolumeLocks _locks;
    private readonly PointReport _report;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _looks = new(LooksAtATime);
    private readonly DueWork<PointPlan> _work;

    /// <summary>Keeps none yet.</summary>
    /// <param name="volumes">Runs operations.</param>
    /// <param name="locks">One server for each volume's points; not those of its changes, which need not wait for a point.</param>
    /// <param name="report">Gets what became of each point that was due.</param>
    /// <param name="time">Clock.</param>
    public PointSchedule(VolumeOperations volumes, VolumeLocks locks, PointReport report, TimeProvider time)
    {
        (_volumes, _locks, _report, _time) = (volumes, locks, report, time);
        _work = new DueWork<PointPlan>(LookAsync, (volume, problem) => report(volume, null, problem), LongestWait, time);
    }

    /// <summary>Takes the volume's points from now on, as its role and plan turn out to be. Costs the caller no round trip.</summary>
    /// <param name="request">The volume, and the credentials.</param>
    /// <param name="isChanged">Whether its role or plan may be another one, and so is looked at now.</param>
    public void Keep(VolumeRequest request, bool isChanged) => _work.Keep(request, isChanged);

    /// <summary>Looks now at a volume whose role or plan may be another one, where it is kept.</summary>
    public void LookAgain(VolumeRequest request) => _work.LookAgain(request);

    private async Task<DueLook> LookAsync(VolumeRequest request, Action<PointPlan?> seen, CancellationToken cancellationToken)
    {
        await _looks.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var result = new TaskCompletionSource<DueLook>(TaskCreationOptions.RunContinuationsAsynchronously);
            await _volumes.BesideAsync(
                request, Name, (open, giveWay) => new PointTurn(open, _locks, seen, _report, _time).RunAsync(giveWay), result, cancellationToken).ConfigureAwait(false);
            return await result.Task.ConfigureAwait(false);
        }
        // A change of the volume goes before, or another server takes the point.
        catch (ReplicationException e) when (e.Error == ReplicationError.Busy)
        {
            return new(DuePause.First);
        }
        finally
        {
            _looks.Release();
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _work.DisposeAsync().ConfigureAwait(false);
        _looks.Dispose();
    }
}
