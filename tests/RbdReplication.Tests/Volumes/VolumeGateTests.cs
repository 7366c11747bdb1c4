using RbdReplication.Core;
using RbdReplication.Tests.Kubernetes;

namespace RbdReplication.Tests;

public sealed class VolumeGateTests
{
    private readonly VolumeGate _gate = new(TimeProvider.System);

    private static VolumeHandle Volume(string? uuid = null, string cluster = "site-a") => new(cluster, 1, uuid ?? Guid.NewGuid().ToString());

    [Fact]
    public async Task An_operation_runs_and_then_the_volume_is_free_again()
    {
        var volume = Volume();
        List<string> done = [];
        await _gate.RunAsync(volume, "promote", async _ => done.Add(await Task.FromResult("promote")), CancellationToken.None);
        await _gate.RunAsync(volume, "demote", async _ => done.Add(await Task.FromResult("demote")), CancellationToken.None);
        Assert.Equal(["promote", "demote"], done);
        Assert.Empty(_gate.Pending);
    }

    [Fact]
    public async Task A_second_operation_on_a_volume_is_refused_at_once_and_told_what_is_pending()
    {
        var volume = Volume();
        var end = new TaskCompletionSource<int>();
        var first = _gate.RunAsync(volume, "promote", _ => end.Task, CancellationToken.None);
        // The other site's handle and other letters name the same volume.
        foreach (var same in (VolumeHandle[])[volume, volume with { ClusterId = "site-b", PoolId = 9 }, volume with { Uuid = volume.Uuid.ToUpperInvariant() }])
        {
            var e = await Assert.ThrowsAsync<ReplicationException>(() => _gate.RunAsync(same, "demote", _ => Task.CompletedTask, CancellationToken.None));
            Assert.Equal(ReplicationError.Busy, e.Error);
            Assert.Contains("promote has been pending", e.Message, StringComparison.Ordinal);
        }
        await _gate.RunAsync(Volume(), "demote", _ => Task.CompletedTask, CancellationToken.None);
        end.SetResult(1);
        await first;
    }

    [Fact]
    public async Task An_operation_that_outlives_its_call_keeps_the_volume_until_it_ends()
    {
        var volume = Volume();
        var end = new TaskCompletionSource<int>();
        using var deadline = new CancellationTokenSource();
        var first = _gate.RunAsync(volume, "flatten", _ => end.Task, deadline.Token);
        await deadline.CancelAsync();
        var timedOut = await Assert.ThrowsAsync<ReplicationException>(() => first);
        Assert.Equal(ReplicationError.TimedOut, timedOut.Error);
        Assert.Equal("flatten", Assert.Single(_gate.Pending).Operation);
        var busy = await Assert.ThrowsAsync<ReplicationException>(() => _gate.RunAsync(volume, "enable", _ => Task.CompletedTask, CancellationToken.None));
        Assert.Equal(ReplicationError.Busy, busy.Error);
        end.SetResult(0);
        while (_gate.Pending.Count > 0)
            await Task.Yield();
        await _gate.RunAsync(volume, "enable", _ => Task.CompletedTask, CancellationToken.None);
    }

    [Fact]
    public async Task An_operation_that_outlives_its_caller_is_overdue_and_reported_twice()
    {
        var time = new ManualTime();
        List<string> reports = [];
        var gate = new VolumeGate(time, (operation, hasEnded, failure) => reports.Add($"{operation.Operation} {hasEnded} {failure}"));
        var end = new TaskCompletionSource<int>();
        using var deadline = new CancellationTokenSource();
        var call = gate.RunAsync(Volume(), "flatten", _ => end.Task, deadline.Token);
        Assert.Null(Assert.Single(gate.Pending).OverdueSince);
        await deadline.CancelAsync();
        await Assert.ThrowsAsync<ReplicationException>(() => call);
        var since = time.GetUtcNow();
        Assert.Empty(reports);
        time.Advance(TimeSpan.FromSeconds(1));
        await Until.TrueAsync(() => reports.Count == 1, "it is reported");
        Assert.Equal(since, Assert.Single(gate.Pending).OverdueSince);
        end.SetException(new ReplicationException(ReplicationError.Unavailable, "the cluster is gone"));
        await Until.TrueAsync(() => reports.Count == 2, "its end is reported");
        Assert.Equal(["flatten False ", "flatten True the cluster is gone"], reports);
        Assert.Empty(gate.Pending);
    }

