using System.Diagnostics;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests;

/// <summary>
/// Mirror snapshots of an image that another client has open, as the manager has while it takes one: two at once end both
/// processes by a stack overflow in librbd.
/// </summary>
public sealed class SnapshotTurnTests(TwoSites sites)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private static CancellationToken None => CancellationToken.None;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_snapshot_waits_until_another_client_has_closed_the_image_and_not_for_one_that_stays(bool stays)
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.EnableAsync(sites.A);
        await using var cluster = await RadosCluster.ConnectAsync(
            new RadosConnectionOptions { Monitors = MonitorList.Parse(sites.A.Monitors), User = "csi", Key = sites.A.Credentials.Key }, None);
        await using var pool = await cluster.OpenPoolAsync(TwoSites.Pool, "", None);
        await using var own = await volume.OpenAsync(sites.A, readOnly: false);
        var other = await RbdImage.OpenAsync(pool, volume.ImageName, readOnly: false, None);
        var asked = Stopwatch.GetTimestamp();
        var taking = own.Mirroring.CreateSnapshotAsync(None);
        if (!stays)
        {
            await Task.Delay(Patience / 4);
            Assert.False(taking.IsCompleted);
            await other.DisposeAsync();
        }
        await taking;
        Assert.InRange(Stopwatch.GetElapsedTime(asked), stays ? Patience : Patience / 4, TimeSpan.FromSeconds(20));
        await other.DisposeAsync();
    }

    [Fact]
    public async Task The_peers_mirror_daemon_is_not_waited_for()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        await using var image = await volume.OpenAsync(sites.A, readOnly: false);
        // It writes its first report within half a minute.
        await Eventually.TrueAsync(
            async () => (await image.Mirroring.GetGlobalStatusAsync(None)).Peers.Any(), "site-b has reported");
        Assert.Contains(await image.ListWatchersAsync(None), watcher => watcher.ClientId != (long)sites.A.Cluster.InstanceId);
        var looks = 0;
        using var listener = new ActivityListener
        {
            ShouldListenTo = static source => source.Name == CephTelemetry.SourceName,
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = call =>
            {
                if (call.OperationName == "rbd_watchers_list" && call.GetTagItem("rbd.subject") is string subject && subject.EndsWith(volume.ImageName, StringComparison.Ordinal))
                    Interlocked.Increment(ref looks);
            },
        };
        ActivitySource.AddActivityListener(listener);
        await image.Mirroring.CreateSnapshotAsync(None);
        Assert.Equal(1, looks);
    }
}
