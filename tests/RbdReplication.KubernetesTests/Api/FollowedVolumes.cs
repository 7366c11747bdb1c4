using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Kubernetes;
using RbdReplication.Kubernetes.Informers;
using RbdReplication.Kubernetes.Volumes;
using RbdReplication.KubernetesTests.Clusters;
using RbdReplication.Tests.Kubernetes;

namespace RbdReplication.KubernetesTests.Api;

/// <summary>Our informer on a real API server, what it has reported of one driver's volumes, and these volumes.</summary>
public sealed class FollowedVolumes : IAsyncDisposable
{
    private readonly ApiServer _server;
    private readonly KubernetesApi _api;
    private readonly ConcurrentDictionary<Guid, PersistentVolume> _known = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Func<Task> _onPage;
    private readonly Task _running;
    private int _pages;
    private int _lists;
    private int _changes;

    /// <param name="server">The server.</param>
    /// <param name="driver">The driver, one of the test's own.</param>
    /// <param name="options">How they are followed.</param>
    /// <param name="onPage">Awaited with each page, before the informer goes on.</param>
    public FollowedVolumes(ApiServer server, string driver, InformerOptions options, Func<Task>? onPage = null)
    {
        _server = server;
        Driver = driver;
        _onPage = onPage ?? (() => Task.CompletedTask);
        _api = TwoClusters.Connect(server);
        Informer = new Informer<PersistentVolume>(_api, new PersistentVolumeResource(driver), options, TimeProvider.System, Log);
        _running = Informer.RunAsync(ReportAsync, _stop.Token);
    }

    public string Driver { get; }

    public Informer<PersistentVolume> Informer { get; }

    public LogLines Log { get; } = new();

    /// <summary>Names of the volumes that there are, as far as has been told.</summary>
    public IReadOnlyList<string> Names => [.. _known.Values.Select(v => v.Name).Order()];

    /// <summary>Pages told of.</summary>
    public int Pages => _pages;

    /// <summary>Lists told of to their end.</summary>
    public int Lists => _lists;

    /// <summary>Volumes told of by watches.</summary>
    public int Changes => _changes;

    public PersistentVolume? Find(string name) => _known.Values.SingleOrDefault(v => v.Name == name);

    public Task ListedAsync(int lists = 1) => Eventually.TrueAsync(() => Task.FromResult(Lists >= lists), $"{lists} lists are complete");

    public Task KnownAsync(params IEnumerable<string> names) =>
        Eventually.TrueAsync(() => Task.FromResult(Names.SequenceEqual(names.Order())), "exactly the volumes that there are are known");

    /// <summary>Makes volumes of the driver, and returns their names.</summary>
    public static async Task<IReadOnlyList<string>> CreateAsync(ApiServer server, string driver, int count)
    {
        var names = new ConcurrentBag<string>();
        await Parallel.ForAsync(0, count, async (i, _) =>
        {
            var pv = PvObject.Json(i, driver, handle: $"0001-0009-rook-ceph-0000000000000002-{Guid.NewGuid()}");
            // Other tests have volumes of these numbers, too.
            pv["metadata"] = new System.Text.Json.Nodes.JsonObject { ["name"] = $"pvc-{Guid.NewGuid()}" };
            names.Add((string)(await server.CreateAsync(ApiServer.Volumes, pv))["metadata"]!["name"]!);
        });
        return [.. names.Order()];
    }

    public async Task<string> CreateOneAsync() => (await CreateAsync(_server, Driver, 1))[0];

    /// <summary>Deletes a volume; it is gone once the controller for volumes in use has let it go.</summary>
    public Task DeleteAsync(string name) => _server.DeleteAsync($"{ApiServer.Volumes}/{name}");

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _running);
        _api.Dispose();
        _stop.Dispose();
    }

    private async ValueTask ReportAsync(ObjectChange<PersistentVolume> change, CancellationToken stop)
    {
        switch (change)
        {
            case ObjectChange<PersistentVolume>.Listed page:
                foreach (var item in page.Items)
                    _known[item.Id] = item;
                _pages++;
                await _onPage();
                break;
            case ObjectChange<PersistentVolume>.ListCompleted:
                _lists++;
                break;
            case ObjectChange<PersistentVolume>.Applied applied:
                _known[applied.Item.Id] = applied.Item;
                _changes++;
                break;
            case ObjectChange<PersistentVolume>.Deleted deleted:
                _known.TryRemove(deleted.Id, out _);
                break;
        }
    }
}
