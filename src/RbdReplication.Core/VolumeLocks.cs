using System.Globalization;
using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Gets told that a lock was lost before its operation had ended.</summary>
/// <param name="volume">The volume.</param>
/// <param name="operation">What was being done.</param>
public delegate void LockLostReport(VolumeHandle volume, string operation);

/// <summary>
/// Keeps servers off each other's volumes, as <see cref="VolumeGate"/> keeps the calls of one server: whoever changes something
/// holds a lock on an object of ours beside the image, <c>rbd-replication.volume.UUID</c>, which goes away with the lock. It runs
/// out by itself where a server dies, and is renewed for as long as an operation takes.
/// </summary>
/// <param name="server">Name of this server, for those that meet its locks.</param>
/// <param name="time">Clock.</param>
/// <param name="lost">Gets the locks that are lost.</param>
public sealed class VolumeLocks(string server, TimeProvider time, LockLostReport? lost = null)
{
    /// <summary>How long the volume of a server that was killed stays locked; three renewals may fail.</summary>
    public static readonly TimeSpan Lease = TimeSpan.FromSeconds(15);

    private const string LockName = "rbd-replication";
    private const string ServerKey = "server";
    private const string ProcessKey = "process";
    private const string OperationKey = "operation";
    private const string SinceKey = "since";

    // Others may let go at the moment of asking, and a lock of our own may have been left behind.
    private const int Attempts = 3;

    private static readonly TimeSpan RenewalInterval = TimeSpan.FromSeconds(4);

    private readonly TimeProvider _time = time;
    private readonly LockLostReport? _lost = lost;
    private readonly string _process = Guid.NewGuid().ToString("N");

    /// <summary>Takes the lock of a volume. One operation of the OSD.</summary>
    /// <param name="pool">Pool and rados namespace of its image.</param>
    /// <param name="volume">The volume; the caller holds its gate.</param>
    /// <param name="operation">What is to be done.</param>
    /// <param name="onLost">Called when the lock is lost: no further step may be begun.</param>
    /// <param name="cancellationToken">
    /// Looked at before; the wait is not cut short by it, since what is taken later would be nobody's.
    /// </param>
    /// <exception cref="ReplicationException">Busy: another server changes the volume.</exception>
    /// <exception cref="CephException">EPERM: the user may not write this object.</exception>
    public async Task<IAsyncDisposable> TakeAsync(
        RadosPool pool, VolumeHandle volume, string operation, Action onLost, CancellationToken cancellationToken)
    {
        var taking = Taking(volume, operation);
        for (var attempt = 1; ; attempt++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                await WriteAsync(pool, volume, taking()).ConfigureAwait(false);
                return new Held(this, pool, volume, operation, taking, onLost);
            }
            catch (CephException e) when (e.Errno == Errno.EBUSY)
            {
                var holder = await pool.ReadOmapAsync(ObjectOf(volume), [ServerKey, ProcessKey, OperationKey, SinceKey], cancellationToken).ConfigureAwait(false);
                if (attempt == Attempts || (holder is not null && !await IsLeftBehindAsync(pool, volume, holder).ConfigureAwait(false)))
                    throw Busy(volume, holder);
            }
        }
    }

    private Func<ObjectWrite> Taking(VolumeHandle volume, string operation)
    {
        KeyValuePair<string, string>[] holder =
        [
            new(ServerKey, server), new(ProcessKey, _process), new(OperationKey, operation),
            new(SinceKey, _time.GetUtcNow().ToString("O", CultureInfo.InvariantCulture)),
        ];
        return () => new ObjectWrite().Lock(LockName, _process, $"{operation} of volume {volume} by {server}", Lease).SetOmap(holder);
    }

    // The caller holds the gate of this process, so nothing of it runs any more: the connection of an earlier operation was cut
    // off before it could unlock.
    private async Task<bool> IsLeftBehindAsync(RadosPool pool, VolumeHandle volume, IReadOnlyDictionary<string, string> holder)
    {
        if (holder.GetValueOrDefault(ProcessKey) != _process)
            return false;
        try
        {
            await WriteAsync(pool, volume, new ObjectWrite().AssertOmap(ProcessKey, _process).Remove()).ConfigureAwait(false);
        }
        catch (CephException e) when (e.Errno is Errno.ENOENT or Errno.ECANCELED)
        {
            // It has run out meanwhile.
        }
        return true;
    }

    private ReplicationException Busy(VolumeHandle volume, IReadOnlyDictionary<string, string>? holder)
    {
        var operation = holder?.GetValueOrDefault(OperationKey) ?? "an operation";
        var age = DateTimeOffset.TryParse(holder?.GetValueOrDefault(SinceKey), CultureInfo.InvariantCulture, out var since) ? _time.GetUtcNow() - since : TimeSpan.Zero;
        return new ReplicationException(
            ReplicationError.Busy,
            $"volume {volume}: {operation} by server {holder?.GetValueOrDefault(ServerKey) ?? "unknown"} has been pending for {age.TotalSeconds:0.0} s; retry when it has ended, or if that server was killed, {Lease.TotalSeconds:0} s after");
    }

    private static string ObjectOf(VolumeHandle volume) => "rbd-replication.volume." + volume.Uuid;

    private static Task WriteAsync(RadosPool pool, VolumeHandle volume, ObjectWrite write) => pool.WriteAsync(ObjectOf(volume), write, CancellationToken.None);

    private sealed class Held : IAsyncDisposable
    {
        private readonly VolumeLocks _locks;
        private readonly RadosPool _pool;
        private readonly VolumeHandle _volume;
        private readonly IDisposable _open;
        private readonly CancellationTokenSource _released = new();
        private readonly Task _renewing;

        public Held(VolumeLocks locks, RadosPool pool, VolumeHandle volume, string operation, Func<ObjectWrite> renewal, Action onLost)
        {
            _locks = locks;
            _pool = pool;
            _volume = volume;
            _open = pool.Hold();
            _renewing = RenewAsync(operation, renewal, onLost);
        }

        private async Task RenewAsync(string operation, Func<ObjectWrite> renewal, Action onLost)
        {
            var renewed = _locks._time.GetTimestamp();
            while (true)
            {
                await Task.Delay(RenewalInterval, _locks._time, _released.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (_released.IsCancellationRequested)
                    return;
                var asked = _locks._time.GetTimestamp();
                var left = Lease - _locks._time.GetElapsedTime(renewed, asked);
                var isRenewed = await IsRenewedAsync(renewal(), left).ConfigureAwait(false);
                if (_released.IsCancellationRequested)
                    return;
                if (isRenewed is true)
                {
                    renewed = asked;
                }
                else if (isRenewed is false || _locks._time.GetElapsedTime(renewed) >= Lease)
                {
                    _locks._lost?.Invoke(_volume, operation);
                    onLost();
                    return;
                }
            }
        }

        /// <summary>Whether the lock is ours; null if that cannot be known now.</summary>
        private async Task<bool?> IsRenewedAsync(ObjectWrite write, TimeSpan left)
        {
            try
            {
                await WriteAsync(_pool, _volume, write).WaitAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero, _locks._time, _released.Token).ConfigureAwait(false);
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
                await WriteAsync(_pool, _volume, new ObjectWrite().Unlock(LockName, _locks._process).Remove()).WaitAsync(Lease, _locks._time).ConfigureAwait(false);
            }
            catch (Exception e) when (e is CephException or TimeoutException)
            {
            }
            _open.Dispose();
            _released.Dispose();
        }
    }
}
