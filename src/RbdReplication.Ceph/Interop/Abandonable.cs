namespace RbdReplication.Ceph.Interop;

/// <summary>Waiting that can be given up for calls whose result must be closed.</summary>
internal static class Abandonable
{
    /// <summary>
    /// Waits for <paramref name="task"/>. When the wait is cancelled the call goes on, and what it opens is closed as soon
    /// as it has ended.
    /// </summary>
    public static async Task<T> WaitAsync<T>(Task<T> task, CancellationToken cancellationToken) where T : IAsyncDisposable
    {
        try
        {
            return await task.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            _ = task.ContinueWith(
                static opened => opened.Result.DisposeAsync().AsTask(),
                CancellationToken.None, TaskContinuationOptions.OnlyOnRanToCompletion, TaskScheduler.Default);
            throw;
        }
    }
}
