using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>A lock with a lease that is held: renewed until it is given back.</summary>
internal sealed class HeldLock : IAsyncDisposable
{
    /// <summary>How long it lasts when it is not renewed; three renewals may fail.</summary>
    public static readonly TimeSpan Lease = TimeSpan.FromSeconds(15);

    private static readonly TimeSpan RenewalInterval = TimeSpan.FromSeconds(4);

    private readonly RadosPool _pool;
    private readonly string _objectName;
    private readonly Func<ObjectWrite> _take;
    private readonly Func<ObjectWrite> _giveBack;
    private readonly TimeProvider _time;
    private readonly Action _onLost;
    private readonly IDisposable _open;
    private readonly CancellationTokenSource _released = new();
    private readonly Task _renewing;

    /// <summary>Goes on with a lock that has just been taken.</summary>
    /// <param name="pool">Pool and rados namespace.</param>
    /// <param name="objectName">The object.</param>
    /// <param name="take">The write that took it and takes it again.</param>
    /// <param name="giveBack">The write that gives it back.</param>
    /// <param name="time">Clock.</param>
    /// <param name="onLost">Called when it has run out, or somebody else has it.</param>
    public HeldLock(RadosPool pool, string objectName, Func<ObjectWrite> take, Func<ObjectWrite> giveBack, TimeProvider time, Action onLost)
    {
        (_pool, _objectName, _take, _giveBack, _time, _onLost) = (pool, objectName, take, giveBack, time, onLost);
        // The connection may be dropped meanwhile.
        _open = pool.Hold();
        _renewing = RenewAsync();
    }

    private async Task RenewAsync()
    {
        var (renewed, isLost) = (_time.GetTimestamp(), false);
        while (true)
        {
            await Task.Delay(RenewalInterval, _time, _released.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            var asked = _time.GetTimestamp();
            var isOurs = await IsRenewedAsync(isLost ? Lease : Lease - _time.GetElapsedTime(renewed, asked)).ConfigureAwait(false);
            if (_released.IsCancellationRequested)
                return;
            if (isOurs is true)
                renewed = asked;
            if (isOurs is not false && _time.GetElapsedTime(renewed) < Lease)
                continue;
            if (!isLost)
                _onLost();
            isLost = true;
            // What cannot be stopped goes on: where nobody else has it the lock is taken again, to keep others off that.
            if (isOurs is false)
                return;
        }
    }

    // Null: that cannot be known now.
    private async Task<bool?> IsRenewedAsync(TimeSpan left)
    {
        try
        {
            _released.Token.ThrowIfCancellationRequested();
            await WriteAsync(_take()).WaitAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero, _time, _released.Token).ConfigureAwait(false);
            return true;
        }
        catch (CephException e) when (e.Errno == Errno.EBUSY)
        {
            return false;
        }
        catch (Exception e) when (e is CephException or TimeoutException or OperationCanceledException)
        {
            return null;
        }
    }

    /// <summary>Gives the lock back. Where the cluster does not answer it runs out by itself.</summary>
    public async ValueTask DisposeAsync()
    {
        await _released.CancelAsync().ConfigureAwait(false);
        await _renewing.ConfigureAwait(false);
        try
        {
            await WriteAsync(_giveBack()).WaitAsync(Lease, _time).ConfigureAwait(false);
        }
        catch (Exception e) when (e is CephException or TimeoutException)
        {
        }
        _open.Dispose();
        _released.Dispose();
    }

    private Task WriteAsync(ObjectWrite write) => _pool.WriteAsync(_objectName, write, CancellationToken.None);
}
