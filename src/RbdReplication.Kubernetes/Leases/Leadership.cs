namespace RbdReplication.Kubernetes.Leases;

/// <summary>One term as leader.</summary>
public sealed class Leadership : IDisposable
{
    private readonly TimeProvider _time;
    private readonly TimeSpan _duration;
    private readonly CancellationTokenSource _end;
    private long _renewed;

    internal Leadership(TimeProvider time, TimeSpan duration, long renewed)
    {
        _time = time;
        _duration = duration;
        _renewed = renewed;
        _end = new CancellationTokenSource(Remaining(), time);
        Token = _end.Token;
    }

    /// <summary>Cancelled when the term ends, always before another candidate can have taken the lease.</summary>
    public CancellationToken Token { get; }

    /// <summary>
    /// To be called right before a write. Unlike <see cref="Token"/> it also notices at once that the process was frozen
    /// for longer than the lease, when no timer has run yet.
    /// </summary>
    /// <exception cref="OperationCanceledException">The term has ended.</exception>
    public void ThrowIfLost()
    {
        Token.ThrowIfCancellationRequested();
        if (_time.GetElapsedTime(Volatile.Read(ref _renewed)) < _duration)
            return;
        End();
        throw new OperationCanceledException(Token);
    }

    /// <inheritdoc/>
    public void Dispose() => _end.Dispose();

    /// <param name="sent">When the request that succeeded was sent: others count from a later moment.</param>
    internal void Renew(long sent)
    {
        Volatile.Write(ref _renewed, sent);
        _end.CancelAfter(Remaining());
    }

    internal void End() => _end.Cancel();

    internal TimeSpan Remaining()
    {
        var left = _duration - _time.GetElapsedTime(Volatile.Read(ref _renewed));
        return left > TimeSpan.FromMilliseconds(1) ? left : TimeSpan.FromMilliseconds(1);
    }
}
