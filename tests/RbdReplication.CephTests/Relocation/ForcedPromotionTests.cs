using System.Diagnostics;
using System.Globalization;
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

    // librbd looks for the snapshot to roll back to past those of users as if there were none, and ends the process with the first one that it meets.
    [Fact]
    public async Task A_copy_that_broke_off_behind_snapshots_of_users_is_rolled_back_without_those_and_with_all_older_ones()
    {
        try
        {
            var (volume, interrupted) = await InterruptCopyAsync(behindSnapshots: true);
            var spec = sites.B.Pool.SpecOf(volume.ImageName);
            await volume.PromoteAsync(sites.B, force: true);
            await AssertIsWholeAsync(volume, interrupted);
            await using (var image = await volume.OpenAsync(sites.B))
            {
                var whole = Enumerable.Range(1, interrupted - 1).SelectMany(content => SnapshotsOf((byte)content));
                Assert.Equal(whole, (await image.Snapshots.ListAsync(CancellationToken.None)).Select(snapshot => snapshot.Name));
            }
            // Nothing about the image is in doubt for librbd, and what was removed is gone with all that belonged to it.
            Assert.DoesNotContain("invalid", await sites.B.RbdAsync("info", spec), StringComparison.Ordinal);
            await sites.B.RbdAsync("object-map", "check", spec);
            var id = await volume.ImageIdAsync(sites.B);
            var stored = (await StoredSnapshots.ReadAsync(sites.B.Pool, id, CancellationToken.None))!;
            Assert.DoesNotContain(stored.Mirrors, snapshot => !snapshot.IsComplete);
            var maps = (await sites.B.RadosAsync("-p", sites.B.Pool.Name, "ls")).Split('\n').Where(name => name.StartsWith($"rbd_object_map.{id}.", StringComparison.Ordinal));
            Assert.Equal(
                stored.Others.Select(snapshot => snapshot.Id).Concat(stored.Mirrors.Select(snapshot => snapshot.Id)).Order(),
                maps.Select(name => ulong.Parse(name[^16..], NumberStyles.HexNumber, CultureInfo.InvariantCulture)).Order());
        }
        finally
        {
            await sites.HealAsync();
        }
    }

    [Fact]
    public async Task A_clone_of_a_snapshot_that_came_with_a_copy_that_broke_off_is_told_and_without_it_the_volume_is_promoted()
    {
        try
        {
            var (volume, interrupted) = await InterruptCopyAsync(behindSnapshots: true, areProtected: true);
            var snapshot = SnapshotsOf(interrupted)[1];
            var clone = sites.B.Pool.SpecOf($"clone-{Guid.NewGuid():N}");
            await sites.B.RbdAsync("clone", "--rbd-default-clone-format", "2", $"{sites.B.Pool.SpecOf(volume.ImageName)}@{snapshot}", clone);
            var refusal = await TestVolume.FailureOfAsync(() => volume.PromoteAsync(sites.B, force: true));
            Assert.Equal(StatusCode.FailedPrecondition, refusal.StatusCode);
            Assert.Contains($"past snapshot {snapshot}, which came with that copy", refusal.Detail, StringComparison.Ordinal);
            Assert.False((await volume.InfoAsync(sites.B)).IsPrimary);
            await sites.B.RbdAsync("rm", "--no-progress", clone);
            await volume.PromoteAsync(sites.B, force: true);
            await AssertIsWholeAsync(volume, interrupted);
        }
        finally
        {
            await sites.HealAsync();
        }
    }

    // Demoted by hand, with much that was not copied before.
    [Fact]
    public async Task A_demotion_whose_copy_broke_off_is_rolled_back_as_well()
    {
        try
        {
            var volume = await TestVolume.CreateAsync(sites.A, sizeBytes: (ulong)Objects * ObjectSize);
            var spec = sites.A.Pool.SpecOf(volume.ImageName);
            await volume.ProtectAsync(sites.A, sites.B);
            byte content = 0;
            do
            {
                content++;
                await sites.HealAsync();
                if (content > 1)
                    await sites.A.RbdAsync("mirror", "image", "promote", spec);
                await FillAsync(volume, content);
                await sites.A.RbdAsync("mirror", "image", "demote", spec);
                await Eventually.TrueAsync(async () => await HeadAsync(volume) == content, "the copy has begun");
                await sites.PartitionAsync();
            }
            while ((await volume.ChainAsync(sites.B)).Newest is not { IsComplete: false });
            await volume.PromoteAsync(sites.B, force: true);
            await AssertIsWholeAsync(volume, content);
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

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_forced_promotion_that_was_killed_before_or_while_it_rolled_back_is_finished_by_the_next_forced_one_and_not_called_done_before(bool hasBegunToRollBack)
    {
        try
        {
            var (volume, interrupted) = await InterruptCopyAsync();
            await using (var server = await sites.B.StartServerAsync($"kill-{Guid.NewGuid():N}"[..20]))
            {
                var promotion = Record.ExceptionAsync(async () => await server.Replication.PromoteVolumeAsync(
                    new() { ReplicationSource = volume.Source, Secrets = { sites.B.Secrets }, Force = true })).AsTask();
                await Eventually.TrueAsync(async () => (await volume.ChainAsync(sites.B)).IsHalfRolledBack, "the promotion has begun");
                if (hasBegunToRollBack)
                    await Eventually.TrueAsync(async () => await HeadAsync(volume) != interrupted, "the first block is rolled back");
                server.Kill();
                await server.WaitForExitAsync();
                Assert.IsType<RpcException>(await promotion);
            }
            // The dead server's lock runs out first.
            await TestVolume.AwaitRefusalAsync(
                () => volume.PromoteAsync(sites.B), StatusCode.FailedPrecondition, "a mix of two points in time; promote it by force, which finishes that");
            Assert.False((await volume.InfoAsync(sites.B)).IsPrimary);
            Assert.Equal(StatusCode.FailedPrecondition, (await TestVolume.FailureOfAsync(() => volume.GetInfoAsync(sites.B))).StatusCode);
            await TestVolume.RetryAsync(() => volume.PromoteAsync(sites.B, force: true), "the promotion is finished");
            await AssertIsWholeAsync(volume, interrupted);
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
        var (contents, block) = (new HashSet<byte>(), new byte[1]);
        for (var i = 0; i < Objects; i++)
        {
            await promoted.ReadAsync((ulong)i * ObjectSize, block, CancellationToken.None);
            contents.Add(block[0]);
        }
        Assert.NotEqual(interrupted, Assert.Single(contents));
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
    private async Task<(TestVolume Volume, byte Content)> InterruptCopyAsync(bool behindSnapshots = false, bool areProtected = false)
    {
        var features = behindSnapshots ? ImageFeatures.Layering | ImageFeatures.ExclusiveLock | ImageFeatures.ObjectMap | ImageFeatures.FastDiff : ImageFeatures.Layering;
        var volume = await TestVolume.CreateAsync(sites.A, features: features, sizeBytes: (ulong)Objects * ObjectSize);
        await volume.ProtectAsync(sites.A, sites.B);
        for (byte content = 1; ; content++)
        {
            await sites.HealAsync();
            await FillAsync(volume, content);
            if (behindSnapshots)
            {
                await using var image = await volume.OpenAsync(sites.A, readOnly: false);
                foreach (var name in SnapshotsOf(content))
                    await image.Snapshots.CreateAsync(name, CancellationToken.None);
                if (areProtected)
                    await sites.A.RbdAsync("snap", "protect", $"{sites.A.Pool.SpecOf(volume.ImageName)}@{SnapshotsOf(content)[0]}");
            }
            await volume.TakeSnapshotAsync(sites.A);
            await Eventually.TrueAsync(async () => await HeadAsync(volume) == content, "the copy has begun");
            await sites.PartitionAsync();
            if ((await volume.ChainAsync(sites.B)).Newest is { IsComplete: false })
                return (volume, content);
        }
    }

    private static string[] SnapshotsOf(byte content) => [$"user-{content}", $"user-{content}-again"];

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
