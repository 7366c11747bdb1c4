using System.Globalization;
using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Relocation;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Csi.Protocol;

namespace RbdReplication.CephTests;

/// <summary>
/// A server of its own is killed at a random moment of calls for several volumes, each of which is then at another step; the
/// next call with the same intent has to reach the same end. After a kill Ceph takes half a minute to forget the dead client.
/// </summary>
public sealed class KillTests(TwoSites sites)
{
    private const int Volumes = 6;

    /// <summary>How often each test goes round; <c>KILL_ROUNDS</c> changes it.</summary>
    private static readonly int Rounds = int.Parse(Environment.GetEnvironmentVariable("KILL_ROUNDS") ?? "3", CultureInfo.InvariantCulture);

    [Fact]
    public async Task A_move_is_finished_by_the_next_calls_wherever_the_server_was_killed()
    {
        var random = new Random(20261123);
        var contents = await Task.WhenAll(Enumerable.Range(0, Volumes).Select(async i =>
        {
            var volume = await TestVolume.CreateAsync(sites.A);
            await volume.ProtectAsync(sites.A, sites.B);
            return new CheckedVolume(volume, new Random(i));
        }));
        var from = sites.A;
        for (var round = 0; round < Rounds; round++)
        {
            var to = sites.Other(from);
            await ForAllAsync(contents, content => content.WriteAsync(from, 3));
            await KillDuringAsync(from, contents, DemoteAsync, random);
            await ForAllAsync(contents, content => RetryAsync(content.Volume, () => content.Volume.DemoteAsync(from), $"round {round}: {from} is demoted"));
            await KillDuringAsync(to, contents, PromoteAsync, random);
            await ForAllAsync(contents, content => RetryAsync(content.Volume, () => content.Volume.PromoteAsync(to), $"round {round}: {to} is promoted"));
            await ForAllAsync(contents, async content =>
            {
                Assert.True((await content.Volume.InfoAsync(to)).IsPrimary);
                await using (var image = await content.Volume.OpenAsync(to))
                    Assert.False((await image.GetFeaturesAsync(CancellationToken.None)).HasFlag(ImageFeatures.NonPrimary));
                Assert.Equal(content.Acknowledged, await content.HeldAsync(to));
            });
            from = to;
        }
    }

    [Fact]
    public async Task Protection_is_begun_and_ended_by_the_next_calls_wherever_the_server_was_killed()
    {
        var random = new Random(20261124);
        for (var round = 0; round < Rounds; round++)
        {
            var contents = await Task.WhenAll(Enumerable.Range(0, Volumes).Select(async i =>
                new CheckedVolume(await TestVolume.CreateAsync(sites.A), new Random(i))));
            await KillDuringAsync(sites.A, contents, EnableAsync, random);
            // Half of them are given up before they were ever enabled.
            foreach (var content in contents[..(Volumes / 2)])
                await RetryAsync(content.Volume, () => content.Volume.EnableAsync(sites.A), "it is enabled");
            await KillDuringAsync(sites.A, contents, DisableAsync, random);
            await ForAllAsync(contents, async content =>
            {
                await RetryAsync(content.Volume, () => content.Volume.DisableAsync(sites.A), "it is disabled");
                Assert.Equal(MirrorImageState.Disabled, (await content.Volume.InfoAsync(sites.A)).State);
                Assert.Empty((await content.Volume.ChainAsync(sites.A)).Snapshots);
            });
        }
    }

    private static Task ForAllAsync(CheckedVolume[] contents, Func<CheckedVolume, Task> action) => Task.WhenAll(contents.Select(action));

    private async Task RetryAsync(TestVolume volume, Func<Task> call, string what)
    {
        try
        {
            await TestVolume.RetryAsync(call, what);
        }
        catch (TimeoutException e)
        {
            var chains = await Task.WhenAll(sites.Both.Select(
                async site => $"{site}: {string.Join("; ", (await volume.ChainAsync(site)).Snapshots.Select(Line))}"));
            throw new TimeoutException($"{e.Message}; mirror snapshots at {string.Join(", at ", chains)}", e);
        }
    }

    private static string Line(MirrorSnapshot snapshot) =>
        $"{snapshot.Id} {snapshot.State}{(snapshot.IsComplete ? "" : " incomplete")} for {snapshot.MirrorPeerUuids.Count} peers";

    private static async Task KillDuringAsync(Site site, CheckedVolume[] contents, Func<ServerProcess, TestVolume, Site, Task> call, Random random)
    {
        await using var server = await site.StartServerAsync($"kill-{Guid.NewGuid():N}"[..20]);
        var running = contents.Select(content => Record.ExceptionAsync(() => call(server, content.Volume, site)).AsTask()).ToList();
        await Task.WhenAny(Task.WhenAll(running), Task.Delay(random.Next(500)));
        server.Kill();
        await server.WaitForExitAsync();
        foreach (var failure in await Task.WhenAll(running))
            Assert.True(failure is null or RpcException, failure?.ToString());
    }

    private static async Task EnableAsync(ServerProcess server, TestVolume volume, Site site) =>
        await server.Replication.EnableVolumeReplicationAsync(new() { ReplicationSource = volume.Source, Secrets = { site.Secrets } });

    private static async Task DisableAsync(ServerProcess server, TestVolume volume, Site site) =>
        await server.Replication.DisableVolumeReplicationAsync(new() { ReplicationSource = volume.Source, Secrets = { site.Secrets } });

    private static async Task DemoteAsync(ServerProcess server, TestVolume volume, Site site) =>
        await server.Replication.DemoteVolumeAsync(new() { ReplicationSource = volume.Source, Secrets = { site.Secrets } });

    private static async Task PromoteAsync(ServerProcess server, TestVolume volume, Site site) =>
        await server.Replication.PromoteVolumeAsync(new() { ReplicationSource = volume.Source, Secrets = { site.Secrets } });
}
