using System.Diagnostics;
using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Csi.Protocol;

namespace RbdReplication.CephTests.Relocation;

/// <summary>Failover: what a site answers whose peer is gone.</summary>
[Collection("Faults")]
public sealed class ForcedPromotionTests(TwoSites sites)
{
    private const int ObjectSize = 4 * 1024 * 1024;

    // Enough that the link can be cut before all of them are copied.
    private const int Objects = 192;

    [Fact]
    public async Task A_dead_peer_is_answered_with_force_and_until_then_with_patience()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        await volume.WriteAsync(sites.A, 0, [1, 2, 3]);
        await volume.TakeSnapshotAsync(sites.A);
        await Eventually.TrueAsync(async () => (await volume.ReadAsync(sites.B, 0, 3)).SequenceEqual(new byte[] { 1, 2, 3 }), "the write is copied");
        await Eventually.TrueAsync(async () =>
        {
            await using var image = await volume.OpenAsync(sites.B);
            return (await image.Mirroring.GetGlobalStatusAsync(CancellationToken.None)).Peers.Any();
        }, "site-a has reported");
        await sites.StopAsync(sites.A, "all", "freeze");
        try
        {
            var died = Stopwatch.GetTimestamp();
            await Eventually.TrueAsync(async () =>
            {
                var refusal = await TestVolume.FailureOfAsync(() => volume.PromoteAsync(sites.B));
                Assert.Contains(refusal.StatusCode, new[] { StatusCode.Aborted, StatusCode.Unavailable, StatusCode.FailedPrecondition });
                return refusal.StatusCode == StatusCode.FailedPrecondition;
            }, "force is asked for");
            TestContext.Current.SendDiagnosticMessage($"force was asked for {Stopwatch.GetElapsedTime(died).TotalSeconds:0} s after the peer's death");
            await volume.PromoteAsync(sites.B, force: true);
            Assert.True((await volume.InfoAsync(sites.B)).IsPrimary);
            Assert.Equal([1, 2, 3], await volume.ReadAsync(sites.B, 0, 3));
            await volume.WriteAsync(sites.B, 0, [4]);
            // A fault, not something to wait for: NOT_FOUND would leave what the controller has shown before.
            var info = await volume.GetInfoAsync(sites.B);
            Assert.Equal((GetVolumeReplicationInfoResponse.Types.Status.Degraded, null), (info.Status, info.LastSyncTime));
            Assert.Contains("site-a is down", info.StatusMessage, StringComparison.Ordinal);
        }
        finally
        {
            await sites.StartAsync(sites.A, "all");
            await sites.RestartMirrorDaemonAsync(sites.B);
        }
    }

    [Fact]
    public async Task A_clean_demotion_that_was_copied_is_promoted_without_force_when_the_peer_dies()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        await volume.WriteAsync(sites.A, 0, [1, 2, 3]);
        await TestVolume.RetryAsync(() => volume.DemoteAsync(sites.A), "site-a is demoted");
        await sites.StopAsync(sites.A, "all", "freeze");
        try
        {
            await volume.PromoteAsync(sites.B);
            Assert.Equal([1, 2, 3], await volume.ReadAsync(sites.B, 0, 3));
        }
        finally
        {
            await sites.StartAsync(sites.A, "all");
        }
    }

    [Fact]
    public async Task A_link_that_breaks_in_mid_copy_neither_hangs_a_forced_promotion_nor_mixes_two_states()
    {
        try
        {
            var (volume, interrupted) = await InterruptCopyAsync();
            await volume.PromoteAsync(sites.B, force: true);
            await AssertIsWholeAsync(volume, interrupted);
        }
        finally
        {
            await sites.HealAsync();
        }
    }

    [Fact]
    public async Task A_server_that_is_asked_to_stop_ends_a_forced_promotion_first_whose_caller_has_gone()
    {
        try
        {
            var (volume, interrupted) = await InterruptCopyAsync();
            await using var server = await sites.B.StartServerAsync($"stop-{Guid.NewGuid():N}"[..20]);
            using var gone = new CancellationTokenSource();
            var promotion = Rpc.StatusAsync(
                server.Replication, Rpc.Promote, new() { Source = volume.Source, Secrets = sites.B.Secrets, Force = true }, new CallOptions(cancellationToken: gone.Token));
            await Eventually.TrueAsync(async () => (await volume.ChainAsync(sites.B)).IsHalfRolledBack, "the promotion has begun");
            // Another server must not take it for one that was interrupted.
            var refusal = await TestVolume.FailureOfAsync(() => volume.PromoteAsync(sites.B));
            Assert.Equal(StatusCode.Aborted, refusal.StatusCode);
            Assert.Contains("forced promote by server", refusal.Detail, StringComparison.Ordinal);
            await gone.CancelAsync();
            Assert.Equal(StatusCode.Cancelled, (await promotion).StatusCode);
            Assert.Equal(0, await server.TerminateAsync());
            Assert.Contains("for 1 changes that are under way", server.Log, StringComparison.Ordinal);
            await AssertIsWholeAsync(volume, interrupted);
        }
        finally
        {
            await sites.HealAsync();
        }
    }

    [Fact]
    public async Task A_forced_promotion_that_was_killed_before_it_rolled_back_is_never_made_again_on_the_mixed_image()
    {
        try
        {
            var (volume, _) = await InterruptCopyAsync();
            await using (var server = await sites.B.StartServerAsync($"kill-{Guid.NewGuid():N}"[..20]))
            {
                var promotion = Record.ExceptionAsync(async () => await server.Replication.PromoteVolumeAsync(
                    new() { ReplicationSource = volume.Source, Secrets = { sites.B.Secrets }, Force = true })).AsTask();
                await Eventually.TrueAsync(async () => (await volume.ChainAsync(sites.B)).IsHalfRolledBack, "the promotion has begun");
                server.Kill();
                await server.WaitForExitAsync();
                Assert.IsType<RpcException>(await promotion);
            }
            // The dead server's lock runs out first.
            await Eventually.TrueAsync(
                async () => (await TestVolume.FailureOfAsync(() => volume.PromoteAsync(sites.B))).StatusCode is not StatusCode.Aborted, "its lock has run out");
            foreach (var force in (bool[])[false, true])
            {
                var refusal = await TestVolume.FailureOfAsync(() => volume.PromoteAsync(sites.B, force));
                Assert.Equal(StatusCode.DataLoss, refusal.StatusCode);
                Assert.Contains("a mix of two points in time", refusal.Detail, StringComparison.Ordinal);
            }
            Assert.False((await volume.InfoAsync(sites.B)).IsPrimary);
            Assert.Equal(StatusCode.FailedPrecondition, (await TestVolume.FailureOfAsync(() => volume.GetInfoAsync(sites.B))).StatusCode);
        }
        finally
        {
            await sites.HealAsync();
        }
    }

    /// <summary>The image is primary, and all its blocks are of one point in time, which is not the one whose copy was interrupted.</summary>
    private async Task AssertIsWholeAsync(TestVolume volume, byte interrupted)
    {
        Assert.True((await volume.InfoAsync(sites.B)).IsPrimary);
        await using var promoted = await volume.OpenAsync(sites.B);
        var head = await HeadAsync(volume);
        Assert.NotEqual(interrupted, head);
        var block = new byte[1];
        for (var i = 0; i < Objects; i++)
        {
            await promoted.ReadAsync((ulong)i * ObjectSize, block, CancellationToken.None);
            Assert.Equal(head, block[0]);
        }
    }

    [Fact]
    public async Task A_client_that_is_no_mirror_daemon_is_never_cut_off_however_long_a_forced_promotion_takes()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        // An orderly end: nothing of the daemon stays on the image.
        await sites.StopAsync(sites.B, "mirror", "term");
        try
        {
            using var node = await FrozenClient.StartAsync(sites.B, volume);
            var asked = Stopwatch.GetTimestamp();
            await volume.PromoteAsync(sites.B, force: true);
            TestContext.Current.SendDiagnosticMessage($"the promotion took {Stopwatch.GetElapsedTime(asked).TotalSeconds:0} s");
            Assert.True(Stopwatch.GetElapsedTime(asked) > TimeSpan.FromSeconds(10));
            Assert.DoesNotContain(node.Address, await sites.B.CephAsync("osd", "blocklist", "ls"), StringComparison.Ordinal);
            Assert.True((await volume.InfoAsync(sites.B)).IsPrimary);
        }
        finally
        {
            await sites.StartAsync(sites.B, "mirror");
        }
    }

    [Theory]
    [InlineData("snapshot")]
    [InlineData("journal")]
    public async Task A_first_copy_that_was_cut_off_is_not_promoted_by_force_until_it_is_complete(string mode)
    {
        var volume = await TestVolume.CreateAsync(sites.A, sizeBytes: (ulong)Objects * ObjectSize);
        await FillAsync(volume, content: 1);
        await volume.EnableAsync(sites.A, mode);
        await volume.PromoteAsync(sites.A);
        await Eventually.TrueAsync(async () => await HeadAsync(volume) == 1, "the copy has begun");
        await sites.PartitionAsync();
        try
        {
            var refusal = await TestVolume.FailureOfAsync(() => volume.PromoteAsync(sites.B, force: true));
            Assert.Equal(StatusCode.FailedPrecondition, refusal.StatusCode);
            Assert.Contains("its first copy is not known to be complete", refusal.Detail, StringComparison.Ordinal);
            Assert.False((await volume.InfoAsync(sites.B)).IsPrimary);
        }
        finally
        {
            await sites.HealAsync();
        }
        await TestVolume.RetryAsync(() => volume.PromoteAsync(sites.B, force: true), "site-b is promoted");
        await AssertIsWholeAsync(volume, interrupted: 0);
    }

    [Fact]
    public async Task A_mirror_daemon_that_hangs_on_a_journaled_image_is_cut_off_and_the_first_write_succeeds()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.EnableAsync(sites.A, "journal");
        await volume.PromoteAsync(sites.A);
        await volume.WriteAsync(sites.A, 0, [1]);
        await volume.AwaitReplayAsync(sites.B);
        await Eventually.TrueAsync(async () => (await volume.ReadAsync(sites.B, 0, 1))[0] == 1, "the write is replayed");
        await sites.StopAsync(sites.B, "mirror", "freeze");
        try
        {
            await volume.PromoteAsync(sites.B, force: true);
            await volume.WriteAsync(sites.B, 0, [2]);
            Assert.Contains($"{volume.ImageName} of volume {volume.Handle} within 10 s, so that it could not be promoted", sites.B.Server.Log, StringComparison.Ordinal);
        }
        finally
        {
            await sites.StartAsync(sites.B, "mirror");
        }
        // What it had begun when it froze is of no effect.
        await volume.AwaitReportAsync(sites.B, own => own.State == MirrorStatusState.Error || own.Description.Contains("primary", StringComparison.Ordinal), "that it does not follow");
        Assert.True((await volume.InfoAsync(sites.B)).IsPrimary);
        Assert.Equal([2], await volume.ReadAsync(sites.B, 0, 1));
    }

    /// <summary>A volume whose link broke while the peer was copying a snapshot of it, and what that snapshot's blocks hold.</summary>
    private async Task<(TestVolume Volume, byte Content)> InterruptCopyAsync()
    {
        var volume = await TestVolume.CreateAsync(sites.A, sizeBytes: (ulong)Objects * ObjectSize);
        await volume.ProtectAsync(sites.A, sites.B);
        for (byte content = 1; ; content++)
        {
            await sites.HealAsync();
            await FillAsync(volume, content);
            await volume.TakeSnapshotAsync(sites.A);
            await Eventually.TrueAsync(async () => await HeadAsync(volume) == content, "the copy has begun");
            await sites.PartitionAsync();
            if ((await volume.ChainAsync(sites.B)).Newest is { IsComplete: false })
                return (volume, content);
        }
    }

    private async Task FillAsync(TestVolume volume, byte content)
    {
        await using var image = await volume.OpenAsync(sites.A, readOnly: false);
        var data = new byte[ObjectSize];
        Array.Fill(data, content);
        for (var i = 0; i < Objects; i++)
            await image.WriteAsync((ulong)i * ObjectSize, data, CancellationToken.None);
    }

    private async Task<byte> HeadAsync(TestVolume volume) => (await volume.ReadAsync(sites.B, 0, 1))[0];
}
