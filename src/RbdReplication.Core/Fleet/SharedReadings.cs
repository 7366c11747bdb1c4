using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Gets told of each reading of a pool that has ended.</summary>
/// <param name="duration">How long it took.</param>
/// <param name="failure">Why it has failed, as errno, or else by the kind of the exception; null if it has not.</param>
public delegate void ReadingReport(TimeSpan duration, string? failure);

/// <summary>A reading of a place.</summary>
/// <param name="Value">What was read.</param>
/// <param name="BegunAt">When it was begun, as a timestamp of the clock: everything in it was so then, or has become so since.</param>
public sealed record Reading<T>(T Value, long BegunAt);

/// <summary>
/// Readings of places that all who ask for a place share while they are new: one is made at a time of each place, and none is used that was begun longer
/// ago than the maximum age. Places do not wait for each other. What is old is dropped, and so are places that nobody asks for. Safe for concurrent use.
/// </summary>
/// <typeparam name="TPlace">What is read, with what it is read by: who may not read it must have another one.</typeparam>
/// <typeparam name="TReading">What was read.</typeparam>
public sealed class SharedReadings<TPlace, TReading> : IDisposable where TPlace : notnull where TReading : class
{
    /// <summary>How many places are kept.</summary>
    public const int MaximumPlaces = 64;

    /// <summary>How many images all readings that are kept have; some 1.5 KiB each.</summary>
    public const int MaximumImages = 200_000;

    // For so long after it was begun a reading is waited for by who can ask otherwise.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    // After one that has failed, or was old when it was there, nobody who can ask otherwise begins another.
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan ForgottenAfter = TimeSpan.FromMinutes(10);

    private readonly Lock _lock = new();
    private readonly Dictionary<TPlace, Place> _places = [];
    private readonly TimeSpan _maximumAge;
    private readonly Func<TPlace, CancellationToken, Task<TReading>> _read;
    private readonly Func<TReading, int> _sizeOf;
    private readonly TimeProvider _time;
    private readonly ReadingReport? _report;
    private readonly CancellationTokenSource _end = new();
    private readonly ITimer _sweep;
    private bool _isSweeping;

