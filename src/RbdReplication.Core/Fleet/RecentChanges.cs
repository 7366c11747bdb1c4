namespace RbdReplication.Core;

/// <summary>
/// The volumes that calls of this server change, or have just changed: what was read of them before that does not tell any more how they are, nor does
/// what was being read meanwhile. Safe for concurrent use.
/// </summary>
/// <param name="maximumAge">How old a reading gets that is still used; for longer nothing is remembered.</param>
/// <param name="time">Clock.</param>
public sealed class RecentChanges(TimeSpan maximumAge, TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Change> _volumes = new(StringComparer.OrdinalIgnoreCase);
    private readonly Queue<(string Uuid, long EndedAt)> _ended = new();

    /// <summary>Number of volumes that are remembered.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
                return _volumes.Count;
        }
    }

    /// <summary>Notes that a call which may change a volume has begun; disposing of the result, that it has ended.</summary>
    public IDisposable Begin(string volumeUuid)
    {
        lock (_lock)
        {
            var change = _volumes.TryGetValue(volumeUuid, out var known) ? known : _volumes[volumeUuid] = new Change();
            change.Running++;
        }
        return new Running(this, volumeUuid);
    }

    /// <summary>Whether what was read of a volume from a time on tells how it is, as far as calls of this server can have changed it.</summary>
    /// <param name="volumeUuid">The volume's uuid.</param>
    /// <param name="begunAt">When reading was begun, as a timestamp of the clock.</param>
    public bool IsUnchangedSince(string volumeUuid, long begunAt)
    {
        lock (_lock)
            return !_volumes.TryGetValue(volumeUuid, out var change) || (change.Running == 0 && change.EndedAt < begunAt);
    }

    private void End(string volumeUuid)
    {
        lock (_lock)
        {
            var now = time.GetTimestamp();
            var change = _volumes[volumeUuid];
            change.Running--;
            change.EndedAt = now;
            _ended.Enqueue((volumeUuid, now));
            // What was begun before is too old to be used.
            while (_ended.TryPeek(out var oldest) && time.GetElapsedTime(oldest.EndedAt, now) > maximumAge)
            {
                _ended.Dequeue();
                if (_volumes.TryGetValue(oldest.Uuid, out var past) && past.Running == 0 && past.EndedAt == oldest.EndedAt)
                    _volumes.Remove(oldest.Uuid);
            }
        }
    }

    private sealed class Change
    {
        public int Running { get; set; }

        public long EndedAt { get; set; }
    }

    private sealed class Running(RecentChanges changes, string volumeUuid) : IDisposable
    {
        private bool _hasEnded;

        public void Dispose()
        {
            if (!_hasEnded)
                changes.End(volumeUuid);
            _hasEnded = true;
        }
    }
}
