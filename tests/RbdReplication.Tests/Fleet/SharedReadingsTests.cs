using System.Collections.Concurrent;
using RbdReplication.Core;
using RbdReplication.Tests.Kubernetes;

namespace RbdReplication.Tests;

public sealed class SharedReadingsTests : IDisposable
{
    private const int Images = 10;

    private static readonly TimeSpan MaximumAge = TimeSpan.FromSeconds(5);

    private readonly ManualTime _time = new();
    private readonly ConcurrentQueue<Begun> _begun = new();
    private readonly ConcurrentQueue<string?> _failures = new();
    private readonly SharedReadings<string, Statuses> _readings;

    public SharedReadingsTests() => _readings = Create(MaximumAge);

    public void Dispose() => _readings.Dispose();

    private SharedReadings<string, Statuses> Create(TimeSpan maximumAge) => new(
        maximumAge,
        async (place, token) =>
        {
            var begun = new Begun(place, new TaskCompletionSource<Statuses>(TaskCreationOptions.RunContinuationsAsynchronously));
            _begun.Enqueue(begun);
            return await begun.End.Task.WaitAsync(token);
        },
        statuses => statuses.Images, _time, (_, failure) => _failures.Enqueue(failure));

    [Fact]
    public async Task Those_who_ask_while_a_reading_is_under_way_share_it_and_so_do_those_who_ask_while_it_is_new()
    {
        var waiting = Enumerable.Range(0, 20).Select(_ => _readings.GetAsync("a", MaximumAge, CancellationToken.None)).ToList();
        (await NextAsync()).End.SetResult(new Statuses(Images));
        var first = await waiting[0];
        Assert.All(await Task.WhenAll(waiting), reading => Assert.Same(first, reading));
        _time.Advance(MaximumAge - TimeSpan.FromTicks(1));
        Assert.Same(first, await _readings.GetAsync("a", MaximumAge, CancellationToken.None));
        Assert.Empty(_begun);
        _time.Advance(TimeSpan.FromTicks(1));
        var second = _readings.GetAsync("a", MaximumAge, CancellationToken.None);
        (await NextAsync()).End.SetResult(new Statuses(Images));
        Assert.NotSame(first, await second);
    }

    [Fact]
    public async Task Who_wants_a_newer_one_gets_it_and_the_others_get_that_too()
    {
        await ReadAsync("a");
        _time.Advance(TimeSpan.FromSeconds(1));
        var newer = _readings.GetAsync("a", TimeSpan.FromSeconds(1), CancellationToken.None);
        (await NextAsync()).End.SetResult(new Statuses(Images));
        Assert.Same(await newer, await _readings.GetAsync("a", MaximumAge, CancellationToken.None));
        Assert.Empty(_begun);
    }

    [Fact]
    public async Task The_age_counts_from_the_beginning_of_a_reading()
    {
        var (running, waiting) = await AskUntilReadingAsync("a");
        _time.Advance(TimeSpan.FromSeconds(1));
        running.End.SetResult(new Statuses(Images));
        Assert.NotNull(await waiting);
        _time.Advance(TimeSpan.FromSeconds(3.9));
        Assert.NotNull(await _readings.TryGetAsync("a", CancellationToken.None));
        _time.Jump(TimeSpan.FromSeconds(0.1));
        Assert.False(_readings.TryGetAsync("a", CancellationToken.None).IsCompleted, "a new one is waited for");
    }

    [Fact]
    public async Task A_reading_that_was_too_old_when_it_was_there_is_given_to_those_alone_who_cannot_do_without()
    {
        var needed = _readings.GetAsync("a", MaximumAge, CancellationToken.None);
        var running = await NextAsync();
        var other = _readings.TryGetAsync("a", CancellationToken.None);
        _time.Jump(TimeSpan.FromSeconds(6));
        running.End.SetResult(new Statuses(Images));
        Assert.NotNull(await needed);
        Assert.Null(await other);
        Assert.Equal((1, 0), _readings.Kept);
        for (var i = 0; i < 20; i++)
            Assert.Null(await _readings.TryGetAsync("a", CancellationToken.None));
        Assert.Empty(_begun);
        _time.Advance(TimeSpan.FromSeconds(30));
        await AskUntilReadingAsync("a");
    }

