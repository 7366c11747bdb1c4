using System.Collections.Concurrent;
using Microsoft.Extensions.Logging.Abstractions;
using RbdReplication.Kubernetes.Work;

namespace RbdReplication.Tests.Kubernetes;

public sealed class WorkQueueTests : IAsyncLifetime
{
    private readonly ManualTime _time = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentQueue<string> _done = new();
    private readonly WorkQueue<string> _queue;
    private Task _running = Task.CompletedTask;

    public WorkQueueTests() => _queue = new WorkQueue<string>(new WorkQueueOptions(), static item => item.Contains('/') ? item.Split('/')[0] : "", _time, NullLogger.Instance);

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Until.EndsAsync(_running);
        _queue.Dispose();
        _stop.Dispose();
    }

    [Fact]
    public async Task A_key_added_twice_is_worked_on_once_with_the_newest_item()
    {
        _queue.Add("k", "old");
        _queue.Add("k", "new");
        _queue.Add("other", "x");
        Assert.Equal(2, _queue.Depth);
        Start(1, (_, _) => Task.FromResult(true));
        await DoneAsync("new", "x");
        await Until.TrueAsync(() => _queue is { Depth: 0, Running: 0, BackingOff: 0 }, "nothing is left");
    }

    [Fact]
    public async Task One_key_is_never_worked_on_twice_at_once_and_a_change_meanwhile_is_worked_on_after()
    {
        var gate = new TaskCompletionSource();
        var inWork = 0;
        var twiceAtOnce = false;
        Start(4, async (item, _) =>
        {
            if (item == "x")
                return true;
            if (Interlocked.Increment(ref inWork) > 1)
                Volatile.Write(ref twiceAtOnce, true);
            if (item == "first")
                await gate.Task;
            Interlocked.Decrement(ref inWork);
            return true;
        });
        _queue.Add("k", "first");
        await Until.TrueAsync(() => _queue.Running == 1, "the first is in work");
        _queue.Add("k", "second");
        _queue.Add("other", "x");
        await DoneAsync("x");
        await Until.TrueAsync(() => _queue is { Depth: 0, Running: 1 }, "only the first is in work");
        gate.SetResult();
        await Until.TrueAsync(() => _queue is { Depth: 0, Running: 0 }, "nothing is left");
        Assert.Equal(["x", "first", "second"], _done);
        Assert.False(twiceAtOnce);
    }

    [Fact]
    public async Task Workers_run_in_parallel_up_to_their_number()
    {
        var gate = new TaskCompletionSource();
        Start(3, async (_, _) =>
        {
            await gate.Task;
            return true;
        });
        for (var i = 0; i < 10; i++)
            _queue.Add($"k{i}", $"{i}");
        await Until.TrueAsync(() => _queue.Running == 3, "three are in work");
        Assert.Equal(7, _queue.Depth);
        gate.SetResult();
        await Until.TrueAsync(() => _done.Count == 10, "all are done");
    }

    [Fact]
    public async Task What_fails_comes_again_after_waits_that_double_from_five_milliseconds_to_a_thousand_seconds()
    {
        var attempts = 0;
        Start(1, (_, _) => Task.FromResult(Interlocked.Increment(ref attempts) > 21));
        _queue.Add("k", "x");
        for (var failures = 1; failures <= 21; failures++)
        {
            await Until.TrueAsync(() => Volatile.Read(ref attempts) == failures && _queue.BackingOff == 1, $"attempt {failures} has failed");
            var longest = TimeSpan.FromMilliseconds(Math.Min(1_000_000, 5 * Math.Pow(2, failures - 1)));
            _time.Advance(longest * 0.79);
            Assert.Equal(1, _queue.BackingOff);
            _time.Advance(longest * 0.22 + TimeSpan.FromMilliseconds(2));
        }
        await DoneAsync("x");
    }

    [Fact]
    public async Task An_exception_is_a_failure_and_ends_no_worker()
    {
        var attempts = 0;
        Start(1, (_, _) => Interlocked.Increment(ref attempts) == 1 ? throw new InvalidOperationException("once") : Task.FromResult(true));
        _queue.Add("k", "x");
        await Until.TrueAsync(() => _queue.BackingOff == 1, "it waits");
        _time.Advance(TimeSpan.FromSeconds(1));
        await DoneAsync("x");
    }

    [Fact]
    public async Task A_result_too_few_is_a_failure_of_the_whole_batch_and_ends_no_worker()
    {
        var attempts = 0;
        _queue.Add("a", "a");
        _queue.Add("b", "b");
        _running = _queue.RunAsync(
            1, 2,
            (items, _) =>
            {
                var isFirst = Interlocked.Increment(ref attempts) == 1;
                if (!isFirst)
                    _done.Enqueue(string.Concat(items));
                return Task.FromResult<IReadOnlyList<bool>>([.. items.Skip(isFirst ? 1 : 0).Select(_ => true)]);
            },
            _stop.Token);
        await Until.TrueAsync(() => _queue.BackingOff == 2, "both wait");
        _time.Advance(TimeSpan.FromSeconds(1));
        await Until.TrueAsync(() => string.Concat(_done).Length == 2 && _queue is { Depth: 0, Running: 0, BackingOff: 0 }, "both are done");
    }

    [Fact]
    public async Task A_lane_whose_work_does_not_end_holds_up_no_other_and_gives_no_other_its_items()
    {
        var gate = new TaskCompletionSource();
        for (var i = 0; i < 10; i++)
            _queue.Add($"frozen-{i}", $"frozen/{i}");
        _running = _queue.RunAsync(
            2, 4,
            async (items, _) =>
            {
                if (items.Any(item => item.StartsWith("frozen", StringComparison.Ordinal)))
                    await gate.Task;
                _done.Enqueue(string.Join(' ', items));
                return [.. items.Select(_ => true)];
            },
            _stop.Token);
        await Until.TrueAsync(() => _queue is { Running: 8, Depth: 2 }, "both workers of the frozen lane have all they can take");
        _queue.Add("good-0", "good/0");
        await DoneAsync("good/0");
        await Until.TrueAsync(() => _queue.Running == 8, "only the frozen lane has work");
        gate.SetResult();
        await Until.TrueAsync(() => _queue is { Depth: 0, Running: 0 }, "the frozen lane goes on");
        Assert.DoesNotContain(_done, batch => batch.Contains("frozen", StringComparison.Ordinal) && batch.Contains("good", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_equal_item_does_not_shorten_the_wait_and_a_different_one_ends_it()
    {
        Start(1, (item, _) => Task.FromResult(item == "good"));
        _queue.Add("k", "bad");
        await Until.TrueAsync(() => _queue.BackingOff == 1, "it waits");
        _queue.Add("k", new string("bad"));
        Assert.Equal(1, _queue.BackingOff);
        _queue.Add("k", "good");
        await DoneAsync("good");
    }

    [Fact]
    public async Task Hastened_keys_are_tried_at_once_and_others_go_on_waiting()
    {
        var open = false;
        Start(1, (_, _) => Task.FromResult(Volatile.Read(ref open)));
        _queue.Add("a", "secret-1");
        _queue.Add("b", "secret-2");
        await Until.TrueAsync(() => _queue.BackingOff == 2, "both wait");
        Volatile.Write(ref open, true);
        _queue.Hasten(item => item == "secret-1");
        await DoneAsync("secret-1");
        Assert.Equal(1, _queue.BackingOff);
    }

    [Fact]
    public async Task A_removed_key_is_not_worked_on_and_not_tried_again()
    {
        var gate = new TaskCompletionSource();
        Start(1, async (item, _) =>
        {
            await gate.Task;
            return item == "kept";
        });
        _queue.Add("running", "fails");
        await Until.TrueAsync(() => _queue.Running == 1, "one is in work");
        _queue.Add("queued", "never");
        _queue.Add("kept", "kept");
        _queue.Remove("running");
        _queue.RemoveWhere(item => item == "never");
        gate.SetResult();
        await DoneAsync("kept");
        await Until.TrueAsync(() => _queue is { Depth: 0, Running: 0, BackingOff: 0 }, "nothing is left");
    }

    [Fact]
    public async Task A_stop_ends_after_the_work_in_hand()
    {
        var gate = new TaskCompletionSource();
        Start(2, async (_, _) =>
        {
            await gate.Task;
            return true;
        });
        _queue.Add("k", "x");
        await Until.TrueAsync(() => _queue.Running == 1, "it is in work");
        await _stop.CancelAsync();
        Assert.False(_running.IsCompleted);
        gate.SetResult();
        await Until.EndsAsync(_running);
        Assert.Equal(["x"], _done);
    }

    [Fact]
    public async Task Ten_thousand_failing_keys_are_all_tried_again()
    {
        var attempts = new ConcurrentDictionary<string, int>();
        Start(8, (item, _) => Task.FromResult(attempts.AddOrUpdate(item, 1, (_, n) => n + 1) >= 3));
        for (var i = 0; i < 10_000; i++)
            _queue.Add($"k{i}", $"{i}");
        await Until.TrueAsync(
            () =>
            {
                _time.Advance(TimeSpan.FromMilliseconds(5));
                return _done.Count == 10_000;
            },
            "all are done");
        Assert.All(attempts.Values, n => Assert.Equal(3, n));
    }

    [Fact]
    public async Task A_worker_takes_what_is_ready_up_to_a_full_batch_and_each_item_succeeds_or_fails_alone()
    {
        for (var i = 0; i < 25; i++)
            _queue.Add($"k{i}", $"{i}");
        var batches = new ConcurrentQueue<int>();
        _running = _queue.RunAsync(
            1, 10,
            (items, _) =>
            {
                batches.Enqueue(items.Count);
                return Task.FromResult<IReadOnlyList<bool>>([.. items.Select(item => item != "7")]);
            },
            _stop.Token);
        await _queue.WaitBelowAsync(1, TestContext.Current.CancellationToken);
        Assert.Equal([10, 10, 5], batches);
        Assert.Equal(1, _queue.BackingOff);
    }

    [Fact]
    public async Task Who_adds_can_wait_until_the_queue_is_short_or_nothing_is_left()
    {
        await _queue.WaitBelowAsync(1, TestContext.Current.CancellationToken);
        var gates = new[] { new TaskCompletionSource(), new TaskCompletionSource() };
        _queue.Add("0", "0");
        _queue.Add("1", "1");
        var shorter = _queue.WaitBelowAsync(2, TestContext.Current.CancellationToken);
        var empty = _queue.WaitBelowAsync(1, TestContext.Current.CancellationToken);
        Assert.False(shorter.IsCompleted);
        Start(1, async (item, _) =>
        {
            await gates[item == "0" ? 0 : 1].Task;
            return true;
        });
        await Until.EndsAsync(shorter);
        gates[0].SetResult();
        await Until.TrueAsync(() => _done.Count == 1 && _queue.Running == 1, "the second is in work");
        Assert.False(empty.IsCompleted);
        gates[1].SetResult();
        await Until.EndsAsync(empty);
    }

    private void Start(int workers, Func<string, CancellationToken, Task<bool>> work) => _running = _queue.RunAsync(
        workers, 1,
        async (items, token) =>
        {
            var done = await work(items[0], token);
            if (done)
                _done.Enqueue(items[0]);
            return [done];
        },
        _stop.Token);

    private async Task DoneAsync(params string[] items)
    {
        await Until.TrueAsync(() => _done.Count >= items.Length, $"{items.Length} are done");
        Assert.Equal(items.Order(), _done.Order());
    }
}
