using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using RbdReplication.Ceph.Interop;

namespace RbdReplication.Ceph;

/// <summary>
/// A watch by which librbd tells that a snapshot of an open image is about to be taken, by whomever, and waits for the answer. Whoever takes it
/// holds the image's exclusive lock meanwhile and gives it to nobody before it is done.
/// </summary>
/// <remarks>
/// librbd ends the process where a notice is answered twice or one that has not come is answered, and never comes back from a watch that is ended
/// while a notice has no answer (16.2). So each notice is answered once, those that come after the answer at once and in the same way, and the
/// watch is ended last.
/// </remarks>
public sealed class QuiesceWatch : IAsyncDisposable
{
    private readonly RbdImage _image;
    private readonly Lock _lock = new();
    private readonly TaskCompletionSource _noticed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ulong _watch;
    private GCHandle _self;
    private Errno? _answer;
    private int _waiting;
    private int _notices;

    private QuiesceWatch(RbdImage image) => _image = image;

    /// <summary>Completes when a snapshot is about to be taken.</summary>
    public Task Noticed => _noticed.Task;

    /// <summary>How many snapshots were about to be taken since the watch was set.</summary>
    public int Notices
    {
        get
        {
            lock (_lock)
                return _notices;
        }
    }

    /// <summary>Whether it is answered, so that nobody waits for it any more.</summary>
    public bool IsAnswered
    {
        get
        {
            lock (_lock)
                return _answer is not null;
        }
    }

    /// <summary>Sets a watch on an image that is open for writing. Wraps <c>rbd_quiesce_watch</c>; writes memory only.</summary>
    public static unsafe QuiesceWatch Set(RbdImage image)
    {
        var watch = new QuiesceWatch(image);
        watch._self = GCHandle.Alloc(watch);
        try
        {
            NativeCall.Check(
                Librbd.QuiesceWatch(image.Handle, &OnQuiesce, &OnUnquiesce, (void*)GCHandle.ToIntPtr(watch._self), out watch._watch), "rbd_quiesce_watch", image.Spec);
        }
        catch
        {
            watch._self.Free();
            throw;
        }
        return watch;
    }

    /// <summary>
    /// Answers, now or as soon as a notice comes; only the first answer counts. Wraps <c>rbd_quiesce_complete</c>.
    /// </summary>
    /// <param name="errno">None: the snapshot may be taken. Else it is not, and whoever wanted it gets this.</param>
    public void Answer(Errno errno)
    {
        int waiting;
        lock (_lock)
        {
            if (_answer is not null)
                return;
            _answer = errno;
            (waiting, _waiting) = (_waiting, 0);
        }
        for (; waiting > 0; waiting--)
            Complete(errno);
    }

    private void Take()
    {
        Errno answer;
        lock (_lock)
        {
            _notices++;
            _noticed.TrySetResult();
            if (_answer is null)
            {
                _waiting++;
                return;
            }
            answer = _answer.Value;
        }
        Complete(answer);
    }

    private void Complete(Errno errno) => Librbd.QuiesceComplete(_image.Handle, _watch, -(int)errno);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static unsafe void OnQuiesce(void* watch)
    {
        try
        {
            ((QuiesceWatch)GCHandle.FromIntPtr((nint)watch).Target!).Take();
        }
        catch (Exception)
        {
            // In C it would end the process. Without an answer the snapshot fails when librbd has waited long enough.
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static unsafe void OnUnquiesce(void* watch)
    {
    }

    /// <summary>Ends the watch; a notice without an answer is refused with ECANCELED. Wraps <c>rbd_quiesce_unwatch</c>.</summary>
    public async ValueTask DisposeAsync()
    {
        Answer(Errno.ECANCELED);
        await _image.ChangeAsync("rbd_quiesce_unwatch", () => Librbd.QuiesceUnwatch(_image.Handle, _watch), CancellationToken.None).ConfigureAwait(false);
        // Not before: librbd may still call.
        _self.Free();
    }
}
