using System.Globalization;
using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests;

/// <summary>
/// Mirror snapshots that a demotion takes for its proof. librbd ends a process that takes one at the same moment as another client: so
/// they are taken in a process of their own, and not while another client has the image open.
/// </summary>
public sealed class SnapshotProcessTests(TwoSites sites)
{
    private static CancellationToken None => CancellationToken.None;

    [Fact]
    public async Task The_process_that_takes_snapshots_may_die_the_server_lives_and_the_next_call_succeeds()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        await using var server = await StartAsync();
        // The second where it had not been asked yet.
        Assert.Matches(
            "the process that took the mirror snapshot ended with status 137|the process that takes mirror snapshots cannot be reached", await SignalAsync("-KILL", server, volume));
        Assert.False(server.HasExited);
        await TestVolume.RetryAsync(() => DemoteAsync(server, volume), "site-a is demoted");
        var next = ChildOf(server)!;
        server.Kill();
        await server.WaitForExitAsync();
        await Eventually.TrueAsync(() => Task.FromResult(!IsAlive(next)), "it has ended with the server");
    }

    // Takes a minute: asked for by make soak PARTS=lagging.
    [Fact(Explicit = true)]
    public async Task A_process_that_takes_snapshots_and_does_not_answer_any_more_is_ended_and_the_next_call_succeeds()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        await using var server = await StartAsync();
        Assert.Contains("the process that took the mirror snapshot ended with status 137", await SignalAsync("-STOP", server, volume), StringComparison.Ordinal);
        await TestVolume.RetryAsync(() => DemoteAsync(server, volume), "site-a is demoted");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_snapshot_waits_until_another_client_has_closed_the_image_and_not_for_one_that_stays(bool stays)
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        await using var server = await StartAsync();
        var before = (await volume.ChainAsync(sites.A)).Newest!.Id;
        var other = await OpenElsewhereAsync(volume);
        var demoting = DemoteAsync(server, volume);
        if (!stays)
        {
            await Eventually.GetAsync(() => Task.FromResult(ChildOf(server)), "a snapshot is asked for");
            Assert.Equal(before, (await volume.ChainAsync(sites.A)).Newest!.Id);
            await other.DisposeAsync();
        }
        await Rpc.CodeAsync(() => demoting);
        Assert.True((await volume.ChainAsync(sites.A)).Newest!.Id > before);
        await other.DisposeAsync();
        await TestVolume.RetryAsync(() => DemoteAsync(server, volume), "site-a is demoted");
    }

    // Sends the process a signal before it has begun the snapshot, as it has not while another client has the image open; what the demotion is told.
    private async Task<string> SignalAsync(string signal, ServerProcess server, TestVolume volume)
    {
        await using var other = await OpenElsewhereAsync(volume);
        var demoting = DemoteAsync(server, volume);
        var child = await Eventually.GetAsync(() => Task.FromResult(ChildOf(server)), "a snapshot is asked for");
        await ProcessOutput.OfAsync("kill", signal, child);
        var answer = await TestVolume.FailureOfAsync(() => demoting);
        Assert.Equal(StatusCode.Aborted, answer.StatusCode);
        return answer.Detail;
    }

    private Task<ServerProcess> StartAsync() => OwnServer.StartAsync([new { clusterID = sites.A.Name, monitors = sites.A.Monitors }]);

    private async Task DemoteAsync(ServerProcess server, TestVolume volume) =>
        await server.Replication.DemoteVolumeAsync(new() { ReplicationSource = volume.Source, Secrets = { sites.A.Secrets } });

    private async Task<RbdImage> OpenElsewhereAsync(TestVolume volume)
    {
        var cluster = await RadosCluster.ConnectAsync(
            new RadosConnectionOptions { Monitors = MonitorList.Parse(sites.A.Monitors), User = "csi", Key = sites.A.Credentials.Key }, None);
        var pool = await cluster.OpenPoolAsync(TwoSites.Pool, "", None);
        var image = await RbdImage.OpenAsync(pool, volume.ImageName, readOnly: false, None);
        // They stay open until the image is closed.
        pool.Release();
        _ = cluster.DisposeAsync().AsTask();
        return image;
    }

    private static string? ChildOf(ServerProcess server) => Directory.GetDirectories("/proc/", "*")
        .Select(Path.GetFileName).Where(name => name!.All(char.IsAsciiDigit))
        .FirstOrDefault(pid => Read(pid!, "status") is { } status && status.Contains($"PPid:\t{server.ProcessId.ToString(CultureInfo.InvariantCulture)}\n", StringComparison.Ordinal)
            && Read(pid!, "cmdline") is { } command && command.Contains("take-mirror-snapshots", StringComparison.Ordinal));

    // One that has ended stays until it is collected, without a command.
    private static bool IsAlive(string pid) => Read(pid, "cmdline") is { Length: > 0 };

    private static string? Read(string pid, string file)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/{file}");
        }
        catch (IOException)
        {
            return null;
        }
    }
}
