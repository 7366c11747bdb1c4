namespace RbdReplication.Csi.Hosting;

/// <summary>
/// Keeps the number of calls that are with the driver within <see cref="ServeLimits.ForwardedCalls"/>, and lets a server that stops wait for them.
/// </summary>
internal sealed class ForwardedCalls : IDisposable
{
    private readonly Lock _lock = new();
    private readonly TaskCompletionSource _last = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _abandoned = new();
    private int _count;
    private bool _isClosed;

    /// <summary>Calls that are with the driver now.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Cancelled when those that are left are not waited for any more.</summary>
    public CancellationToken Abandoned => _abandoned.Token;

    /// <summary>Whether no further call is forwarded, because the server stops.</summary>
    public bool IsClosed => Volatile.Read(ref _isClosed);

    /// <summary>Takes a place for a call.</summary>
    /// <returns>False if there is none, or none any more; else <see cref="End"/> gives it back.</returns>
    public bool TryBegin()
    {
        lock (_lock)
        {
            if (_isClosed || _count >= ServeLimits.ForwardedCalls)
                return false;
            _count++;
            return true;
        }
    }

    /// <summary>Gives a place back.</summary>
    public void End()
    {
        lock (_lock)
        {
            _count--;
            if (_isClosed && _count == 0)
                _last.TrySetResult();
        }
    }

    /// <summary>Lets no further call begin. The task ends with the last one that has begun.</summary>
    public Task CloseAsync()
    {
        lock (_lock)
        {
            _isClosed = true;
            if (_count == 0)
                _last.TrySetResult();
            return _last.Task;
        }
    }

    /// <summary>Ends those that are left: their callers are told, and the driver sees them cancelled.</summary>
    public void Abandon() => _abandoned.Cancel();

    /// <inheritdoc/>
    public void Dispose() => _abandoned.Dispose();
}
