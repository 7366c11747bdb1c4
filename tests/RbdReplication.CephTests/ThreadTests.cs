using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests;

/// <summary>Which blocking calls wait for which: those of one kind never keep another kind waiting.</summary>
[Collection("Faults")]
public sealed class ThreadTests(TwoSites sites)
{
    private const int ChangeThreads = 64;
    private const int LongThreads = 4;

    // An address that no client has.
    private const string Nobody = "127.0.0.1:0/4294967295";

    private static CancellationToken None => CancellationToken.None;

    [Fact]
    public async Task Hanging_changes_keep_no_fencing_waiting_and_those_whose_caller_has_gone_are_never_made()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await using var image = await volume.OpenAsync(sites.A, readOnly: false);
        using var queue = new QueueLengths();
        using var gone = new CancellationTokenSource();
        List<Task> staying = [], leaving = [];
        await sites.StopAsync(sites.A, "osd", "freeze");
        try
        {
            for (var i = 0; i < ChangeThreads + 1; i++)
                staying.Add(image.SetMetadataAsync($"staying-{i}", "1", None));
            for (var i = 0; i < 3; i++)
                leaving.Add(image.SetMetadataAsync($"leaving-{i}", "1", gone.Token));
            await Eventually.TrueAsync(() => Task.FromResult(queue["changes"] == 4), "all threads for changes are taken, and four calls wait");
            await sites.A.Cluster.BlocklistAsync(Nobody, TimeSpan.FromSeconds(1), None);
            Assert.All(staying, call => Assert.False(call.IsCompleted));
            await gone.CancelAsync();
            foreach (var call in leaving)
                await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => image.SetMetadataAsync("late", "1", gone.Token));
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => sites.A.Pool.WriteAsync("late", new ObjectWrite().Create(exclusive: true), gone.Token));
        }
        finally
        {
            await sites.StartAsync(sites.A, "osd");
        }
        await Task.WhenAll(staying);
        await image.SetMetadataAsync("after", "1", None);
        var keys = (await image.ListMetadataAsync("", None)).Keys;
        Assert.Equal(ChangeThreads + 1, keys.Count(key => key.StartsWith("staying-", StringComparison.Ordinal)));
        Assert.DoesNotContain(keys, key => key.StartsWith("leaving-", StringComparison.Ordinal) || key == "late");
        Assert.Null(await sites.A.Pool.ReadOmapAsync("late", ["x"], None));
        Assert.Equal(0, queue["changes"]);
    }

    private async Task<List<RbdImage>> OpenClonesAsync(string size, int count)
    {
        var parent = "parent-" + Guid.NewGuid().ToString("N");
        await sites.A.RbdAsync("create", "--size", size, "--image-feature", "layering", $"{TwoSites.Pool}/{parent}");
        await sites.A.RbdAsync("snap", "create", "--no-progress", $"{TwoSites.Pool}/{parent}@base");
        List<RbdImage> clones = [];
        for (var i = 0; i < count; i++)
        {
            await sites.A.RbdAsync("clone", "--rbd-default-clone-format", "2", $"{TwoSites.Pool}/{parent}@base", $"{TwoSites.Pool}/{parent}-{i}");
            clones.Add(await RbdImage.OpenAsync(sites.A.Pool, $"{parent}-{i}", readOnly: false, None));
        }
        return clones;
    }

    [Fact]
    public async Task Flattening_takes_few_threads_of_its_own_and_a_listener_that_throws_ends_neither_it_nor_the_process()
    {
        using var queue = new QueueLengths();
        var clones = await OpenClonesAsync("16G", LongThreads + 2);
        var reports = 0;
        var flattening = clones.Select(clone => clone.FlattenAsync(
            _ =>
            {
                Interlocked.Increment(ref reports);
                throw new InvalidOperationException("a listener that fails");
            },
            None)).ToList();
        await Eventually.TrueAsync(() => Task.FromResult(queue["long"] <= 2), "all but two have a thread");
        await clones[0].SetMetadataAsync("meanwhile", "1", None);
        await sites.A.Cluster.BlocklistAsync(Nobody, TimeSpan.FromSeconds(1), None);
        Assert.Contains(flattening, call => !call.IsCompleted);
        await Task.WhenAll(flattening);
        Assert.True(reports >= clones.Count);
        Assert.Equal(0, queue["long"]);
        foreach (var clone in clones)
        {
            Assert.Null(await clone.GetParentAsync(None));
            await clone.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_rollback_waits_behind_no_flatten()
    {
        var clones = await OpenClonesAsync("16M", LongThreads + 1);
        byte[] before = [.. Enumerable.Repeat((byte)1, 512)];
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.WriteAsync(sites.A, 0, before);
        await using var image = await volume.OpenAsync(sites.A, readOnly: false);
        await image.Snapshots.CreateAsync("before", None);
        await volume.WriteAsync(sites.A, 0, new byte[before.Length]);
        using var queue = new QueueLengths();
        List<Task> calls;
        await sites.StopAsync(sites.A, "osd", "freeze");
        try
        {
            calls = [.. clones.Select(clone => clone.FlattenAsync(_ => { }, None))];
            await Eventually.TrueAsync(() => Task.FromResult(queue["long"] == 1), "all threads for flattening are taken, and one call waits");
            calls.Add(image.Snapshots.RollBackAsync("before", _ => { }, None));
            await Eventually.TrueAsync(() => Task.FromResult(queue["rollbacks"] == 0), "the rollback has a thread");
            Assert.Equal(1, queue["long"]);
            Assert.All(calls, call => Assert.False(call.IsCompleted));
        }
        finally
        {
            await sites.StartAsync(sites.A, "osd");
        }
        await Task.WhenAll(calls);
        Assert.Equal(before, await volume.ReadAsync(sites.A, 0, before.Length));
        foreach (var clone in clones)
            await clone.DisposeAsync();
    }

    [Fact]
    public async Task A_pool_that_is_closed_while_an_image_is_being_opened_in_it_stays_until_the_image_is_closed()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        var pool = await sites.A.Cluster.OpenPoolAsync(TwoSites.Pool, "", None);
        var opening = RbdImage.OpenAsync(pool, volume.ImageName, readOnly: false, None);
        var closed = pool.DisposeAsync().AsTask();
        var image = await opening;
        await image.SetMetadataAsync("key", "value", None);
        Assert.False(closed.IsCompleted);
        await image.DisposeAsync();
        await closed;
        await Assert.ThrowsAsync<ObjectDisposedException>(() => RbdImage.OpenAsync(pool, volume.ImageName, readOnly: false, None));
    }

    [Fact]
    public async Task An_image_that_cannot_be_opened_keeps_its_pool_open_no_longer()
    {
        var pool = await sites.A.Cluster.OpenPoolAsync(TwoSites.Pool, "", None);
        await Assert.ThrowsAsync<CephException>(() => RbdImage.OpenAsync(pool, "no-such-image", readOnly: true, None));
        await pool.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(10));
    }

    /// <summary>How many calls wait for a thread, as the metric says.</summary>
    private sealed class QueueLengths : IDisposable
    {
        private readonly ConcurrentDictionary<string, long> _lengths = new();
        private readonly MeterListener _listener = new();

        public QueueLengths()
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Name == CephTelemetry.QueuedCallsName)
                    listener.EnableMeasurementEvents(instrument);
            };
            _listener.SetMeasurementEventCallback<long>((_, change, tags, _) => _lengths.AddOrUpdate((string)tags[0].Value!, change, (_, length) => length + change));
            _listener.Start();
        }

        public long this[string threads] => _lengths.GetValueOrDefault(threads);

        public void Dispose() => _listener.Dispose();
    }
}
