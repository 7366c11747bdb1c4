using System.Diagnostics;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;

namespace RbdReplication.CephTests;

/// <summary>The lock that keeps servers off each other's volumes; each <see cref="VolumeLocks"/> here stands for a server.</summary>
public sealed class VolumeLocksTests(TwoSites sites)
{
    private readonly VolumeLocks _mine = new("mine", TimeProvider.System);
    private readonly VolumeLocks _other = new("other", TimeProvider.System);

    private static CancellationToken None => CancellationToken.None;

    private VolumeHandle Volume() => TestVolume.At(sites.A, Guid.NewGuid().ToString()).Handle;

    private static string ObjectOf(VolumeHandle volume) => "rbd-replication.volume." + volume.Uuid;

    private Task<IAsyncDisposable> TakeAsync(VolumeLocks server, VolumeHandle volume, string operation, Action? onLost = null) =>
        server.TakeAsync(sites.A.Pool, volume, operation, onLost ?? (() => { }), None);

    [Fact]
    public async Task Whoever_comes_second_is_told_who_has_it_and_nothing_is_left_when_it_is_given_back()
    {
        var volume = Volume();
        await using (await TakeAsync(_mine, volume, "demote"))
        {
            var busy = await Assert.ThrowsAsync<ReplicationException>(() => TakeAsync(_other, volume, "promote"));
            Assert.Equal(ReplicationError.Busy, busy.Error);
            Assert.Contains($"volume {volume}: demote by server mine has been pending for ", busy.Message, StringComparison.Ordinal);
            await using var elsewhere = await TakeAsync(_other, Volume(), "promote");
            var shown = await sites.A.RadosAsync("-p", TwoSites.Pool, "lock", "info", ObjectOf(volume), "rbd-replication");
            Assert.Contains($"demote of volume {volume} by mine", shown, StringComparison.Ordinal);
        }
        Assert.Null(await sites.A.Pool.ReadOmapAsync(ObjectOf(volume), ["server"], None));
        await using var second = await TakeAsync(_other, volume, "promote");
    }

    [Fact]
    public async Task Two_servers_in_turn_never_wait_for_each_other()
    {
        var volume = Volume();
        List<double> taken = [], given = [];
        for (var i = 0; i < 200; i++)
        {
            var started = Stopwatch.GetTimestamp();
            var held = await TakeAsync(i % 2 == 0 ? _mine : _other, volume, "demote");
            taken.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
            started = Stopwatch.GetTimestamp();
            await held.DisposeAsync();
            given.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
        }
        Assert.Null(await sites.A.Pool.ReadOmapAsync(ObjectOf(volume), ["server"], None));
        taken.Sort();
        given.Sort();
        TestContext.Current.SendDiagnosticMessage(
            $"a lock: taken in {taken[100]:0.0} ms, given back in {given[100]:0.0} ms (medians of 200; the slowest {taken[^1]:0.0} and {given[^1]:0.0} ms)");
    }

    [Fact]
    public async Task A_lock_of_another_connection_of_the_same_server_was_left_behind_and_is_taken_over()
    {
        var volume = Volume();
        await using var cutOff = await TakeAsync(_mine, volume, "demote");
        await using var cluster = await RadosCluster.ConnectAsync(
            new RadosConnectionOptions { Monitors = MonitorList.Parse(sites.A.Monitors), User = "csi", Key = sites.A.Credentials.Key }, None);
        await using var pool = await cluster.OpenPoolAsync(TwoSites.Pool, "", None);
        await using (await _mine.TakeAsync(pool, volume, "promote", () => { }, None))
            await Assert.ThrowsAsync<ReplicationException>(() => TakeAsync(_other, volume, "promote"));
        Assert.Null(await sites.A.Pool.ReadOmapAsync(ObjectOf(volume), ["server"], None));
    }

    [Fact]
    public async Task It_is_renewed_for_as_long_as_it_is_held_and_whoever_loses_it_is_told_and_does_not_unlock_the_next_one()
    {
        var volume = Volume();
        List<string> reports = [];
        var watched = new VolumeLocks("watched", TimeProvider.System, (lost, operation) => reports.Add($"{operation} {lost}"));
        var lost = new TaskCompletionSource();
        await using (await TakeAsync(watched, volume, "demote", lost.SetResult))
        {
            await Task.Delay(VolumeLocks.Lease + TimeSpan.FromSeconds(2));
            await Assert.ThrowsAsync<ReplicationException>(() => TakeAsync(_other, volume, "promote"));
            Assert.False(lost.Task.IsCompleted);
            await sites.A.Pool.WriteAsync(ObjectOf(volume), new ObjectWrite().Remove(), None);
            await using (await TakeAsync(_other, volume, "promote"))
            {
                await lost.Task.WaitAsync(VolumeLocks.Lease);
                Assert.Equal([$"demote {volume}"], reports);
            }
            await using var third = await TakeAsync(_mine, volume, "enable");
        }
    }

    [Fact]
    public async Task A_full_pool_is_no_obstacle_to_what_may_free_some_room()
    {
        var name = $"full-{Guid.NewGuid():N}"[..16];
        await sites.A.CephAsync("osd", "pool", "create", name, "1");
        await sites.A.CephAsync("osd", "pool", "application", "enable", name, "rbd");
        await using var pool = await sites.A.Cluster.OpenPoolAsync(name, "", None);
        await pool.WriteAsync("one", new ObjectWrite().Create(exclusive: true), None);
        await sites.A.CephAsync("osd", "pool", "set-quota", name, "max_objects", "1");
        await Eventually.TrueAsync(
            async () => (await sites.A.CephAsync("osd", "pool", "ls", "detail")).Split('\n').Any(line => line.Contains(name, StringComparison.Ordinal) && line.Contains("full_quota", StringComparison.Ordinal)),
            "the pool is full");
        var volume = Volume();
        await using (await _mine.TakeAsync(pool, volume, "disable", () => { }, None))
            await Assert.ThrowsAsync<ReplicationException>(() => _other.TakeAsync(pool, volume, "disable", () => { }, None));
        Assert.Null(await pool.ReadOmapAsync(ObjectOf(volume), ["server"], None));
    }

    [Fact]
    public async Task A_user_who_may_not_write_the_object_is_told_so()
    {
        var user = $"reader-{Guid.NewGuid():N}"[..16];
        await sites.A.CephAsync("auth", "get-or-create", "client." + user, "mon", "profile rbd", "osd", "profile rbd-read-only");
        var key = CephKey.TryParse((await sites.A.CephAsync("auth", "get-key", "client." + user)).Trim())!;
        await using var cluster = await RadosCluster.ConnectAsync(new RadosConnectionOptions { Monitors = MonitorList.Parse(sites.A.Monitors), User = user, Key = key }, None);
        await using var pool = await cluster.OpenPoolAsync(TwoSites.Pool, "", None);
        var denied = await Assert.ThrowsAsync<CephException>(() => _mine.TakeAsync(pool, Volume(), "promote", () => { }, None));
        Assert.Equal(Errno.EPERM, denied.Errno);
    }
}
