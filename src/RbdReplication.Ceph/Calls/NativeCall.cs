using System.Diagnostics;
using RbdReplication.Ceph.Interop;

namespace RbdReplication.Ceph;

/// <summary>
/// The one way into C: every call that can reach the network goes through here, which times it, traces it, turns a
/// negative return value into a <see cref="CephException"/>, and keeps the handle it uses alive until it has ended.
/// </summary>
/// <remarks>
/// librados and librbd cannot cancel a call. Callers that lose patience stop waiting (<c>WaitAsync</c> around the whole
/// method); the call then goes on here and frees what it wrote to when it ends. The token that a call takes is looked at
/// before it begins, and again when a thread takes it: nothing is begun for a caller that has gone.
/// </remarks>
internal static class NativeCall
{
    /// <summary>Runs a call that reports through a completion of librbd.</summary>
    public static Task<long> RbdAsync(string function, string subject, NativeHandle handle, Func<nint, int> submit, CancellationToken cancellationToken) =>
        cancellationToken.IsCancellationRequested
            ? Task.FromCanceled<long>(cancellationToken)
            : RunAsync(function, subject, handle, Completion.ForRbd(out var native), native, submit);

    /// <summary>Runs a call that reports through a completion of librados.</summary>
    public static Task<long> RadosAsync(string function, string subject, NativeHandle handle, Func<nint, int> submit, CancellationToken cancellationToken) =>
        cancellationToken.IsCancellationRequested
            ? Task.FromCanceled<long>(cancellationToken)
            : RunAsync(function, subject, handle, Completion.ForRados(out var native), native, submit);

    /// <summary>Runs a call that blocks, on one of the threads kept for that.</summary>
    public static async Task<long> BlockingAsync(
        string function, string subject, NativeHandle handle, BlockingCalls threads, Func<long> call, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using var held = handle.Hold();
        using var activity = CephTelemetry.StartCall(function, subject);
        var queued = Stopwatch.GetTimestamp();
        var result = await threads.RunAsync(call, cancellationToken).ConfigureAwait(false);
        return Finish(result, function, subject, queued, activity);
    }

    /// <summary>Checks the result of a call that only reads memory, such as <c>rbd_get_id</c>.</summary>
    public static long Check(long result, string function, string subject) =>
        result >= 0 ? result : throw new CephException((Errno)(-result), function, subject);

    private static async Task<long> RunAsync(
        string function, string subject, NativeHandle handle, Completion completion, nint native, Func<nint, int> submit)
    {
        var submitted = -(int)Errno.EINVAL;
        try
        {
            using var held = handle.Hold();
            using var activity = CephTelemetry.StartCall(function, subject);
            var started = Stopwatch.GetTimestamp();
            submitted = submit(native);
            if (submitted < 0)
                completion.Abandon(native, submitted);
            native = 0;
            var result = await completion.Task.ConfigureAwait(false);
            return Finish(result, function, subject, started, activity);
        }
        catch when (native != 0)
        {
            // The handle was closed already, or an argument could not be marshalled: nothing was submitted.
            completion.Abandon(native, submitted);
            throw;
        }
    }

    private static long Finish(long result, string function, string subject, long started, Activity? activity)
    {
        CephTelemetry.EndCall(function, result, Stopwatch.GetElapsedTime(started), activity);
        return Check(result, function, subject);
    }
}
