using System.Diagnostics;

namespace RbdReplication.Ceph;

/// <summary>One image in a <see cref="GroupBarrier"/>.</summary>
/// <param name="image">The image, open for writing.</param>
/// <param name="address">Network address of this client, as the image's watchers have it.</param>
internal sealed class BarrierMember(RbdImage image, string address)
{
    private readonly Lock _lock = new();
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private QuiesceWatch? _watch;
    private Errno? _answer;
    private long _lockedAt;

    public RbdImage Image => image;

    /// <summary>Completes when its snapshot waits for the answer, and its lock is ours.</summary>
    public Task Ready => _ready.Task;

    /// <summary>Completes when nothing is done with the image any more: the snapshot is taken or not, and nobody watches. Never fails.</summary>
    public Task Ended { get; private set; } = Task.CompletedTask;

    /// <summary>What went wrong.</summary>
    public CephException? Failure { get; private set; }

    /// <summary>Whether the snapshot that was taken may not be the one that had waited: none had, or it has not waited, or librbd has begun it again, or others took one, too.</summary>
    public bool IsDoubtful { get; private set; }

    /// <summary>For how long the lock was kept from others; zero where it never came.</summary>
    public TimeSpan Held { get; private set; }

    /// <summary>How often the lock had gone back before the snapshot was begun.</summary>
    public int Lost { get; private set; }

    /// <summary>Takes the lock and begins the snapshot, again where the lock has gone back in between.</summary>
    public void Begin(Func<RbdImage, Task> take) => Ended = RunAsync(take);

    /// <summary>Lets its snapshot be taken, or not, and everybody go on; only the first answer counts.</summary>
    public void Answer(Errno errno)
    {
        QuiesceWatch? watch;
        lock (_lock)
        {
            _answer ??= errno;
            watch = _watch;
        }
        watch?.Answer(errno);
    }

    private async Task RunAsync(Func<RbdImage, Task> take)
    {
        try
        {
            while (Failure is null && Watch() is { } watch && !await TryAsync(watch, take).ConfigureAwait(false))
                Lost++;
        }
        catch (CephException e)
        {
            Failure ??= e;
        }
        if (_lockedAt != 0)
            Held = Stopwatch.GetElapsedTime(_lockedAt);
        // Whoever waits for it looks at what has become of it.
        _ready.TrySetResult();
    }

    // Null where nobody waits for it any more.
    private QuiesceWatch? Watch()
    {
        lock (_lock)
            return _watch = _answer is null ? QuiesceWatch.Set(image) : null;
    }

    private async Task<bool> TryAsync(QuiesceWatch watch, Func<RbdImage, Task> take)
    {
        await using var ending = watch.ConfigureAwait(false);
        await image.Lock.TakeAsync(CancellationToken.None).ConfigureAwait(false);
        if (_lockedAt == 0)
            _lockedAt = Stopwatch.GetTimestamp();
        // The lock may come when all others have gone on long since.
        if (watch.IsAnswered)
            return true;
        var taking = take(image);
        await Task.WhenAny(watch.Noticed, taking).ConfigureAwait(false);
        if (!taking.IsCompleted && await IsOursAsync().ConfigureAwait(false))
            return await EndAsync(watch, taking).ConfigureAwait(false);
        // Left to another client by librbd, or failed, or taken without an announcement.
        watch.Answer(Errno.ECANCELED);
        try
        {
            await taking.ConfigureAwait(false);
        }
        catch (CephException e) when (e.Errno == Errno.ECANCELED)
        {
            return false;
        }
        IsDoubtful = true;
        return true;
    }

    private async Task<bool> EndAsync(QuiesceWatch watch, Task taking)
    {
        _ready.TrySetResult();
        await taking.ConfigureAwait(false);
        IsDoubtful = watch.Notices != 1 || !watch.IsAnswered;
        return true;
    }

    // A snapshot that is announced while the lock is ours is our own and keeps the lock until it is answered: one that librbd has left to another
    // client is announced while that one has the lock.
    private async Task<bool> IsOursAsync()
    {
        try
        {
            var owners = await image.Lock.ListOwnersAsync(image.Pool.Cluster.Threads.Barriers, CancellationToken.None).ConfigureAwait(false);
            return owners is [var owner] && owner == address;
        }
        // The snapshot waits all the same.
        catch (CephException e)
        {
            Failure = e;
            return false;
        }
    }
}
