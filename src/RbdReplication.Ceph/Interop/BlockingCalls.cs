namespace RbdReplication.Ceph.Interop;

/// <summary>
/// A bounded set of threads for calls that librados and librbd have only in a blocking form (connect, mirror enable,
/// disable and resync, manager commands, image metadata). Threads are started when needed and end when idle. Each cluster
/// connection has sets of its own, one for what changes something and one for what reads, so a cluster that hangs starves
/// nobody else, and changes that hang starve no reader.
/// </summary>
internal sealed class BlockingCalls(string name, int maximumThreads)
{
    private static readonly TimeSpan IdleTime = TimeSpan.FromSeconds(10);

    // librbd's call chains are deep but need far less than the 8 MiB that Linux gives a thread.
    private const int StackBytes = 1024 * 1024;

    private readonly object _lock = new();
    private readonly Queue<Action> _queue = new();
    private int _threads;
    private int _idle;

    /// <summary>Runs <paramref name="call"/> on a thread of this set, after those that were queued before it.</summary>
    public Task<T> RunAsync<T>(Func<T> call)
    {
        var source = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            _queue.Enqueue(() =>
            {
                try
                {
                    source.SetResult(call());
                }
                // A thread of ours must outlive whatever one call throws (a library that does not load, say).
                catch (Exception e)
                {
                    source.SetException(e);
                }
            });
            if (_idle >= _queue.Count || _threads == maximumThreads)
                Monitor.Pulse(_lock);
            else
                StartThread();
        }
        return source.Task;
    }

    private void StartThread()
    {
        _threads++;
        new Thread(Work, StackBytes) { IsBackground = true, Name = name }.Start();
    }

    private void Work()
    {
        while (Next() is { } call)
            call();
    }

    private Action? Next()
    {
        lock (_lock)
        {
            while (_queue.Count == 0)
            {
                _idle++;
                var called = Monitor.Wait(_lock, IdleTime);
                _idle--;
                if (called || _queue.Count > 0)
                    continue;
                _threads--;
                return null;
            }
            return _queue.Dequeue();
        }
    }
}
