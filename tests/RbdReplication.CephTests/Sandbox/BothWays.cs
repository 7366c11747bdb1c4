using System.Text.RegularExpressions;
using RbdReplication.Ceph;
using RbdReplication.Core;

namespace RbdReplication.CephTests.Sandbox;

/// <summary>
/// The replication info asked for both ways in this process: by opening the image, and from a reading of the pool that has just been made.
/// </summary>
public sealed partial class BothWays : IAsyncDisposable
{
    private readonly Site _site;
    private readonly TimeProvider _time;
    private readonly ClusterConnections _connections = new(TimeProvider.System);
    private readonly ClusterFiles _files;
    private readonly VolumeResolver _resolver;

    public BothWays(Site site, TimeProvider? time = null)
    {
        (_site, _time) = (site, time ?? TimeProvider.System);
        _files = new ClusterFiles(site.ConfigPath, site.MappingPath, (_, _) => { });
        _resolver = new VolumeResolver(_files, new Places(_connections, TimeProvider.System), _connections, new PoolsInUse(TimeProvider.System, areWatched: false));
        Direct = Create(null, null);
    }

    /// <summary>Opens the image for each info.</summary>
    public VolumeReplication Direct { get; }

    /// <summary>Asks both ways until nothing has changed meanwhile, and holds that the answers are the same, field by field.</summary>
    /// <returns>Where the shared answer came from, and the answer.</returns>
    public Task<BothAnswers> AskAsync(TestVolume volume, CephCredentials? credentials = null) =>
        AskAsync(volume.Handle, volume.PoolAt(_site), credentials);

    public Task<BothAnswers> AskAsync(VolumeHandle handle, RadosPool pool, CephCredentials? credentials = null)
    {
        var request = new VolumeRequest(handle, credentials ?? _site.Credentials);
        async Task<(InfoSource Source, string Text)> SharedAsync()
        {
            using var shared = new SharedWay(this);
            await shared.ReadAsync(pool, request.Credentials);
            var answer = await AnswerAsync(shared.Replication, request);
            // The last of the places that a handle may stand for.
            return (shared.Sources[^1], answer);
        }

        return Eventually.GetAsync(
            async () =>
            {
                // A daemon may say something else for a moment, and then the same again: both are asked more than once, in turn.
                var direct = await AnswerAsync(Direct, request);
                var shared = await SharedAsync();
                for (var i = 0; i < 2; i++)
                {
                    if (await AnswerAsync(Direct, request) != direct || await SharedAsync() != shared)
                        return null;
                }
                Assert.Equal(direct, shared.Text);
                return new BothAnswers(shared.Source, shared.Text);
            }, "nothing changes while it is asked for both ways");
    }

    /// <summary>One that keeps its readings.</summary>
    public SharedWay Share(TimeSpan? maximumAge = null) => new(this, maximumAge);

    /// <summary>What the call answers, as text; how old a report is depends on the moment.</summary>
    public static async Task<string> AnswerAsync(VolumeReplication replication, VolumeRequest request)
    {
        try
        {
            var info = await replication.GetInfoAsync(request, CancellationToken.None);
            return Age().Replace($"OK {info.Health} {info.LastSyncTime:O} {info.LastSyncDuration} {info.LastSyncBytes} {info.IsAwaited} {info.Message}", "some time ago");
        }
        catch (ReplicationException e)
        {
            return Age().Replace($"{e.Error} {e.Message}", "some time ago");
        }
    }

    public ValueTask DisposeAsync() => _connections.DisposeAsync();

    private VolumeReplication Create(SharedReports? reports, RecentChanges? changes) => new(
        new VolumeOperations(_resolver, new VolumeGate(TimeProvider.System), new VolumeLocks("both", TimeProvider.System), (_, _, _) => { }, changes),
        _files, _time, (_, _, _) => { }, reports: reports);

    [GeneratedRegex("[0-9]+ s ago")]
    private static partial Regex Age();

    /// <summary>The info from readings of pools.</summary>
    public sealed class SharedWay : IDisposable
    {
        private readonly BothWays _ways;
        private readonly SharedReports _reports;

        internal SharedWay(BothWays ways, TimeSpan? maximumAge = null)
        {
            _ways = ways;
            var age = maximumAge ?? TimeSpan.FromSeconds(30);
            var changes = new RecentChanges(age, TimeProvider.System);
            _reports = new SharedReports(age, changes, TimeProvider.System, answered: (source, _) => Sources.Add(source));
            Replication = ways.Create(_reports, changes);
        }

        public VolumeReplication Replication { get; }

        /// <summary>Where each answer came from.</summary>
        public List<InfoSource> Sources { get; } = [];

        /// <summary>Has the pool read, unless there is a new reading; where that fails the info is asked for otherwise.</summary>
        public async Task ReadAsync(RadosPool pool, CephCredentials credentials)
        {
            var cluster = _ways._files.Read().Config.Clusters.First(entry => entry.RadosNamespace == pool.Namespace && entry.ClusterId is not "dead");
            var connection = await _ways._connections.GetAsync(cluster, credentials, CancellationToken.None);
            try
            {
                await _reports.GetAsync(connection, await connection.GetPoolAsync(pool.Id, pool.Namespace, CancellationToken.None), TimeSpan.MaxValue, CancellationToken.None);
            }
            catch (CephException)
            {
            }
        }

        public Task<string> AnswerAsync(TestVolume volume) => BothWays.AnswerAsync(Replication, new VolumeRequest(volume.Handle, _ways._site.Credentials));

        public void Dispose() => _reports.Dispose();
    }
}

/// <summary>What was answered both ways.</summary>
/// <param name="Source">Where the shared answer came from.</param>
/// <param name="Text">The answer.</param>
public sealed record BothAnswers(InfoSource Source, string Text);
