using System.Diagnostics;
using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;

namespace RbdReplication.CephTests.Faults;

/// <summary>Two servers on one site, as two replicas are whose sidecars change places: never do both change one volume at once.</summary>
[Collection("Faults")]
public sealed class TwoServersTests(TwoSites sites)
{
    [Fact]
    public async Task A_forced_promotion_that_hangs_keeps_the_other_server_off_and_both_are_refused_until_it_has_ended()
    {
        await using var first = await sites.B.StartServerAsync($"first-{Guid.NewGuid():N}"[..20]);
        await using var second = await sites.B.StartServerAsync($"second-{Guid.NewGuid():N}"[..20]);
        var volume = await TestVolume.CreateAsync(sites.A, features: ImageFeatures.Layering | ImageFeatures.ExclusiveLock);
        await volume.WriteAsync(sites.A, 0, [1, 2, 3]);
        await volume.ProtectAsync(sites.A, sites.B);
        // An orderly end: nothing of the daemon stays on the image.
        await sites.StopAsync(sites.B, "mirror", "term");
        try
        {
            // It is no mirror daemon, so it is not cut off, and the promotion hangs until its watch ends.
            using var node = await FrozenClient.StartAsync(sites.B, volume);
            Assert.Equal(StatusCode.DeadlineExceeded, (await PromoteAsync(first, volume, TimeSpan.FromSeconds(3))).StatusCode);
            var held = Stopwatch.StartNew();
            // For longer than a lock lasts that is not renewed.
            while (held.Elapsed < VolumeLocks.Lease + TimeSpan.FromSeconds(2))
            {
                var refused = await PromoteAsync(second, volume, TimeSpan.FromMinutes(1));
                Assert.Equal(StatusCode.Aborted, refused.StatusCode);
                Assert.Contains($"forced promote by server {Environment.MachineName} has been pending for ", refused.Detail, StringComparison.Ordinal);
                await Task.Delay(TimeSpan.FromSeconds(1));
            }
            Assert.Equal(StatusCode.Aborted, (await PromoteAsync(first, volume, TimeSpan.FromMinutes(1))).StatusCode);
        }
        finally
        {
            await sites.StartAsync(sites.B, "mirror");
        }
        await Eventually.TrueAsync(async () => (await PromoteAsync(second, volume, TimeSpan.FromMinutes(1))).StatusCode == StatusCode.OK, "the second finds it promoted");
        Assert.True((await volume.InfoAsync(sites.B)).IsPrimary);
        Assert.Equal([1, 2, 3], await volume.ReadAsync(sites.B, 0, 3));
        await AssertUnlockedAsync(sites.B, volume);
    }

    [Fact]
    public async Task A_server_that_was_killed_in_a_change_is_waited_for_until_its_lock_has_run_out()
    {
        await using var first = await sites.A.StartServerAsync($"first-{Guid.NewGuid():N}"[..20]);
        await using var second = await sites.A.StartServerAsync($"second-{Guid.NewGuid():N}"[..20]);
        var volume = await TestVolume.CreateAsync(sites.A);
        foreach (var server in (ServerProcess[])[first, second])
            await Rpc.StatusAsync(server.Replication, Rpc.GetDestination, new() { Source = volume.Source, Secrets = sites.A.Secrets });
        long killed;
        // Who makes a snapshot needs the monitors; whoever asks for the lock does not.
        await sites.StopAsync(sites.A, "mon", "freeze");
        try
        {
            var call = EnableAsync(first, volume);
            await Eventually.TrueAsync(async () => await LockAsync(sites.A, volume) is not null, "the change is under way");
            Assert.Equal(StatusCode.Aborted, (await EnableAsync(second, volume)).StatusCode);
            first.Kill();
            await first.WaitForExitAsync();
            killed = Stopwatch.GetTimestamp();
            await call;
            var refused = await EnableAsync(second, volume);
            Assert.Equal(StatusCode.Aborted, refused.StatusCode);
            Assert.Contains("or if that server was killed, 15 s after", refused.Detail, StringComparison.Ordinal);
        }
        finally
        {
            await sites.StartAsync(sites.A, "mon");
        }
        await Eventually.TrueAsync(async () => (await EnableAsync(second, volume)).StatusCode == StatusCode.OK, "the second goes on");
        TestContext.Current.SendDiagnosticMessage($"the second server had it enabled {Stopwatch.GetElapsedTime(killed).TotalSeconds:0.0} s after the first was killed");
        Assert.Equal(MirrorImageState.Enabled, (await volume.InfoAsync(sites.A)).State);
        await AssertUnlockedAsync(sites.A, volume);
    }

    private Task<Status> PromoteAsync(ServerProcess server, TestVolume volume, TimeSpan patience) => Rpc.StatusAsync(
        server.Replication, Rpc.Promote, new() { Source = TestVolume.At(sites.B, volume.Handle.Uuid).Source, Secrets = sites.B.Secrets, Force = true },
        new CallOptions(deadline: DateTime.UtcNow + patience));

    private Task<Status> EnableAsync(ServerProcess server, TestVolume volume) =>
        Rpc.StatusAsync(server.Replication, Rpc.Enable, new() { Source = volume.Source, Secrets = sites.A.Secrets });

    private static Task<IReadOnlyDictionary<string, string>?> LockAsync(Site site, TestVolume volume) =>
        site.Pool.ReadOmapAsync("rbd-replication.volume." + volume.Handle.Uuid, ["server"], CancellationToken.None);

    private static async Task AssertUnlockedAsync(Site site, TestVolume volume) =>
        Assert.Null(await LockAsync(site, volume));
}
