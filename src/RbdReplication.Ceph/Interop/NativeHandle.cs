using System.Runtime.InteropServices;

namespace RbdReplication.Ceph.Interop;

/// <summary>
/// A C handle whose owner closes it once, after the last call that uses it. A handle holds a reference on the handle it is
/// made from, from before the C handle is made: so the order image, pool, cluster is kept whatever order their owners are
/// disposed in, also by one who closes the parent while the child is being opened. Closing never blocks
/// the thread that drops the last reference, since that may be one of librbd's own; <see cref="Closed"/> tells when it is done.
/// </summary>
internal abstract class NativeHandle : SafeHandle
{
    private readonly NativeHandle? _parent;
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <exception cref="ObjectDisposedException">The parent is closed already.</exception>
    protected NativeHandle(NativeHandle? parent) : base(0, ownsHandle: true)
    {
        var held = false;
        parent?.DangerousAddRef(ref held);
        _parent = parent;
    }

    // One that never got its C handle is closed all the same: it gives its parent back.
    public sealed override bool IsInvalid => false;

    /// <summary>Takes the C handle over. One that is disposed before has nothing to close.</summary>
    public void Open(nint value) => SetHandle(value);

    /// <summary>Completes when the C handle is gone; never fails.</summary>
    public Task Closed => _closed.Task;

    /// <summary>Keeps the handle usable until the result is disposed, whoever closes it meanwhile.</summary>
    /// <exception cref="ObjectDisposedException">It is closed already.</exception>
    public HeldHandle Hold() => new(this);

    /// <summary>Closes <paramref name="value"/> and then calls <see cref="ReportClosed"/>, now or later, on any thread.</summary>
    protected abstract void Close(nint value);

    protected void ReportClosed()
    {
        _parent?.DangerousRelease();
        _closed.SetResult();
    }

    protected sealed override bool ReleaseHandle()
    {
        if (handle == 0)
            ReportClosed();
        else
            Close(handle);
        return true;
    }
}

/// <summary>A handle that stays open until this is disposed, which has to be done once.</summary>
internal readonly struct HeldHandle : IDisposable
{
    private readonly NativeHandle _handle;

    public HeldHandle(NativeHandle handle)
    {
        var held = false;
        handle.DangerousAddRef(ref held);
        _handle = handle;
    }

    public void Dispose() => _handle.DangerousRelease();
}

/// <summary><c>rados_t</c>.</summary>
internal sealed class ClusterHandle() : NativeHandle(parent: null)
{
    // rados_shutdown waits for librados' own threads, so it needs a thread that is neither one of them nor of the pool.
    protected override void Close(nint value) =>
        new Thread(() =>
        {
            Librados.Shutdown(value);
            ReportClosed();
        })
        { IsBackground = true, Name = "rados-shutdown" }.Start();
}

/// <summary><c>rados_ioctx_t</c>.</summary>
internal sealed class PoolHandle(ClusterHandle cluster) : NativeHandle(cluster)
{
    protected override void Close(nint value)
    {
        Librados.IoctxDestroy(value);
        ReportClosed();
    }
}

/// <summary><c>rbd_image_t</c>.</summary>
internal sealed class ImageHandle(PoolHandle pool) : NativeHandle(pool)
{
    protected override void Close(nint value)
    {
        var completion = Completion.For(ClientLibrary.Rbd, out var native);
        // A failed close leaves nothing that could be tried again; librbd frees the image in any case.
        completion.Task.ContinueWith(
            static (_, state) => ((ImageHandle)state!).ReportClosed(), this,
            CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        var submitted = Librbd.AioClose(value, native);
        if (submitted < 0)
            completion.Abandon(native, submitted);
    }
}
