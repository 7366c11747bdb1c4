using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace RbdReplication.Kubernetes.Work;

/// <summary>
/// Items to work on, one per key: adding a key that is queued replaces its item, a key is never worked on twice at once,
/// and what fails is tried again after a back-off. A key that is done is forgotten and costs nothing. Each lane has workers of its
/// own, so that one whose work takes long holds up no other.
/// </summary>
/// <param name="options">When what fails is tried again.</param>
/// <param name="laneOf">The lane of an item; a key stays in the lane of its first item.</param>
/// <param name="time">Clock.</param>
/// <param name="logger">Log.</param>
public sealed class WorkQueue<TItem>(WorkQueueOptions options, Func<TItem, string> laneOf, TimeProvider time, ILogger logger) : IDisposable
    where TItem : class
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Channel<Ticket>> _lanes = new(StringComparer.Ordinal);
    private readonly Channel<Channel<Ticket>> _newLanes = Channel.CreateUnbounded<Channel<Ticket>>();
    private readonly PriorityQueue<Ticket, long> _waiting = new();
    private ITimer? _timer;
    private TaskCompletionSource? _change;
    private int _running;
    private int _backingOff;
    private bool _disposed;

    /// <summary>Keys that wait for a worker.</summary>
    public int Depth
    {
        get
        {
            lock (_lock)
                return _entries.Count - _running - _backingOff;
        }
    }

    /// <summary>Keys that failed and wait for their next try.</summary>
    public int BackingOff
    {
        get
        {
            lock (_lock)
                return _backingOff;
        }
    }

    /// <summary>Keys that are being worked on.</summary>
    public int Running
    {
        get
        {
            lock (_lock)
                return _running;
        }
    }

    /// <summary>
    /// Queues an item. When its key waits for a next try with an equal item, it goes on waiting; a different item is
    /// worked on as soon as possible, after the work on the key that is under way.
    /// </summary>
    public void Add(string key, TItem item)
    {
        lock (_lock)
        {
            if (!_entries.TryGetValue(key, out var entry))
            {
                entry = _entries[key] = new Entry(key, item, Lane(laneOf(item)));
                MakeReady(entry);
                return;
            }
            var same = EqualityComparer<TItem>.Default.Equals(entry.Item, item) && !entry.Removed;
            entry.Item = item;
            entry.Removed = false;
            if (same)
                return;
            entry.Failures = 0;
            if (entry.Phase == Phase.Running)
                entry.Again = true;
            else if (entry.Phase == Phase.BackingOff)
                MakeReady(entry);
        }
    }

    /// <summary>Forgets a key. Work on it that is under way goes on, and is not repeated if it fails.</summary>
    public void Remove(string key)
    {
        lock (_lock)
        {
            if (!_entries.TryGetValue(key, out var entry))
                return;
            if (entry.Phase == Phase.Running)
            {
                entry.Removed = true;
                entry.Again = false;
                return;
            }
            Leave(entry);
            _entries.Remove(key);
            Changed();
        }
    }

    /// <summary>Forgets every key whose item matches.</summary>
    public void RemoveWhere(Func<TItem, bool> match)
    {
        ArgumentNullException.ThrowIfNull(match);
        List<string> keys;
        lock (_lock)
            keys = [.. _entries.Values.Where(entry => match(entry.Item)).Select(entry => entry.Key)];
        foreach (var key in keys)
            Remove(key);
    }

    /// <summary>Ends the back-off of every key whose item matches: what it waited for has happened.</summary>
    public void Hasten(Func<TItem, bool> match)
    {
        ArgumentNullException.ThrowIfNull(match);
        lock (_lock)
        {
            foreach (var entry in _entries.Values)
            {
                if (entry.Phase == Phase.BackingOff && match(entry.Item))
                    MakeReady(entry);
            }
        }
    }

    /// <summary>Ends once fewer than <paramref name="depth"/> keys wait for a worker and, for a depth of 1, none is being worked on.</summary>
    public async Task WaitBelowAsync(int depth, CancellationToken cancellation)
    {
        while (true)
        {
            Task change;
            lock (_lock)
            {
                var busy = _entries.Count - _running - _backingOff + (depth == 1 ? _running : 0);
                if (busy < depth)
                    return;
                change = (_change ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }
            await change.WaitAsync(cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Works with <paramref name="workers"/> in parallel for each lane until <paramref name="stop"/>, then returns when the last
    /// of them has finished what it had in hand. <paramref name="work"/> gets what is ready of one lane, up to
    /// <paramref name="batch"/> items, and returns for each whether its key is done; false, or an exception for all, brings it
    /// back after its back-off.
    /// </summary>
    public async Task RunAsync(
        int workers, int batch, Func<IReadOnlyList<TItem>, CancellationToken, Task<IReadOnlyList<bool>>> work, CancellationToken stop)
    {
        ArgumentNullException.ThrowIfNull(work);
        List<Task> working = [];
        try
        {
            await foreach (var lane in _newLanes.Reader.ReadAllAsync(stop).ConfigureAwait(false))
                working.AddRange(Enumerable.Range(0, workers).Select(_ => Task.Run(() => WorkAsync(lane, batch, work, stop), CancellationToken.None)));
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            await Task.WhenAll(working).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            _timer?.Dispose();
        }
    }

    private Channel<Ticket> Lane(string name)
    {
        if (_lanes.TryGetValue(name, out var lane))
            return lane;
        lane = _lanes[name] = Channel.CreateUnbounded<Ticket>();
        _newLanes.Writer.TryWrite(lane);
        return lane;
    }

    private async Task WorkAsync(
        Channel<Ticket> lane, int batch, Func<IReadOnlyList<TItem>, CancellationToken, Task<IReadOnlyList<bool>>> work, CancellationToken stop)
    {
        var entries = new List<Entry>(batch);
        var items = new List<TItem>(batch);
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await lane.Reader.WaitToReadAsync(stop).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            entries.Clear();
            items.Clear();
            while (items.Count < batch && lane.Reader.TryRead(out var ticket))
            {
                if (Begin(ticket) is not { } item)
                    continue;
                entries.Add(ticket.Entry);
                items.Add(item);
            }
            if (items.Count == 0)
                continue;
            IReadOnlyList<bool>? done = null;
            try
            {
                var results = await work(items, stop).ConfigureAwait(false);
                done = results.Count == items.Count ? results : throw new InvalidOperationException($"{results.Count} results for {items.Count} items");
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                // Unfinished work is found again by whoever works next.
            }
#pragma warning disable CA1031 // A loop top: one failure must not end the worker.
            catch (Exception e)
#pragma warning restore CA1031
            {
                Log.WorkFailed(logger, entries[0].Key, entries.Count, e);
            }
            for (var i = 0; i < entries.Count; i++)
                End(entries[i], done is not null && done[i]);
        }
    }

    private TItem? Begin(Ticket ticket)
    {
        lock (_lock)
        {
            if (!ticket.IsCurrent)
                return null;
            ticket.Entry.Phase = Phase.Running;
            ticket.Entry.Version++;
            _running++;
            Changed();
            return ticket.Entry.Item;
        }
    }

    private void End(Entry entry, bool done)
    {
        lock (_lock)
        {
            _running--;
            if (entry.Again)
            {
                entry.Again = false;
                entry.Phase = Phase.Ready;
                MakeReady(entry);
            }
            else if (done || entry.Removed)
            {
                _entries.Remove(entry.Key);
            }
            else
            {
                BackOff(entry);
            }
            Changed();
        }
    }

    private void Changed()
    {
        _change?.SetResult();
        _change = null;
    }

    private void BackOff(Entry entry)
    {
        var delay = Backoff.Delay(options.FirstRetryDelay, options.LongestRetryDelay, entry.Failures++);
        entry.Phase = Phase.BackingOff;
        entry.Version++;
        _backingOff++;
        _waiting.Enqueue(new Ticket(entry, entry.Version), time.GetTimestamp() + (long)(delay.TotalSeconds * time.TimestampFrequency));
        SetTimer();
    }

    private void MakeReady(Entry entry)
    {
        Leave(entry);
        entry.Phase = Phase.Ready;
        entry.Lane.Writer.TryWrite(new Ticket(entry, entry.Version));
    }

    /// <summary>Makes the tickets of an entry worthless.</summary>
    private void Leave(Entry entry)
    {
        if (entry.Phase == Phase.BackingOff)
            _backingOff--;
        entry.Version++;
    }

    private void OnTimer()
    {
        lock (_lock)
        {
            var now = time.GetTimestamp();
            while (_waiting.TryPeek(out var ticket, out var due) && (due <= now || !ticket.IsCurrent))
            {
                _waiting.Dequeue();
                if (ticket.IsCurrent)
                    MakeReady(ticket.Entry);
            }
            SetTimer();
        }
    }

    private void SetTimer()
    {
        if (_disposed || !_waiting.TryPeek(out _, out var due))
            return;
        // Rounded up: a timer that fires too early would find nothing due and spin.
        var left = time.GetElapsedTime(time.GetTimestamp(), due);
        var delay = left > TimeSpan.Zero ? left + TimeSpan.FromMilliseconds(1) : TimeSpan.Zero;
        if (_timer is null)
            _timer = time.CreateTimer(static queue => ((WorkQueue<TItem>)queue!).OnTimer(), this, delay, Timeout.InfiniteTimeSpan);
        else
            _timer.Change(delay, Timeout.InfiniteTimeSpan);
    }

    private enum Phase
    {
        Ready,
        Running,
        BackingOff,
    }

    private sealed class Entry(string key, TItem item, Channel<Ticket> lane)
    {
        public string Key => key;

        public Channel<Ticket> Lane => lane;

        public TItem Item { get; set; } = item;

        public Phase Phase { get; set; }

        public int Version { get; set; }

        public int Failures { get; set; }

        public bool Again { get; set; }

        public bool Removed { get; set; }
    }

    private readonly record struct Ticket(Entry Entry, int Version)
    {
        public bool IsCurrent => Entry.Version == Version;
    }
}
