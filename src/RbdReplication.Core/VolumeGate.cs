using System.Collections.Concurrent;
using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// Gets each operation that goes on after its caller has stopped waiting, and gets it again when it has ended; of those that end at
/// once only the ones that have failed.
/// </summary>
/// <param name="operation">The operation.</param>
/// <param name="hasEnded">Whether it has ended.</param>
/// <param name="failure">Why it has failed; null if it has not, or has not yet.</param>
public delegate void OverdueReport(PendingOperation operation, bool hasEnded, string? failure);

/// <summary>
/// Lets one changing operation at a time onto a volume, and keeps track of those that outlive the call that started them:
/// librbd cannot cancel, so a volume stays taken until its operation has truly ended.
/// </summary>
/// <param name="time">Clock.</param>
/// <param name="overdue">Gets the operations that become overdue.</param>
public sealed class VolumeGate(TimeProvider time, OverdueReport? overdue = null)
{
    // Told to stop, most operations do so within moments: that is no news.
    private static readonly TimeSpan TimeToStop = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<string, PendingOperation> _pending = new(StringComparer.OrdinalIgnoreCase);
    private readonly object _lock = new();
    private TaskCompletionSource? _emptied;

    /// <summary>The operations that run now.</summary>
    public ICollection<PendingOperation> Pending => _pending.Values;

    /// <summary>
    /// Runs <paramref name="body"/> as the only changing operation on the volume. When <paramref name="cancellationToken"/>
    /// ends the wait, the body goes on in the background and the volume stays taken until it has ended; the body is told
    /// by the token and starts no further step.
    /// </summary>
    /// <exception cref="ReplicationException">
    /// Busy: another operation is pending. TimedOut: the wait was cut short. Unavailable: the gate is closed.
    /// </exception>
    public Task RunAsync(VolumeHandle volume, string operation, Func<CancellationToken, Task> body, CancellationToken cancellationToken) =>
        RunAsync(new PendingOperation(volume, operation, time.GetUtcNow()), body, cancellationToken, cancellationToken);

    /// <summary>
    /// The same for what is part of a larger operation, and waited for to its end: the token only tells the body to start no further step.
    /// </summary>
    /// <exception cref="ReplicationException">Busy: another operation is pending. Unavailable: the gate is closed.</exception>
    public Task RunToItsEndAsync(VolumeHandle volume, string operation, Func<CancellationToken, Task> body, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return RunAsync(new PendingOperation(volume, operation, time.GetUtcNow()), body, cancellationToken, CancellationToken.None);
    }

