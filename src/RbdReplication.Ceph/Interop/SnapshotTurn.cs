using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace RbdReplication.Ceph.Interop;

/// <summary>
/// Keeps other clients, the manager's scheduler above all, from taking a mirror snapshot of an image while this one does.
/// Where two do so at once, one sees the other's while it is not complete yet, takes the peers off it, and as it is the newest
/// cannot remove it: librbd then calls itself until the stack is used up, in both processes (16.2, whatever
/// <c>rbd_mirroring_max_mirroring_snapshots</c> is).
/// </summary>
/// <remarks>
/// Whoever takes a snapshot first asks all that have the image open to be quiet, and waits for their answer. The answer is held
/// back here until our own snapshot is complete; our own are taken without asking. A client that was answered before is still
/// seen as a watcher, and waited for.
/// </remarks>
internal sealed class SnapshotTurn : IAsyncDisposable
{
    // The peer's mirror daemon has the image open, too, all the time.
    private const int StayingWatchers = 1;

    // What takes a snapshot is gone within a round of the monitors; a node that has the volume stays.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(20);

    private readonly object _lock = new();
    private readonly RbdImage _image;
    private readonly nint _native;
    private readonly GCHandle _self;
    private readonly ulong _watch;
    private bool _isTaken = true;
    private bool _isAwaited;

    private unsafe SnapshotTurn(RbdImage image)
    {
        _image = image;
        var held = false;
        image.Handle.DangerousAddRef(ref held);
        _native = image.Handle.DangerousGetHandle();
        _self = GCHandle.Alloc(this);
        var result = Librbd.QuiesceWatch(_native, &OnQuiesce, &OnUnquiesce, (void*)GCHandle.ToIntPtr(_self), out _watch);
        if (result >= 0)
            return;
        Free();
        NativeCall.Check(result, "rbd_quiesce_watch", image.Spec);
    }

    /// <summary>Takes the turn. It ends with <see cref="DisposeAsync"/>, which must follow the end of the call that takes the snapshot.</summary>
    public static async Task<SnapshotTurn> TakeAsync(RbdImage image, CancellationToken cancellationToken)
    {
        var turn = new SnapshotTurn(image);
        try
        {
            for (var waited = TimeSpan.Zero; waited < Patience; waited += Poll)
            {
                var watchers = await image.ListWatchersAsync(cancellationToken).ConfigureAwait(false);
                var own = (long)image.Pool.Cluster.InstanceId;
                if (watchers.Select(watcher => watcher.ClientId).Distinct().Count(id => id != own) <= StayingWatchers)
                    break;
                await Task.Delay(Poll, cancellationToken).ConfigureAwait(false);
            }
            return turn;
        }
        catch
        {
            await turn.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Lets the others go on.</summary>
    public async ValueTask DisposeAsync()
    {
        bool isAwaited;
        lock (_lock)
        {
            _isTaken = false;
            isAwaited = _isAwaited;
        }
        if (isAwaited)
            Librbd.QuiesceComplete(_native, _watch, 0);
        try
        {
            await _image.ChangeAsync("rbd_quiesce_unwatch", () => Librbd.QuiesceUnwatch(_native, _watch), CancellationToken.None).ConfigureAwait(false);
        }
        finally
        {
            Free();
        }
    }

    private void Free()
    {
        _self.Free();
        _image.Handle.DangerousRelease();
    }

    // Waits for nothing: it runs on a thread of librbd.
    private void Quiesce()
    {
        lock (_lock)
        {
            if (_isTaken)
            {
                _isAwaited = true;
                return;
            }
        }
        Librbd.QuiesceComplete(_native, _watch, 0);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static unsafe void OnQuiesce(void* argument)
    {
        try
        {
            ((SnapshotTurn)GCHandle.FromIntPtr((nint)argument).Target!).Quiesce();
        }
        catch (Exception)
        {
            // In C it would end the process; who asked gives up after a while.
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static unsafe void OnUnquiesce(void* argument)
    {
    }
}
