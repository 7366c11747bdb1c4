namespace RbdReplication.Ceph;

/// <summary>
/// A bounded set of threads for calls that librados and librbd have only in a blocking form. Threads are started when needed
/// and end when idle. <see cref="CallThreads"/> says which sets a connection has. How many calls wait for a thread is in
/// <see cref="CephTelemetry.QueuedCallsName"/>.
/// </summary>
/// <param name="name">Name of the threads.</param>
/// <param name="purpose">What the set is for, as the metric names it.</param>
/// <param name="maximumThreads">Calls that run at once; more wait in line.</param>
internal sealed class BlockingCalls(string name, string purpose, int maximumThreads)
{
    private static readonly TimeSpan IdleTime = TimeSpan.FromSeconds(10);

    // librbd's call chains are deep but need far less than the 8 MiB that Linux gives a thread.
    private const int StackBytes = 1024 * 1024;

    private readonly object _lock = new();
    private readonly Queue<Action> _queue = new();
    private int _threads;
    private int _idle;

    /// <summary>
    /// Runs <paramref name="call"/> on a thread of this set, after those that were queued before it. Where
    /// <paramref name="cancellationToken"/> is cancelled before its turn comes, it is dropped: whoever asked has gone.
    /// </summary>
    public Task<T> RunAsync<T>(Func<T> call, CancellationToken cancellationToken)
    {
        var source = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            // First, so that nothing is queued where the system has no more threads.
            if (_idle <= _queue.Count && _threads < maximumThreads)
                StartThread();
            _queue.Enqueue(() => Run(call, source, cancellationToken));
            CephTelemetry.CountQueued(purpose, 1);
            Monitor.Pulse(_lock);
        }
        return source.Task;
    }

    private static void Run<T>(Func<T> call, TaskCompletionSource<T> source, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            source.SetCanceled(cancellationToken);
            return;
        }
        try
        {
            source.SetResult(call());
        }
        // A thread of ours must outlive whatever one call throws (a library that does not load, say).
        catch (Exception e)
        {
            source.SetException(e);
        }
    }

    private void StartThread()
    {
        new Thread(Work, StackBytes) { IsBackground = true, Name = name }.Start();
        _threads++;
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
            CephTelemetry.CountQueued(purpose, -1);
            return _queue.Dequeue();
        }
    }
}