    [Fact]
    public async Task A_pool_is_not_read_for_a_volume_that_is_asked_for_now_and_then()
    {
        for (var i = 0; i < 100; i++)
        {
            Assert.Null(await _readings.TryGetAsync("a", CancellationToken.None));
            _time.Advance(TimeSpan.FromSeconds(3));
        }
        Assert.Empty(_begun);
    }

    [Fact]
    public async Task A_large_pool_is_read_when_many_of_its_volumes_are_asked_for_and_not_for_a_handful()
    {
        var first = _readings.GetAsync("a", MaximumAge, CancellationToken.None);
        (await NextAsync()).End.SetResult(new Statuses(10_000));
        await first;
        _time.Advance(MaximumAge);
        for (var i = 0; i < 99; i++)
            Assert.Null(await _readings.TryGetAsync("a", CancellationToken.None));
        Assert.Empty(_begun);
        Assert.False(_readings.TryGetAsync("a", CancellationToken.None).IsCompleted);
        await NextAsync();
    }

    [Fact]
    public async Task The_next_reading_is_there_before_the_last_is_too_old_and_nobody_waits_for_it()
    {
        await ReadAsync("a");
        _time.Advance(TimeSpan.FromSeconds(4.4));
        await AskAsync("a", isAnswered: true);
        await AskAsync("a", isAnswered: true);
        await AskAsync("a", isAnswered: true);
        Assert.Empty(_begun);
        _time.Advance(TimeSpan.FromSeconds(0.2));
        await AskAsync("a", isAnswered: true);
        var next = await NextAsync();
        await AskAsync("a", isAnswered: true);
        next.End.SetResult(new Statuses(Images));
        await EndedAsync(2);
        _time.Advance(TimeSpan.FromSeconds(4));
        await AskAsync("a", isAnswered: true);
        Assert.Empty(_begun);
    }

