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
/// <param name="prefix">What the objects' names begin with: locks of another kind keep off each other alone.</param>
public sealed class VolumeLocks(string server, TimeProvider time, LockLostReport? lost = null, string prefix = VolumeLocks.ChangePrefix)
{
    /// <summary>How long the volume of a server that was killed stays locked.</summary>
    public static TimeSpan Lease => HeldLock.Lease;

    /// <summary>What the names of the objects begin with that keep changes off each other.</summary>
    public const string ChangePrefix = "rbd-replication.volume.";

    private const string LockName = "rbd-replication";
    private const string ServerKey = "server";
    private const string ProcessKey = "process";
    private const string OperationKey = "operation";
    private const string SinceKey = "since";

    // Others may let go at the moment of asking, and a lock of our own may have been left behind.
    private const int Attempts = 3;

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
                return new HeldLock(pool, ObjectOf(volume), taking, GivingBack, time, () =>
                {
                    lost?.Invoke(volume, operation);
                    onLost();
                });
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
            new(SinceKey, time.GetUtcNow().ToString("O", CultureInfo.InvariantCulture)),
        ];
        return () => new ObjectWrite().Lock(LockName, _process, $"{operation} of volume {volume} by {server}", Lease).SetOmap(holder).EvenIfFull();
    }

    private ObjectWrite GivingBack() => new ObjectWrite().Unlock(LockName, _process).Remove().EvenIfFull();

    // The caller holds the gate of this process, so nothing of it runs any more: the connection of an earlier operation was cut
    // off before it could unlock.
    private async Task<bool> IsLeftBehindAsync(RadosPool pool, VolumeHandle volume, IReadOnlyDictionary<string, string> holder)
    {
        if (holder.GetValueOrDefault(ProcessKey) != _process)
            return false;
        try
        {
            await WriteAsync(pool, volume, new ObjectWrite().AssertOmap(ProcessKey, _process).Remove().EvenIfFull()).ConfigureAwait(false);
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
        var age = DateTimeOffset.TryParse(holder?.GetValueOrDefault(SinceKey), CultureInfo.InvariantCulture, out var since) ? time.GetUtcNow() - since : TimeSpan.Zero;
        return new ReplicationException(
            ReplicationError.Busy,
            $"volume {volume}: {operation} by server {holder?.GetValueOrDefault(ServerKey) ?? "unknown"} has been pending for {age.TotalSeconds:0.0} s; retry when it has ended, or if that server was killed, {Lease.TotalSeconds:0} s after");
    }

    private string ObjectOf(VolumeHandle volume) => prefix + volume.Uuid;

    private Task WriteAsync(RadosPool pool, VolumeHandle volume, ObjectWrite write) => pool.WriteAsync(ObjectOf(volume), write, CancellationToken.None);
}