    [Fact]
    public async Task An_operation_that_stops_when_it_is_told_to_is_never_overdue()
    {
        var time = new ManualTime();
        var reports = 0;
        var gate = new VolumeGate(time, (_, _, _) => reports++);
        using var deadline = new CancellationTokenSource();
        var call = gate.RunAsync(Volume(), "demote", token => Task.Delay(Timeout.Infinite, token), deadline.Token);
        await deadline.CancelAsync();
        await Assert.ThrowsAsync<ReplicationException>(() => call);
        await Until.TrueAsync(() => gate.Pending.Count == 0, "it stops");
        time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(0, reports);
    }

    [Fact]
    public async Task An_operation_that_fails_right_after_its_caller_has_gone_is_reported()
    {
        List<string> reports = [];
        var gate = new VolumeGate(new ManualTime(), (operation, hasEnded, failure) => reports.Add($"{operation.Operation} {hasEnded} {failure}"));
        using var deadline = new CancellationTokenSource();
        var end = new TaskCompletionSource<int>();
        var call = gate.RunAsync(Volume(), "demote", _ => end.Task, deadline.Token);
        await deadline.CancelAsync();
        await Assert.ThrowsAsync<ReplicationException>(() => call);
        end.SetException(new ReplicationException(ReplicationError.Busy, "the peer does not follow"));
        await Until.TrueAsync(() => reports.Count == 1, "it is reported");
        Assert.Equal(["demote True the peer does not follow"], reports);
    }

    [Fact]
    public async Task Nothing_is_begun_for_a_caller_that_has_gone()
    {
        using var gone = new CancellationTokenSource();
        await gone.CancelAsync();
        var begun = false;
        var e = await Assert.ThrowsAsync<ReplicationException>(() => _gate.RunAsync(Volume(), "promote", _ => Task.FromResult(begun = true), gone.Token));
        Assert.Equal((ReplicationError.TimedOut, false), (e.Error, begun));
    }

    [Fact]
    public async Task A_closed_gate_lets_nothing_more_in_and_tells_when_the_last_operation_has_ended()
    {
        var gone = new TaskCompletionSource<int>();
        var waiting = new TaskCompletionSource<int>();
        using var deadline = new CancellationTokenSource();
        var overdue = _gate.RunAsync(Volume(), "forced promote", _ => gone.Task, deadline.Token);
        await deadline.CancelAsync();
        await Assert.ThrowsAsync<ReplicationException>(() => overdue);
        var awaited = _gate.RunAsync(Volume(), "demote", _ => waiting.Task, CancellationToken.None);
        var last = _gate.CloseAsync();
        var e = await Assert.ThrowsAsync<ReplicationException>(() => _gate.RunAsync(Volume(), "enable", _ => Task.CompletedTask, CancellationToken.None));
        Assert.Equal(ReplicationError.Unavailable, e.Error);
        Assert.Contains("this server is stopping", e.Message, StringComparison.Ordinal);
        waiting.SetResult(1);
        await awaited;
        Assert.False(last.IsCompleted);
        gone.SetResult(1);
        await last.WaitAsync(TimeSpan.FromMinutes(1));
        Assert.Empty(_gate.Pending);
        await _gate.CloseAsync();
    }

    [Fact]
    public async Task A_failed_operation_frees_the_volume()
    {
        var volume = Volume();
        await Assert.ThrowsAsync<InvalidOperationException>(() => _gate.RunAsync(volume, "promote", _ => throw new InvalidOperationException(), CancellationToken.None));
        await Assert.ThrowsAsync<InvalidOperationException>(() => _gate.RunAsync(volume, "promote", _ => Task.FromException(new InvalidOperationException()), CancellationToken.None));
        Assert.Empty(_gate.Pending);
    }

