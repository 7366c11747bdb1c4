namespace RbdReplication.Core;

/// <summary>Gets what became of each generation that was due.</summary>
/// <param name="group">The group.</param>
/// <param name="attempt">What became of it.</param>
public delegate void GenerationReport(VolumeHandle group, GenerationAttempt attempt);

/// <summary>A group whose generations are taken here when they are due.</summary>
/// <param name="Handle">The group.</param>
/// <param name="State">What was seen of it last.</param>
public sealed record KeptGroup(VolumeHandle Handle, GroupState State);

/// <summary>
/// Takes the generations of groups when they are due. A group is kept from the first call with its secrets on, which are nowhere but in memory, until
/// it is not primary here any more or has no schedule; after a restart the next call resumes it. Any number of servers may keep a group: whoever
/// is first takes the generation that is due, under a lease, and the others see that it is there.
/// </summary>
/// <param name="resolver">Finds groups.</param>
/// <param name="operations">Gives failures their meaning.</param>
/// <param name="report">Gets what became of each generation that was due.</param>
/// <param name="time">Clock.</param>
public sealed class GenerationSchedule(GroupResolver resolver, GroupOperations operations, GenerationReport report, TimeProvider time) : IAsyncDisposable
{
    /// <summary>
    /// After a failure, and where another server is taking it: soon enough for the shortest interval, a minute, and long enough for writers to get on.
    /// It doubles with each further failure.
    /// </summary>
    internal static readonly TimeSpan Pause = TimeSpan.FromSeconds(10);

    // The state is read anew at least so often.
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(5);

    private readonly Lock _lock = new();
    private readonly Dictionary<VolumeHandle, Kept> _kept = [];
    private readonly CancellationTokenSource _stop = new();

    /// <summary>The groups that are kept, once they were looked at.</summary>
    public IReadOnlyList<KeptGroup> Groups
    {
        get
        {
            lock (_lock)
                return [.. _kept.Where(kept => kept.Value.State is not null).Select(kept => new KeptGroup(kept.Key, kept.Value.State!))];
        }
    }

    /// <summary>Takes the group's generations from now on, as its role and schedule turn out to be. Costs the caller no round trip.</summary>
    /// <param name="request">The group, and the credentials.</param>
    /// <param name="isChanged">Whether its role or schedule may be another one, and so is looked at now.</param>
    public void Keep(VolumeRequest request, bool isChanged)
    {
        ArgumentNullException.ThrowIfNull(request);
        lock (_lock)
        {
            if (_stop.IsCancellationRequested)
                return;
            if (_kept.TryGetValue(request.Handle, out var kept))
            {
                kept.Renew(request, isChanged);
                return;
            }
            kept = _kept[request.Handle] = new Kept(request);
            kept.Running = Task.Run(() => RunAsync(kept));
        }
    }

    private async Task RunAsync(Kept kept)
    {
        var pause = Pause;
        do
        {
            var look = await LookAsync(kept).ConfigureAwait(false);
            if (look.Wait is null && Leave(kept))
                return;
            // One that takes longer than its interval is due again already, and whoever writes needs some air.
            if (look.Wait is { } wait)
                await kept.WaitAsync(look.HasFailed || wait <= TimeSpan.Zero ? pause : Shorter(wait, LongestWait), time, _stop.Token).ConfigureAwait(false);
            pause = look.HasFailed ? Shorter(2 * pause, LongestWait) : Pause;
        }
        while (!_stop.IsCancellationRequested);
    }

    // Unless it was asked for again since it was looked at.
    private bool Leave(Kept kept)
    {
        lock (_lock)
            return !kept.IsRenewed && _kept.Remove(kept.Request.Handle);
    }

    private static TimeSpan Shorter(TimeSpan one, TimeSpan other) => one < other ? one : other;

    /// <summary>Takes a generation if one is due.</summary>
    private async Task<GenerationLook> LookAsync(Kept kept)
    {
        var request = kept.Begin();
        var name = $"take a generation of volume group {request.Handle}";
        try
        {
            return await operations.ReadAsync(
                name,
                async (scope, token) =>
                {
                    var group = await resolver.FindCompleteAsync(request, scope, token).ConfigureAwait(false);
                    return await new GenerationTurn(group, state => kept.State = state, report, time).RunAsync(token).ConfigureAwait(false);
                }, _stop.Token).ConfigureAwait(false);
        }
        // It was deleted.
        catch (ReplicationException e) when (e.Error == ReplicationError.NotFound)
        {
            return default;
        }
        catch (ReplicationException) when (_stop.IsCancellationRequested)
        {
            return default;
        }
        // Whatever it is: the group must not stay without generations for the rest of the server's life.
        catch (Exception e)
        {
            report(request.Handle, GenerationAttempt.Failed(e.Message));
            return new(Pause, HasFailed: true);
        }
    }

    /// <summary>Begins no further generation. One that is being taken is ended by its own process.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        Task[] running;
        lock (_lock)
            running = [.. _kept.Values.Select(kept => kept.Running)];
        await Task.WhenAll(running).ConfigureAwait(false);
        _stop.Dispose();
    }

    /// <summary>A group that is kept.</summary>
    private sealed class Kept(VolumeRequest request)
    {
        private TaskCompletionSource _renewed = New();

        public VolumeRequest Request { get; private set; } = request;

        public GroupState? State { get; set; }

        public Task Running { get; set; } = Task.CompletedTask;

        public bool IsRenewed => _renewed.Task.IsCompleted;

        public void Renew(VolumeRequest request, bool isChanged)
        {
            Request = request;
            if (isChanged)
                _renewed.TrySetResult();
        }

        /// <summary>Looks at it as it was asked for last.</summary>
        public VolumeRequest Begin()
        {
            _renewed = New();
            return Request;
        }

        public async Task WaitAsync(TimeSpan wait, TimeProvider time, CancellationToken stop) =>
            await Task.WhenAny(_renewed.Task, Task.Delay(wait, time, stop)).ConfigureAwait(false);

        private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
