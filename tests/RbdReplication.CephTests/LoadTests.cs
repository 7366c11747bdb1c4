using System.Text.Json;
using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests;

/// <summary>Many calls at once. What is compared are counts, not times: the machine may be busy.</summary>
[Collection("Faults")]
public sealed class LoadTests(TwoSites sites)
{
    private async Task<TestVolume[]> CreateAsync(int count) =>
        await Task.WhenAll(Enumerable.Range(0, count).Select(_ => TestVolume.CreateAsync(sites.A)));

    private async Task<int> MapEpochAsync()
    {
        using var map = JsonDocument.Parse(await sites.A.CephAsync("osd", "dump", "--format", "json"));
        return map.RootElement.GetProperty("epoch").GetInt32();
    }

    [Fact]
    public async Task Sixty_four_volumes_enabled_at_once_share_the_rounds_of_the_monitors()
    {
        var volumes = await CreateAsync(64);
        // Ceph's own interval: each mirror snapshot waits for a round of the monitors, one a second.
        await sites.A.CephAsync("tell", "mon.a", "config", "set", "paxos_propose_interval", "1");
        try
        {
            var before = await MapEpochAsync();
            await Task.WhenAll(volumes.Select(volume => volume.EnableAsync(sites.A)));
            Assert.InRange(await MapEpochAsync() - before, 1, 16);
        }
        finally
        {
            await sites.A.CephAsync("tell", "mon.a", "config", "set", "paxos_propose_interval", "0.02");
        }
        foreach (var volume in volumes)
            Assert.True((await volume.InfoAsync(sites.A)).IsPrimary);
    }

    [Theory]
    [InlineData(Rpc.Enable)]
    [InlineData(Rpc.Promote)]
    [InlineData(Rpc.Disable)]
    public async Task The_same_volume_eight_times_at_once_is_done_or_told_to_come_again(string call)
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        if (call != Rpc.Enable)
            await volume.EnableAsync(sites.A);
        var arguments = new RpcArguments { Source = volume.Source, Secrets = sites.A.Secrets, Parameters = new Dictionary<string, string> { ["schedulingInterval"] = "1h" } };
        var codes = await Task.WhenAll(Enumerable.Range(0, 8).Select(async _ => (await Rpc.StatusAsync(sites.A.Replication, call, arguments)).StatusCode));
        Assert.Contains(StatusCode.OK, codes);
        Assert.All(codes, code => Assert.Contains(code, (StatusCode[])[StatusCode.OK, StatusCode.Aborted]));
        Assert.Equal(StatusCode.OK, (await Rpc.StatusAsync(sites.A.Replication, call, arguments)).StatusCode);
    }

    [Fact]
    public async Task A_thousand_mixed_calls_a_hundred_at_a_time_leave_no_watcher_descriptor_thread_or_memory_behind()
    {
        await using var server = await OwnServer.StartAsync([new { clusterID = sites.A.Name, monitors = sites.A.Monitors }]);
        var volumes = await CreateAsync(20);
        await Task.WhenAll(volumes.Take(10).Select(volume => volume.EnableAsync(sites.A)));
        await MixAsync(server, volumes, 500, seed: 1);
        var (descriptors, threads, memory) = (server.Descriptors, server.Threads, server.ResidentBytes);
        await MixAsync(server, volumes, 1000, seed: 2);
        Assert.InRange(server.ResidentBytes - memory, long.MinValue, 48L * 1024 * 1024);
        await Eventually.TrueAsync(() => Task.FromResult(server.Descriptors <= descriptors + 4), "descriptors are closed");
        await Eventually.TrueAsync(() => Task.FromResult(server.Threads <= threads + 4), "threads have ended");
        // The mirror daemons watch what is mirrored: stop that first.
        foreach (var volume in volumes)
        {
            await Rpc.CallAsync(server.Replication, Rpc.Disable, new() { Source = volume.Source, Secrets = sites.A.Secrets });
            await using var image = await volume.OpenAsync(sites.A);
            await Eventually.TrueAsync(async () => (await image.ListWatchersAsync(CancellationToken.None)).Count == 0, $"nobody watches {volume.ImageName}");
        }
    }

    private async Task MixAsync(ServerProcess server, TestVolume[] volumes, int count, int seed)
    {
        var random = new Random(seed);
        var calls = Enumerable.Range(0, count)
            .Select(_ => (Call: Rpc.All[random.Next(Rpc.All.Count)], Volume: volumes[random.Next(volumes.Length)], Kind: random.Next(10)))
            // Each demotion and resync would wait for the peer: other tests are about those.
            .Select(item => item.Call is Rpc.Demote or Rpc.Resync ? item with { Call = Rpc.GetDestination } : item)
            .ToList();
        await Parallel.ForEachAsync(calls, new ParallelOptions { MaxDegreeOfParallelism = 100 }, async (item, _) =>
        {
            var handle = item.Kind switch
            {
                0 => "no handle",
                1 => (item.Volume.Handle with { Uuid = Guid.NewGuid().ToString() }).ToString(),
                2 => (item.Volume.Handle with { ClusterId = "nowhere" }).ToString(),
                _ => item.Volume.Handle.ToString(),
            };
            var deadline = item.Kind == 3 ? DateTime.UtcNow.AddMilliseconds(5) : DateTime.UtcNow.AddMinutes(2);
            var status = await Rpc.StatusAsync(
                server.Replication, item.Call, new() { Source = RpcArguments.Volume(handle), Secrets = sites.A.Secrets }, new CallOptions(deadline: deadline));
            StatusCode[] allowed = item.Kind switch
            {
                0 => [StatusCode.InvalidArgument],
                1 => [StatusCode.NotFound],
                // The same uuid, so the same volume to the gate.
                2 => [StatusCode.Unavailable, StatusCode.Aborted],
                // NOT_FOUND: nothing is synced yet.
                _ => [StatusCode.OK, StatusCode.Aborted, StatusCode.FailedPrecondition, StatusCode.NotFound, .. item.Kind == 3 ? [StatusCode.DeadlineExceeded] : Array.Empty<StatusCode>()],
            };
            Assert.True(allowed.Contains(status.StatusCode), $"{item}: {status}");
        });
    }
}