    /// <summary>
    /// Runs <paramref name="body"/> beside the changing operations on the volume, which need not wait for it: once one of them begins to
    /// change something, or the gate is closed, the body is told by the token to give way. It goes on when its caller has stopped waiting.
    /// </summary>
    /// <exception cref="ReplicationException">
    /// Busy: the same operation runs already, or a change that has begun. TimedOut: the wait was cut short. Unavailable: the gate is closed.
    /// </exception>
    public async Task RunBesideAsync(VolumeHandle volume, string operation, Func<CancellationToken, Task> body, CancellationToken cancellationToken)
    {
        var way = new CancellationTokenSource();
        await RunAsync(
            new PendingOperation(volume, operation, time.GetUtcNow(), way),
            async token =>
            {
                // Here, since the operation outlives the call.
                using (way)
                    await body(token).ConfigureAwait(false);
            },
            way.Token, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Tells what runs beside the changes of a volume to give way to the one that is about to change something, and lets nothing more begin beside it.</summary>
    public void MakeWay(VolumeHandle volume)
    {
        List<PendingOperation> beside;
        lock (_lock)
        {
            if (_pending.TryGetValue(volume.Uuid, out var change))
                change.HasBegun = true;
            beside = [.. _pending.Values.Where(operation => operation.Volume.Uuid.Equals(volume.Uuid, StringComparison.OrdinalIgnoreCase))];
        }
        foreach (var operation in beside)
            operation.GiveWay();
    }

    private async Task RunAsync(PendingOperation mine, Func<CancellationToken, Task> body, CancellationToken told, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
            throw new ReplicationException(ReplicationError.TimedOut, $"volume {mine.Volume}: {mine.Operation} was not begun, because its caller has stopped waiting");
        Enter(mine);
        var running = HoldAsync(mine, body, told);
        try
        {
            await running.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (cancellationToken.IsCancellationRequested)
        {
            _ = FollowAsync(mine, running);
            throw new ReplicationException(
                ReplicationError.TimedOut,
                mine.GivesWay
                    ? $"volume {mine.Volume}: {mine.Operation} did not end within {Seconds(mine)}; it goes on, and the next call waits for it"
                    : $"volume {mine.Volume}: {mine.Operation} did not end within {Seconds(mine)}; until it ends the volume is reported busy", e);
        }
    }

    /// <summary>
    /// Lets nothing more onto any volume, for a server that stops, and ends what gives way.
    /// </summary>
    /// <returns>Ends when the last operation has ended.</returns>
    public Task CloseAsync()
    {
        lock (_lock)
        {
            _emptied ??= new(TaskCreationOptions.RunContinuationsAsynchronously);
            if (_pending.IsEmpty)
                _emptied.TrySetResult();
        }
        foreach (var operation in _pending.Values)
            operation.GiveWay();
        return _emptied.Task;
    }

    private void Enter(PendingOperation mine)
    {
        PendingOperation holder;
        lock (_lock)
        {
            if (_emptied is not null)
                throw new ReplicationException(ReplicationError.Unavailable, $"volume {mine.Volume}: {mine.Operation} was not begun, because this server is stopping; retry, another one takes over");
            holder = mine.GivesWay && _pending.TryGetValue(mine.Volume.Uuid, out var change) && change.HasBegun ? change : _pending.GetOrAdd(KeyOf(mine), mine);
        }
        if (!ReferenceEquals(holder, mine))
        {
            throw new ReplicationException(
                ReplicationError.Busy,
                $"volume {mine.Volume}: {holder.Operation} has been pending for {Seconds(holder)}; retry when it has ended");
        }
    }

    private void Leave(PendingOperation mine)
    {
        lock (_lock)
        {
            _pending.TryRemove(new(KeyOf(mine), mine));
            if (_pending.IsEmpty)
                _emptied?.TrySetResult();
        }
    }

    private async Task HoldAsync(PendingOperation mine, Func<CancellationToken, Task> body, CancellationToken cancellationToken)
    {
        try
        {
            await body(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            Leave(mine);
        }
    }

    private async Task FollowAsync(PendingOperation operation, Task running)
    {
        var since = time.GetUtcNow();
        await Task.WhenAny(running, Task.Delay(TimeToStop, time)).ConfigureAwait(false);
        // One that has left the gate has ended, even if the thread that ran it has not come to its end yet.
        if (_pending.TryGetValue(KeyOf(operation), out var held) && ReferenceEquals(held, operation))
        {
            operation.OverdueSince = since;
            overdue?.Invoke(operation, hasEnded: false, failure: null);
        }
        await running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        // Nobody else hears of a failure any more.
        if (operation.OverdueSince is not null || running.IsFaulted)
            overdue?.Invoke(operation, hasEnded: true, FailureOf(running));
    }

    private static string? FailureOf(Task ended) => ended switch
    {
        { IsCanceled: true } => "given up at the first step that could be",
        { Exception.InnerException: ReplicationException or CephException } => ended.Exception.InnerException.Message,
        { Exception.InnerException: { } bug } => bug.GetType().Name,
        _ => null,
    };

    // The uuid alone: both sites' handles of a volume name the same image.
    private static string KeyOf(PendingOperation operation) => operation.GivesWay ? $"{operation.Volume.Uuid} {operation.Operation}" : operation.Volume.Uuid;

    private string Seconds(PendingOperation operation) => $"{(time.GetUtcNow() - operation.StartedAt).TotalSeconds:0.0} s";
}

/// <summary>An operation that is under way.</summary>
/// <param name="volume">The volume.</param>
/// <param name="operation">What is done, for example <c>promote</c>.</param>
/// <param name="startedAt">Since when.</param>
/// <param name="way">Tells it to give way; null for one that has the volume to itself.</param>
public sealed class PendingOperation(VolumeHandle volume, string operation, DateTimeOffset startedAt, CancellationTokenSource? way = null)
{
    private long _overdueTicks;

    /// <summary>Whether it runs beside the changes of the volume, and ends for them.</summary>
    public bool GivesWay => way is not null;

    /// <summary>Whether it has been about to change something; until then it may find nothing to do.</summary>
    internal bool HasBegun { get; set; }

    /// <summary>The volume.</summary>
    public VolumeHandle Volume => volume;

    /// <summary>What is done, for example <c>promote</c>.</summary>
    public string Operation => operation;

    /// <summary>Since when.</summary>
    public DateTimeOffset StartedAt => startedAt;

    /// <summary>When its caller stopped waiting, by a deadline or by going away; null while one waits.</summary>
    public DateTimeOffset? OverdueSince
    {
        get => Interlocked.Read(ref _overdueTicks) is > 0 and var ticks ? new DateTimeOffset(ticks, TimeSpan.Zero) : null;
        internal set => Interlocked.Exchange(ref _overdueTicks, value?.UtcTicks ?? 0);
    }

    internal void GiveWay()
    {
        try
        {
            way?.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It has just ended.
        }
    }
}
