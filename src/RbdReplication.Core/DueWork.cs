namespace RbdReplication.Core;

/// <summary>What came of a look at something that is kept.</summary>
/// <param name="Wait">When to look again; null where nothing is to be done any more.</param>
/// <param name="HasFailed">Whether a call failed, which another attempt soon may not mend.</param>
public readonly record struct DueLook(TimeSpan? Wait, bool HasFailed = false);

/// <summary>Looks at something that is kept, and does what is due.</summary>
/// <param name="request">What is kept, and the credentials.</param>
/// <param name="seen">Gets its state as it is; null: there is nothing to be done any more.</param>
/// <param name="cancellationToken">Begins no further step.</param>
public delegate Task<DueLook> DueLooking<out T>(VolumeRequest request, Action<T?> seen, CancellationToken cancellationToken);

/// <summary>
/// Does again and again what is due of volumes or groups. One is kept from a call with its secrets on, which are nowhere but in memory, until a look
/// finds that nothing is to be done any more; after a restart the next call resumes it. Any number of servers may keep the same one.
/// </summary>
/// <param name="look">Looks at one and does what is due.</param>
/// <param name="failed">Gets what failed, and why; it is tried again.</param>
/// <param name="longestWait">The state is read anew at least so often.</param>
/// <param name="time">Clock.</param>
/// <typeparam name="T">What was seen of one.</typeparam>
public sealed class DueWork<T>(DueLooking<T> look, Action<VolumeHandle, string> failed, TimeSpan longestWait, TimeProvider time) : IAsyncDisposable
    where T : class
{
    private readonly Lock _lock = new();
    private readonly Dictionary<VolumeHandle, Kept> _kept = [];
    private readonly CancellationTokenSource _stop = new();

    /// <summary>What is kept, once it was looked at.</summary>
    public IReadOnlyList<(VolumeHandle Handle, T State)> Seen
    {
        get
        {
            lock (_lock)
                return [.. _kept.Where(kept => kept.Value.State is not null).Select(kept => (kept.Key, kept.Value.State!))];
        }
    }

    /// <summary>Does from now on what is due of it, as its state turns out to be. Costs the caller no round trip.</summary>
    /// <param name="request">The volume or group, and the credentials.</param>
    /// <param name="isChanged">Whether its state may be another one, and so is looked at now.</param>
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

    /// <summary>Looks now at one whose state may be another one, where it is kept.</summary>
    public void LookAgain(VolumeRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        lock (_lock)
            _kept.GetValueOrDefault(request.Handle)?.Renew(request, isChanged: true);
    }

    private async Task RunAsync(Kept kept)
    {
        var pause = DuePause.First;
        do
        {
            var seen = await LookAsync(kept).ConfigureAwait(false);
            if (seen.Wait is null && Leave(kept))
                return;
            // What takes longer than its interval is due again already, and whoever writes needs some air.
            if (seen.Wait is { } wait)
                await kept.WaitAsync(seen.HasFailed || wait <= TimeSpan.Zero ? pause : Shorter(wait, longestWait), time, _stop.Token).ConfigureAwait(false);
            pause = seen.HasFailed ? Shorter(2 * pause, DuePause.Longest) : DuePause.First;
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

    private async Task<DueLook> LookAsync(Kept kept)
    {
        var request = kept.Begin();
        try
        {
            return await look(request, state => kept.State = state, _stop.Token).ConfigureAwait(false);
        }
        // It was deleted.
        catch (ReplicationException e) when (e.Error == ReplicationError.NotFound)
        {
            return default;
        }
        catch (Exception e) when (e is ReplicationException or OperationCanceledException && _stop.IsCancellationRequested)
        {
            return default;
        }
        // Whatever it is: what is due must not be left undone for the rest of the server's life.
        catch (Exception e)
        {
            failed(request.Handle, e.Message);
            return new(DuePause.First, HasFailed: true);
        }
    }

    /// <summary>Begins nothing more. What is being done in a process of its own is ended by that.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        Task[] running;
        lock (_lock)
            running = [.. _kept.Values.Select(kept => kept.Running)];
        await Task.WhenAll(running).ConfigureAwait(false);
        _stop.Dispose();
    }

    /// <summary>One that is kept.</summary>
    private sealed class Kept(VolumeRequest request)
    {
        private TaskCompletionSource _renewed = New();

        public VolumeRequest Request { get; private set; } = request;

        public T? State { get; set; }

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

/// <summary>How long what is due waits before it is tried again.</summary>
internal static class DuePause
{
    /// <summary>
    /// After a failure, and where another server is doing it: soon enough for the shortest interval, a minute, and long enough for writers to get on.
    /// It doubles with each further failure.
    /// </summary>
    public static readonly TimeSpan First = TimeSpan.FromSeconds(10);

    /// <summary>After many failures.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromMinutes(5);
}
