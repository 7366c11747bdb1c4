using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Relocation;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests;

/// <summary>A server of its own is killed at a random moment of a call; the next call with the same intent has to reach the same end.</summary>
public sealed class KillTests(TwoSites sites)
{
    private const int Rounds = 12;

    [Fact]
    public async Task A_move_is_finished_by_the_next_calls_wherever_the_server_was_killed()
    {
        var random = new Random(20261123);
        var volume = await TestVolume.CreateAsync(sites.A);
        var content = new CheckedVolume(volume, random);
        await volume.ProtectAsync(sites.A, sites.B);
        var from = sites.A;
        for (var round = 0; round < Rounds; round++)
        {
            var to = sites.Other(from);
            await content.WriteAsync(from, 3);
            await KillDuringAsync(from, server => DemoteAsync(server, volume, from), random);
            await RetryAsync(volume, () => volume.DemoteAsync(from), $"round {round}: {from} is demoted");
            await KillDuringAsync(to, server => PromoteAsync(server, volume, to), random);
            await RetryAsync(volume, () => volume.PromoteAsync(to), $"round {round}: {to} is promoted");

            Assert.True((await volume.InfoAsync(to)).IsPrimary);
            await using (var image = await volume.OpenAsync(to))
                Assert.False((await image.GetFeaturesAsync(CancellationToken.None)).HasFlag(ImageFeatures.NonPrimary));
            Assert.Equal(content.Acknowledged, await content.HeldAsync(to));
            from = to;
        }
    }

    private async Task RetryAsync(TestVolume volume, Func<Task> call, string what)
    {
        try
        {
            await TestVolume.RetryAsync(call, what);
        }
        catch (TimeoutException e)
        {
            var chains = await Task.WhenAll(sites.Both.Select(async site => $"{site}: {string.Join("; ", (await volume.ChainAsync(site)).Snapshots)}"));
            throw new TimeoutException($"{e.Message}; mirror snapshots at {string.Join(", at ", chains)}", e);
        }
    }

    private static async Task KillDuringAsync(Site site, Func<ServerProcess, Task> call, Random random)
    {
        await using var server = await site.StartServerAsync($"kill-{Guid.NewGuid():N}"[..20]);
        var running = Record.ExceptionAsync(() => call(server)).AsTask();
        await Task.WhenAny(running, Task.Delay(random.Next(400)));
        server.Kill();
        await server.WaitForExitAsync();
        Assert.True(await running is null or RpcException);
    }

    private static async Task DemoteAsync(ServerProcess server, TestVolume volume, Site site) =>
        await server.Replication.DemoteVolumeAsync(new() { ReplicationSource = volume.Source, Secrets = { site.Secrets } });

    private static async Task PromoteAsync(ServerProcess server, TestVolume volume, Site site) =>
        await server.Replication.PromoteVolumeAsync(new() { ReplicationSource = volume.Source, Secrets = { site.Secrets } });
}