    [Fact]
    public async Task A_place_that_hangs_costs_nobody_more_than_a_moment_and_another_place_nothing()
    {
        var (hanging, waiting) = await AskUntilReadingAsync("a");
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.Null(await waiting);
        for (var i = 0; i < 20; i++)
            Assert.Null(await _readings.TryGetAsync("a", CancellationToken.None));
        Assert.Empty(_begun);
        await ReadAsync("b");
        await AskAsync("b", isAnswered: true);
        using var deadline = new CancellationTokenSource();
        var needed = _readings.GetAsync("a", MaximumAge, deadline.Token);
        await deadline.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => needed);
        Assert.False(hanging.End.Task.IsCompleted);
    }

    [Fact]
    public async Task A_caller_that_goes_away_ends_no_reading_of_others()
    {
        using var gone = new CancellationTokenSource();
        var first = _readings.GetAsync("a", MaximumAge, gone.Token);
        var second = _readings.GetAsync("a", MaximumAge, CancellationToken.None);
        var running = await NextAsync();
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        running.End.SetResult(new Statuses(Images));
        Assert.NotNull(await second);
    }

    [Fact]
    public async Task A_failure_is_told_to_those_who_need_the_reading_and_the_others_ask_otherwise_for_a_while()
    {
        var needed = _readings.GetAsync("a", MaximumAge, CancellationToken.None);
        var other = _readings.TryGetAsync("a", CancellationToken.None);
        (await NextAsync()).End.SetException(new InvalidOperationException("no such pool"));
        await Assert.ThrowsAsync<InvalidOperationException>(() => needed);
        Assert.Null(await other);
        Assert.Equal([nameof(InvalidOperationException)], _failures);
        for (var i = 0; i < 20; i++)
            Assert.Null(await _readings.TryGetAsync("a", CancellationToken.None));
        Assert.Empty(_begun);
        var again = _readings.GetAsync("a", MaximumAge, CancellationToken.None);
        (await NextAsync()).End.SetResult(new Statuses(Images));
        await again;
        await AskAsync("a", isAnswered: true);
    }

    [Fact]
    public async Task Who_may_not_read_a_place_gets_nothing_of_one_that_another_has_read()
    {
        await ReadAsync("pool as client.one");
        Assert.Null(await _readings.TryGetAsync("pool as client.two", CancellationToken.None));
        Assert.Empty(_begun);
    }

    [Fact]
    public async Task What_is_old_is_dropped_though_nobody_asks_and_so_is_a_place_that_nobody_asks_for()
    {
        await ReadAsync("a");
        Assert.Equal((1, Images), _readings.Kept);
        _time.Advance(MaximumAge);
        Assert.Equal((1, 0), _readings.Kept);
        for (var passed = TimeSpan.Zero; passed < TimeSpan.FromMinutes(11); passed += MaximumAge)
            _time.Advance(MaximumAge);
        Assert.Equal((0, 0), _readings.Kept);
        Assert.Equal(0, _time.TimersWithin(TimeSpan.FromHours(1)));
    }

    [Fact]
    public async Task No_more_places_are_kept_than_so_many_and_those_go_first_that_were_not_asked_for_longest()
    {
        for (var i = 0; i <= SharedReadings<string, Statuses>.MaximumPlaces; i++)
        {
            await ReadAsync($"{i}");
            _time.Jump(TimeSpan.FromMilliseconds(1));
        }
        Assert.Equal((SharedReadings<string, Statuses>.MaximumPlaces, SharedReadings<string, Statuses>.MaximumPlaces * Images), _readings.Kept);
        await AskAsync("1", isAnswered: true);
        Assert.Null(await _readings.TryGetAsync("0", CancellationToken.None));
    }

    [Fact]
    public async Task A_reading_that_would_take_too_much_memory_with_the_others_is_not_kept()
    {
        await ReadAsync("a");
        var huge = _readings.GetAsync("b", MaximumAge, CancellationToken.None);
        (await NextAsync()).End.SetResult(new Statuses(SharedReadings<string, Statuses>.MaximumImages));
        Assert.NotNull(await huge);
        Assert.Equal((2, Images), _readings.Kept);
    }

    [Fact]
    public async Task Without_an_age_each_reading_is_for_those_who_waited_for_it()
    {
        using var readings = Create(TimeSpan.Zero);
        for (var i = 0; i < 2; i++)
        {
            var needed = readings.GetAsync("a", MaximumAge, CancellationToken.None);
            (await NextAsync()).End.SetResult(new Statuses(Images));
            await needed;
        }
        Assert.Equal((1, 0), readings.Kept);
    }

    [Fact]
    public async Task A_reading_under_way_ends_with_the_server()
    {
        var needed = _readings.GetAsync("a", MaximumAge, CancellationToken.None);
        await NextAsync();
        _readings.Dispose();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => needed);
    }

    private async Task AskAsync(string place, bool isAnswered = false) =>
        Assert.Equal(isAnswered, await _readings.TryGetAsync(place, CancellationToken.None) is not null);

    private async Task ReadAsync(string place)
    {
        var ended = _failures.Count;
        var reading = _readings.GetAsync(place, MaximumAge, CancellationToken.None);
        (await NextAsync()).End.SetResult(new Statuses(Images));
        await reading;
        await EndedAsync(ended + 1);
    }

    private async Task<(Begun Running, Task<Reading<Statuses>?> Waiting)> AskUntilReadingAsync(string place)
    {
        for (var asks = 1; ; asks++)
        {
            var asked = _readings.TryGetAsync(place, CancellationToken.None);
            if (!asked.IsCompleted)
                return (await NextAsync(), asked);
            Assert.Null(await asked);
            Assert.InRange(asks, 1, ReadingDemand.AssumedImages / ReadingDemand.ImagesPerAsk);
        }
    }

    private Task EndedAsync(int count) => UntilAsync(() => _failures.Count >= count);

    private async Task<Begun> NextAsync()
    {
        Begun? begun = null;
        await UntilAsync(() => _begun.TryDequeue(out begun));
        return begun!;
    }

    // Readings run on threads of their own.
    private static async Task UntilAsync(Func<bool> condition)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (!condition())
            await Task.Delay(1, patience.Token);
    }

    private sealed record Statuses(int Images);

    private sealed record Begun(string Place, TaskCompletionSource<Statuses> End);
}
