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
    /// <summary>Runs a call that reports through a completion.</summary>
    /// <param name="library">Whose call and completion that is.</param>
    /// <param name="function">The C function, for traces and failures.</param>
    /// <param name="subject">What it is about, for the same.</param>
    /// <param name="handle">Kept alive meanwhile.</param>
    /// <param name="submit">Calls the function with the completion; negative where that was not taken.</param>
    /// <param name="cancellationToken">Looked at before the call begins.</param>
    /// <exception cref="CephException">It answered a negative number.</exception>
    public static async Task<long> RunAsync(
        ClientLibrary library, string function, string subject, NativeHandle handle, Func<nint, int> submit, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var completion = Completion.For(library, out var native);
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

    private static long Finish(long result, string function, string subject, long started, Activity? activity)
    {
        CephTelemetry.EndCall(function, result, Stopwatch.GetElapsedTime(started), activity);
        return Check(result, function, subject);
    }
}
