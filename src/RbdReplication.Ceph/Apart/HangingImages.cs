using System.Collections.Concurrent;

namespace RbdReplication.Ceph;

/// <summary>
/// Images that an order has left open, since something is being done with them that nothing ends: above all a lock is waited for that another client
/// does not give up. They are closed when that has ended. A process that ended before would be missed by whoever tells something to all that have the
/// image open, for half a minute: who writes would wait.
/// </summary>
internal sealed class HangingImages
{
    // Ceph takes the lock from a client that is dead after half a minute.
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    private readonly ConcurrentDictionary<(long PoolId, string RadosNamespace, string Id), Task> _images = new();
    private readonly TaskCompletionSource _tooLong = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes when one has been open for so long that only the end of the process will close it.</summary>
    public Task TooLong => _tooLong.Task;

    /// <summary>One of these images that is still open; null: none.</summary>
    public string? FirstOf(RadosPool pool, IEnumerable<string> imageIds) =>
        imageIds.FirstOrDefault(id => _images.TryGetValue((pool.Id, pool.Namespace, id), out var closed) && !closed.IsCompleted);

    /// <summary>Takes those that an order has left open, with when they are closed.</summary>
    public void Add(RadosPool pool, IReadOnlyDictionary<string, Task> closing)
    {
        foreach (var (id, closed) in closing)
        {
            _images[(pool.Id, pool.Namespace, id)] = closed;
            _ = AwaitAsync(closed);
        }
    }

    private async Task AwaitAsync(Task closed)
    {
        if (await Task.WhenAny(closed, Task.Delay(Limit)).ConfigureAwait(false) != closed)
            _tooLong.TrySetResult();
    }

    /// <summary>Completes when none is open.</summary>
    public Task ClosedAsync() => Task.WhenAll(_images.Values);
}