    /// <summary>Starts without readings.</summary>
    /// <param name="maximumAge">How old a reading may be that is used; zero: each is used by those alone who waited for it.</param>
    /// <param name="read">Reads a place.</param>
    /// <param name="sizeOf">Number of images in a reading.</param>
    /// <param name="time">Clock.</param>
    /// <param name="report">Gets told of each reading.</param>
    public SharedReadings(
        TimeSpan maximumAge, Func<TPlace, CancellationToken, Task<TReading>> read, Func<TReading, int> sizeOf, TimeProvider time, ReadingReport? report = null)
    {
        (_maximumAge, _read, _sizeOf, _time, _report) = (maximumAge, read, sizeOf, time, report);
        _sweep = time.CreateTimer(_ => Sweep(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Number of places, and of images in the readings that are kept of them.</summary>
    public (int Places, int Images) Kept
    {
        get
        {
            lock (_lock)
                return (_places.Count, ImagesKept());
        }
    }

    /// <summary>A reading of a place for who cannot do without: one that is new, or else made now, however long that takes.</summary>
    /// <param name="key">The place.</param>
    /// <param name="maximumAge">How old it may be, where that is less.</param>
    /// <param name="cancellationToken">Ends the wait; the reading goes on for those who come later.</param>
    public async Task<Reading<TReading>> GetAsync(TPlace key, TimeSpan maximumAge, CancellationToken cancellationToken)
    {
        Task<Reading<TReading>> reading;
        lock (_lock)
        {
            var place = PlaceOf(key);
            if (place.Last is { } last && IsNew(last) && _time.GetElapsedTime(last.BegunAt) < maximumAge)
                return last;
            reading = place.Running ?? Begin(key, place);
        }
        return await reading.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// A new reading of a place for who can ask otherwise; null: ask otherwise. Counts who asks, and begins a reading when it pays for those that are
    /// expected, the next one before the last is too old. One under way is waited for a little.
    /// </summary>
    /// <param name="key">The place.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<Reading<TReading>?> TryGetAsync(TPlace key, CancellationToken cancellationToken)
    {
        Task<Reading<TReading>> reading;
        TimeSpan patience;
        lock (_lock)
        {
            var place = PlaceOf(key);
            place.Demand.Count();
            var last = place.Last is { } known && IsNew(known) ? known : null;
            if (place.Running is null && (last is null || IsAlmostOld(place, last)) && !IsPaused(place) && place.Demand.Pays(place.Images))
                _ = Begin(key, place);
            if (last is not null)
                return last;
            if (place.Running is null)
                return null;
            (reading, patience) = (place.Running, Patience - _time.GetElapsedTime(place.BegunAt));
        }
        if (patience <= TimeSpan.Zero && !reading.IsCompleted)
            return null;
        try
        {
            var found = await reading.WaitAsync(reading.IsCompleted ? Timeout.InfiniteTimeSpan : patience, _time, cancellationToken).ConfigureAwait(false);
            return IsNew(found) ? found : null;
        }
        catch (Exception) when (!cancellationToken.IsCancellationRequested)
        {
            // In vain; who asks otherwise learns why.
            return null;
        }
    }

    /// <summary>Ends the waits of readings under way.</summary>
    public void Dispose()
    {
        _end.Cancel();
        _sweep.Dispose();
    }

    private bool IsNew(Reading<TReading> reading) => _time.GetElapsedTime(reading.BegunAt) < _maximumAge;

    // The next one has to be there when this one is too old: it may take twice as long.
    private bool IsAlmostOld(Place place, Reading<TReading> last) =>
        _time.GetElapsedTime(last.BegunAt) >= _maximumAge - TimeSpan.FromTicks(Math.Max(place.Duration.Ticks * 2, _maximumAge.Ticks / 10));

    private bool IsPaused(Place place) => place.PausedAt is { } since && _time.GetElapsedTime(since) < Pause;

    private int ImagesKept() => _places.Values.Sum(place => place.Last is { } last ? _sizeOf(last.Value) : 0);

    private Place PlaceOf(TPlace key)
    {
        if (!_places.TryGetValue(key, out var place))
        {
            if (_places.Count >= MaximumPlaces)
                _places.Remove(_places.MinBy(entry => entry.Value.AskedAt).Key);
            _places[key] = place = new Place(new ReadingDemand(_maximumAge, _time));
        }
        place.AskedAt = _time.GetTimestamp();
        if (!_isSweeping)
        {
            _isSweeping = true;
            _sweep.Change(SweepAfter, Timeout.InfiniteTimeSpan);
        }
        return place;
    }

    private Task<Reading<TReading>> Begin(TPlace key, Place place)
    {
        var begunAt = place.BegunAt = _time.GetTimestamp();
        // Not in the lock.
        return place.Running = Task.Run(() => ReadAsync(key, place, begunAt));
    }

    private async Task<Reading<TReading>> ReadAsync(TPlace key, Place place, long begunAt)
    {
        Reading<TReading>? reading = null;
        string? failure = null;
        try
        {
            return reading = new Reading<TReading>(await _read(key, _end.Token).ConfigureAwait(false), begunAt);
        }
        catch (Exception e)
        {
            failure = (e as CephException)?.Errno.ToString() ?? e.GetType().Name;
            throw;
        }
        finally
        {
            var duration = _time.GetElapsedTime(begunAt);
            lock (_lock)
                End(place, reading, duration);
            _report?.Invoke(duration, failure);
        }
    }

    private void End(Place place, Reading<TReading>? reading, TimeSpan duration)
    {
        place.Running = null;
        (place.Last, place.Duration) = (null, duration);
        place.PausedAt = reading is null || !IsNew(reading) ? _time.GetTimestamp() : null;
        if (reading is null)
            return;
        place.Images = _sizeOf(reading.Value);
        if (IsNew(reading) && ImagesKept() + place.Images <= MaximumImages)
            place.Last = reading;
    }

    private TimeSpan SweepAfter => _maximumAge > TimeSpan.Zero ? _maximumAge : ForgottenAfter;

    private void Sweep()
    {
        lock (_lock)
        {
            foreach (var (key, place) in _places.ToList())
            {
                if (place.Last is { } last && !IsNew(last))
                    place.Last = null;
                if (place.Running is null && _time.GetElapsedTime(place.AskedAt) > ForgottenAfter)
                    _places.Remove(key);
            }
            _isSweeping = _places.Count > 0;
            if (_isSweeping)
                _sweep.Change(SweepAfter, Timeout.InfiniteTimeSpan);
        }
    }

    private sealed class Place(ReadingDemand demand)
    {
        public ReadingDemand Demand => demand;

        public Reading<TReading>? Last { get; set; }

        public Task<Reading<TReading>>? Running { get; set; }

        public long BegunAt { get; set; }

        public TimeSpan Duration { get; set; }

        public int? Images { get; set; }

        public long? PausedAt { get; set; }

        public long AskedAt { get; set; }
    }
}