    [Fact]
    public async Task Of_many_at_once_exactly_one_runs()
    {
        var volume = Volume();
        var end = new TaskCompletionSource<int>();
        var running = 0;
        var calls = Enumerable.Range(0, 64).Select(_ => Task.Run(() => _gate.RunAsync(
            volume, "enable",
            _ =>
            {
                Interlocked.Increment(ref running);
                return end.Task;
            },
            CancellationToken.None))).ToList();
        var refused = 0;
        await foreach (var call in Task.WhenEach(calls))
        {
            if (call.IsFaulted && ++refused == 63)
                end.SetResult(0);
        }
        Assert.Equal((1, 63), (running, refused));
    }

    [Fact]
    public async Task What_runs_beside_the_changes_of_a_volume_keeps_none_of_them_out_and_gives_way_when_one_begins()
    {
        var volume = Volume();
        var beside = _gate.RunBesideAsync(volume, "reclaim space", token => Task.Delay(Timeout.Infinite, token), CancellationToken.None);
        var other = _gate.RunBesideAsync(Volume(), "reclaim space", token => Task.Delay(Timeout.Infinite, token), CancellationToken.None);
        var refused = await Assert.ThrowsAsync<ReplicationException>(() => _gate.RunBesideAsync(volume, "reclaim space", _ => Task.CompletedTask, CancellationToken.None));
        Assert.Equal(ReplicationError.Busy, refused.Error);
        // One that finds nothing to change leaves it in peace.
        await _gate.RunAsync(volume, "promote", _ => Task.CompletedTask, CancellationToken.None);
        Assert.False(beside.IsCompleted);
        await _gate.RunAsync(volume with { ClusterId = "site-b" }, "demote", async _ =>
        {
            _gate.MakeWay(volume with { ClusterId = "site-b" });
            // Nor does one begin beside a change that has.
            var late = await Assert.ThrowsAsync<ReplicationException>(() => _gate.RunBesideAsync(volume, "scrub", _ => Task.CompletedTask, CancellationToken.None));
            Assert.Equal(ReplicationError.Busy, late.Error);
            Assert.Contains("demote has been pending for ", late.Message, StringComparison.Ordinal);
        }, CancellationToken.None);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => beside);
        Assert.False(other.IsCompleted);
        Assert.True(Assert.Single(_gate.Pending).GivesWay);
        // A server that stops does not wait for it either.
        await _gate.CloseAsync().WaitAsync(TimeSpan.FromMinutes(1));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => other);
    }

    [Fact]
    public async Task What_runs_beside_goes_on_when_its_caller_has_gone_and_is_reported()
    {
        var time = new ManualTime();
        List<string> reports = [];
        var gate = new VolumeGate(time, (operation, hasEnded, failure) => reports.Add($"{operation.Operation} {operation.GivesWay} {hasEnded} {failure}"));
        var end = new TaskCompletionSource<int>();
        using var deadline = new CancellationTokenSource();
        var isTold = false;
        var call = gate.RunBesideAsync(Volume(), "reclaim space", async token =>
        {
            await end.Task;
            isTold = token.IsCancellationRequested;
        }, deadline.Token);
        await deadline.CancelAsync();
        var e = await Assert.ThrowsAsync<ReplicationException>(() => call);
        Assert.Equal(ReplicationError.TimedOut, e.Error);
        Assert.Contains("it goes on, and the next call waits for it", e.Message, StringComparison.Ordinal);
        time.Advance(TimeSpan.FromSeconds(1));
        await Until.TrueAsync(() => reports.Count == 1, "it is reported");
        end.SetResult(0);
        await Until.TrueAsync(() => reports.Count == 2, "its end is reported");
        Assert.Equal(["reclaim space True False ", "reclaim space True True "], reports);
        Assert.False(isTold);
    }
}
