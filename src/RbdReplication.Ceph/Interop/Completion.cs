using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace RbdReplication.Ceph.Interop;

/// <summary>The two client libraries of Ceph.</summary>
internal enum ClientLibrary
{
    /// <summary>librados, whose asynchronous calls are named <c>rados_aio_*</c>.</summary>
    Rados,

    /// <summary>librbd, whose asynchronous calls are named <c>rbd_aio_*</c>.</summary>
    Rbd,
}

/// <summary>
/// Bridges a completion of librados or librbd to a task: no thread waits meanwhile. The task's result is the C return
/// value; it never fails. Continuations run on the thread pool, never on the library's callback thread, where a further
/// call would deadlock. No exception leaves a callback: it would end the process.
/// </summary>
internal sealed unsafe class Completion
{
    private readonly TaskCompletionSource<long> _source = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ClientLibrary _library;
    private GCHandle _self;

    private Completion(ClientLibrary library)
    {
        _library = library;
        _self = GCHandle.Alloc(this);
    }

    public Task<long> Task => _source.Task;

    /// <summary>Makes a completion for a call of a library.</summary>
    public static Completion For(ClientLibrary library, out nint native)
    {
        var completion = new Completion(library);
        var argument = (void*)GCHandle.ToIntPtr(completion._self);
        // Fails only by running out of memory, which C++ reports by an exception that ends the process.
        _ = library == ClientLibrary.Rbd
            ? Librbd.AioCreateCompletion(argument, &OnComplete, out native)
            : Librados.AioCreateCompletion2(argument, &OnComplete, out native);
        return completion;
    }

    /// <summary>Ends the task with <paramref name="result"/> where submitting failed: the callback will not run then.</summary>
    public void Abandon(nint native, int result)
    {
        Release(native);
        _self.Free();
        _source.SetResult(result);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void OnComplete(nint native, void* argument)
    {
        var completion = Take(argument);
        try
        {
            long result = completion._library == ClientLibrary.Rbd ? Librbd.AioGetReturnValue(native) : Librados.AioGetReturnValue(native);
            completion.Release(native);
            completion._source.TrySetResult(result);
        }
        catch (Exception e)
        {
            completion._source.TrySetException(e);
        }
    }

    private void Release(nint native)
    {
        if (_library == ClientLibrary.Rbd)
            Librbd.AioRelease(native);
        else
            Librados.AioRelease(native);
    }

    // Cannot fail: the argument is the one that the completion was made with, and the callback runs once.
    private static Completion Take(void* argument)
    {
        var self = GCHandle.FromIntPtr((nint)argument);
        var completion = (Completion)self.Target!;
        self.Free();
        return completion;
    }
}
