using RbdReplication.Core;

namespace RbdReplication.Benchmarks;

/// <summary>What the server has below gRPC, in this process.</summary>
internal sealed class CoreCalls : IAsyncDisposable
{
    private readonly ClusterConnections _connections = new(TimeProvider.System);

    public CoreCalls(BenchSite site)
    {
        var files = new ClusterFiles(site.ConfigPath, site.ConfigPath + ".none", (_, _) => { });
        Resolver = new VolumeResolver(files, new Places(_connections, TimeProvider.System), _connections, new PoolsInUse(TimeProvider.System, areWatched: false));
        Replication = new VolumeReplication(
            new VolumeOperations(Resolver, new VolumeGate(TimeProvider.System), new VolumeLocks("benchmark", TimeProvider.System), (_, _, _) => { }), files, TimeProvider.System, (_, _, _) => { });
        Lister = new PoolLister(_connections, TimeProvider.System);
        Cluster = files.Read().Config.Find(BenchSite.ClusterId)!;
    }

    public static ReplicationParameters Defaults { get; } = ReplicationParameters.Parse(new Dictionary<string, string>());

    public VolumeResolver Resolver { get; }

    public VolumeReplication Replication { get; }

    public PoolLister Lister { get; }

    public ClusterEntry Cluster { get; }

    public ValueTask DisposeAsync() => _connections.DisposeAsync();
}
