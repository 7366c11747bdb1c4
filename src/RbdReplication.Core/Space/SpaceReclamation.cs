using System.Collections.Concurrent;

namespace RbdReplication.Core;

/// <summary>
/// Reclaiming the space of volumes. It changes nothing of what is read, so it runs beside the changes of a volume and not in turn with them, and
/// gives way to them: an hour of it must not keep a promotion waiting. A call that comes while one of the same volume runs waits
/// for that one, and one that comes after it gets what nobody has heard yet: so a caller with short deadlines comes to the end, too.
/// </summary>
/// <param name="volumes">Runs operations.</param>
/// <param name="progress">Gets how far it is.</param>
/// <param name="untouched">Gets why nothing was done.</param>
/// <param name="time">Clock.</param>
public sealed class SpaceReclamation(VolumeOperations volumes, ReclaimReport progress, UntouchedReport untouched, TimeProvider time)
{
    private const string Name = "reclaim space";

    // A caller comes again within minutes, or not at all.
    private static readonly TimeSpan Memory = TimeSpan.FromMinutes(30);

    private readonly ConcurrentDictionary<string, Run> _runs = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Frees what the image has allocated for zeros, or leaves it as it is where it is in use or not primary.</summary>
    /// <param name="request">The volume.</param>
    /// <param name="cancellationToken">Ends the wait; what was begun goes on.</param>
    /// <exception cref="ReplicationException">Busy: it has given way, or another user's call runs. Any other failure.</exception>
    public async Task<ReclaimedSpace> ReclaimAsync(VolumeRequest request, CancellationToken cancellationToken)
    {
        var mine = new Run(request.Credentials);
        var run = _runs.GetOrAdd(request.Handle.Uuid, mine);
        // Who may not do it must not hear of it.
        if (!run.IsOf(request.Credentials) && !run.Result.Task.IsCompleted)
            throw new ReplicationException(ReplicationError.Busy, $"volume {request.Handle}: {Name} runs for another Ceph user or key; retry when it has ended");
        if (!run.IsOf(request.Credentials))
        {
            _runs.TryRemove(new(request.Handle.Uuid, run));
            return await ReclaimAsync(request, cancellationToken).ConfigureAwait(false);
        }
        var result = run == mine
            ? await BeginAsync(request, mine, cancellationToken).ConfigureAwait(false)
            : await JoinAsync(request, run, cancellationToken).ConfigureAwait(false);
        _runs.TryRemove(new(request.Handle.Uuid, run));
        return result;
    }

    private async Task<ReclaimedSpace> BeginAsync(VolumeRequest request, Run run, CancellationToken cancellationToken)
    {
        _ = RememberAsync(request.Handle.Uuid, run);
        var hasBegun = false;
        try
        {
            await volumes.BesideAsync(
                request, Name,
                (open, giveWay) =>
                {
                    hasBegun = true;
                    return new Reclaiming(progress, untouched, time).RunAsync(open, cancellationToken, giveWay);
                },
                run.Result, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (!hasBegun)
        {
            run.Result.TrySetException(e);
            throw;
        }
        return await run.Result.Task.ConfigureAwait(false);
    }

    // Of one that fails the log has the failure, and one that left the image alone may find it free next time: the next call begins again.
    private async Task RememberAsync(string uuid, Run run)
    {
        await ((Task)run.Result.Task).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (run.Result.Task is { IsCompletedSuccessfully: true, Result: var result } && !ReferenceEquals(result, ReclaimedSpace.Untouched))
            await Task.Delay(Memory, time).ConfigureAwait(false);
        _runs.TryRemove(new(uuid, run));
    }

    private static async Task<ReclaimedSpace> JoinAsync(VolumeRequest request, Run run, CancellationToken cancellationToken)
    {
        try
        {
            return await run.Result.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ReplicationException(ReplicationError.Busy, $"volume {request.Handle}: {Name} was given up before its turn came, with its caller; retry", e);
        }
        catch (OperationCanceledException e)
        {
            throw new ReplicationException(ReplicationError.TimedOut, $"volume {request.Handle}: {Name}, which an earlier call has begun, did not end in time; it goes on, and the next call waits for it", e);
        }
    }

    private sealed class Run(CephCredentials credentials)
    {
        // Not the key itself, for as long as a result is kept.
        private readonly (string User, string Key) _caller = CallerOf(credentials);

        public TaskCompletionSource<ReclaimedSpace> Result { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public bool IsOf(CephCredentials other) => _caller == CallerOf(other);

        private static (string User, string Key) CallerOf(CephCredentials credentials) => (credentials.User, credentials.Key.Fingerprint);
    }
}
