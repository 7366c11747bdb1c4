using System.Diagnostics;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;
using RbdReplication.Csi.Protocol;

namespace RbdReplication.CephTests;

/// <summary>
/// A cluster that answers slowly between what a change is decided by and the change: the clock of the operation jumps while it calls Ceph.
/// </summary>
public sealed class DecisionAndDeedTests(TwoSites sites)
{
    private const string Open = "rbd_aio_open_by_id";
    private const string Look = "rbd_aio_mirror_image_get_global_status";
    private const string History = "rbd_snap_list";
    private const string Promotion = "rbd_aio_mirror_image_promote";
    private const string Demotion = "rbd_aio_mirror_image_demote";
    private const string Jump = "the clock jumps";

    [Theory]
    [InlineData(Open)]
    [InlineData(History)]
    public async Task A_demotion_that_has_grown_old_while_the_cluster_was_slow_is_not_promoted_by_what_was_seen_before(string slow)
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        await TestVolume.RetryAsync(() => volume.DemoteAsync(sites.A), "site-a is demoted");
        await using var operation = new SlowOperation(sites.B, slow);
        // What allows it at once is over in a minute; later it takes a report of the peer that is newer than the question.
        var refusal = await Assert.ThrowsAsync<ReplicationException>(() => operation.RunAsync(
            replication => replication.PromoteAsync(new(volume.Handle, sites.B.Credentials), ReplicationParameters.Parse(new Dictionary<string, string>()), force: false, CancellationToken.None)));
        Assert.Equal(ReplicationError.Busy, refusal.Error);
        Assert.Contains(Jump, operation.Calls);
        Assert.DoesNotContain(Promotion, operation.Calls);
        Assert.False((await volume.InfoAsync(sites.B)).IsPrimary);
    }

    [Theory]
    [InlineData(Open)]
    [InlineData(History)]
    public async Task A_volume_is_not_demoted_before_its_peer_was_looked_at_again_when_the_cluster_was_slow(string slow)
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        // A snapshot that the peer has copied, and its word that it follows: the demotion needs no further proof.
        await volume.TakeSnapshotAsync(sites.A);
        await Eventually.TrueAsync(
            async () => !await volume.IsAwaitedAsync(sites.A) && (await volume.GetInfoAsync(sites.A)).Status == GetVolumeReplicationInfoResponse.Types.Status.Healthy,
            "the peer follows");
        // On a busy machine what is seen after the jump may not prove enough: then it is another call that does it, slow as the first one. Each
        // takes the snapshot by which the next has its proof, though its own time is over.
        await TestVolume.RetryAsync(async () =>
        {
            await using var operation = new SlowOperation(sites.A, slow);
            try
            {
                await operation.RunAsync(replication => replication.DemoteAsync(new(volume.Handle, sites.A.Credentials), force: false, CancellationToken.None));
            }
            // Whether the peer copies the demotion in time is not what this is about, and another call would find nothing to do.
            catch (ReplicationException) when (operation.Calls.Contains(Demotion))
            {
            }
            var since = operation.Calls.SkipWhile(call => call != Jump).ToList();
            Assert.Contains(Look, since.TakeWhile(call => call != Demotion));
            Assert.Contains(Demotion, since);
        }, "site-a is demoted");
    }

    /// <summary>The operations of one site in this process, one of whose calls into Ceph takes more than a minute by their clock.</summary>
    private sealed class SlowOperation : IAsyncDisposable
    {
        private static readonly TimeSpan Delay = TimeSpan.FromSeconds(70);
        private static readonly AsyncLocal<SlowOperation?> Current = new();

        private readonly JumpingTime _time = new();
        private readonly ClusterConnections _connections = new(TimeProvider.System);
        private readonly VolumeReplication _replication;
        private readonly ActivityListener _listener;
        private readonly string _slow;

        public SlowOperation(Site site, string slow)
        {
            _slow = slow;
            var files = new ClusterFiles(site.ConfigPath, site.MappingPath, (_, _) => { });
            var resolver = new VolumeResolver(files, new Places(_connections, TimeProvider.System), _connections, new PoolsInUse(TimeProvider.System, areWatched: false));
            _replication = new VolumeReplication(
                new VolumeOperations(resolver, new VolumeGate(TimeProvider.System), new VolumeLocks("slow", TimeProvider.System), (_, _, _) => { }), files, _time, (_, _, _) => { });
            _listener = new ActivityListener
            {
                ShouldListenTo = source => source.Name == CephTelemetry.SourceName,
                Sample = (ref _) => ActivitySamplingResult.PropagationData,
                // In the flow of the operation, before the call begins; other tests have flows of their own.
                ActivityStarted = activity =>
                {
                    if (Current.Value == this)
                        Note(activity.OperationName);
                },
            };
            ActivitySource.AddActivityListener(_listener);
        }

        /// <summary>The calls into Ceph, in order, and when the clock jumped.</summary>
        public List<string> Calls { get; } = [];

        public async Task RunAsync(Func<VolumeReplication, Task> change)
        {
            Current.Value = this;
            await change(_replication);
        }

        private void Note(string call)
        {
            lock (Calls)
            {
                // The opening for writing, or the end of a look that follows it.
                var isDue = call == _slow && (call == Open || Calls.SkipWhile(earlier => earlier != Open).Contains(Look));
                Calls.Add(call);
                if (!isDue || Calls.Contains(Jump))
                    return;
                Calls.Add(Jump);
                _time.Jump(Delay);
            }
        }

        public async ValueTask DisposeAsync()
        {
            _listener.Dispose();
            await _connections.DisposeAsync();
        }
    }

    private sealed class JumpingTime : TimeProvider
    {
        private TimeSpan _ahead;

        public void Jump(TimeSpan ahead) => _ahead += ahead;

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + _ahead;
    }
}
