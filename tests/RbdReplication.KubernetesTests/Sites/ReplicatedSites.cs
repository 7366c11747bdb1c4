using System.Collections.Concurrent;
using RbdReplication.CephTests.PersistentVolumes;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.KubernetesTests.Clusters;
using RbdReplication.KubernetesTests.Play;

namespace RbdReplication.KubernetesTests.Sites;

/// <summary>What serves a driver at both sites: our manifests, controllers for the namespaces of a test, and at site-b the omap generator under its account.</summary>
internal sealed class ReplicatedSites : IAsyncDisposable
{
    private const double Pace = 0.05;

    private readonly (ApiServer Server, Site Site)[] _both;
    private readonly List<PlayedController> _controllers = [];
    private GeneratorProcess? _generator;

    private ReplicatedSites(TwoClusters clusters, TwoSites sites, GeneratorAccount account) =>
        (_both, Account) = ([(clusters.A, sites.A), (clusters.B, sites.B)], account);

    /// <summary>The generator's.</summary>
    public GeneratorAccount Account { get; }

    /// <summary>What the controllers have called, and what came of it.</summary>
    public ConcurrentQueue<string> Calls { get; } = new();

    /// <param name="clusters">The API servers.</param>
    /// <param name="sites">The Ceph sites.</param>
    /// <param name="driver">The driver; one of its own by default.</param>
    public static async Task<ReplicatedSites> PrepareAsync(TwoClusters clusters, TwoSites sites, string? driver = null)
    {
        var account = await GeneratorAccount.StartAsync(clusters.B, sites.B, "default", driver);
        await GeneratorAccount.InstallAsync(clusters.A, sites.A);
        return new ReplicatedSites(clusters, sites, account);
    }

    /// <summary>Has controllers keep a namespace.</summary>
    public void Keep(string nameSpace)
    {
        foreach (var (server, site) in _both)
            _controllers.Add(new PlayedController(server, site.Replication, Pace, Calls.Enqueue, nameSpace, site.Server.Channel).Start());
    }

    /// <summary>Starts the generator.</summary>
    public async Task GenerateAsync()
    {
        _generator = Account.Start();
        await _generator.ReadyAsync();
    }

    public async ValueTask DisposeAsync()
    {
        _generator?.Dispose();
        foreach (var controller in _controllers)
            await controller.DisposeAsync();
        foreach (var call in Calls)
            TestContext.Current.TestOutputHelper?.WriteLine(call);
        await Account.DisposeAsync();
    }
}
