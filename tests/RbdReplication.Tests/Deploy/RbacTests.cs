using Microsoft.Extensions.Logging.Abstractions;
using RbdReplication.Kubernetes;
using RbdReplication.Kubernetes.Events;
using RbdReplication.Kubernetes.Groups;
using RbdReplication.Kubernetes.Informers;
using RbdReplication.Kubernetes.Leases;
using RbdReplication.Kubernetes.Secrets;
using RbdReplication.Kubernetes.Volumes;
using RbdReplication.Tests.Kubernetes;

namespace RbdReplication.Tests.Deploy;

/// <summary>Everything that talks to the API server is run once; what it asked for is what the roles have to allow, and no more.</summary>
public sealed class RbacTests : IAsyncLifetime
{
    private readonly ApiServerStandIn _server = new();
    private readonly ManualTime _time = new();
    private readonly CancellationTokenSource _stop = new();
    private KubernetesApi _api = null!;

    public async ValueTask InitializeAsync()
    {
        await _server.StartAsync();
        _api = _server.Connect();
    }

    public async ValueTask DisposeAsync()
    {
        _api.Dispose();
        await _server.DisposeAsync();
        _stop.Dispose();
    }

    [Fact]
    public async Task The_rbac_rules_allow_exactly_the_calls_that_the_code_makes()
    {
        _server.PutSecret("ceph", "csi-rbd", ("userID", "x"));
        _server.HasGroupKind = true;
        await new SecretReader(_api, _time).ReadAsync(new ObjectName("ceph", "csi-rbd"), _stop.Token);
        await new VolumeGroupClassReader(_api, _time).ReadAsync("rbd-groups", _stop.Token);
        await Task.WhenAll(
            LeadAsync(), RecordAsync(), WatchAsync(new PersistentVolumeResource(PvObject.Driver)), WatchAsync(new VolumeGroupContentResource(PvObject.Driver)));

        var rules = Manifests.Read("kustomize", "base", "rbac.yaml").Where(o => o.Kind().EndsWith("Role", StringComparison.Ordinal)).SelectMany(role => role.Items("rules"))
            .SelectMany(rule => rule.Items("resources").SelectMany(resource => rule.Items("verbs").Select(verb => (resource.ToString(), verb.ToString()))));
        Assert.Equal(rules.Order(), _server.Requests.Select(Call).Distinct().Order());
    }

    /// <summary>Creates the lease, reads it as a second candidate does, and gives it back.</summary>
    private async Task LeadAsync()
    {
        var election = new LeaseElection(_api, LeaseElectionOptions.ForDriver("rbd.csi.ceph.com", "ceph"), _time, NullLogger<LeaseElection>.Instance);
        using var stop = new CancellationTokenSource();
        var running = election.RunAsync(leadership => Task.Delay(Timeout.Infinite, leadership.Token), stop.Token);
        await Until.TrueAsync(() => election.IsLeader, "the candidate leads");
        await stop.CancelAsync();
        await Until.EndsAsync(running);
    }

    private async Task RecordAsync()
    {
        var events = new EventRecorder(_api, "rbd-replication", _time, NullLogger<EventRecorder>.Instance);
        var running = events.RunAsync(_stop.Token);
        var volume = new PersistentVolume { Name = "pvc-1", Uid = Guid.NewGuid().ToString(), Driver = PvObject.Driver };
        events.Warning(volume.Reference, "ImageNotFound", "not yet");
        await Until.TrueAsync(() => events.Written == 1, "the event is created");
        events.Warning(volume.Reference, "ImageNotFound", "still not");
        await Until.TrueAsync(() => events.Written == 2, "the event is changed");
        await _stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
    }

    private async Task WatchAsync<T>(WatchedResource<T> resource) where T : class
    {
        using var stop = new CancellationTokenSource();
        var informer = new Informer<T>(_api, resource, new InformerOptions(), TimeProvider.System, NullLogger.Instance);
        var running = informer.RunAsync((_, _) => ValueTask.CompletedTask, stop.Token);
        await Until.TrueAsync(() => _server.Requests.Any(request => Call(request) == (resource.Path.Split('/')[^1], "watch")), "the watch has begun");
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
    }

    /// <summary>A request as RBAC sees it: https://kubernetes.io/docs/reference/access-authn-authz/authorization/</summary>
    private static (string Resource, string Verb) Call(string request)
    {
        var (method, target) = (request[..request.IndexOf(' ')], request[(request.IndexOf(' ') + 1)..]);
        var path = target.Split('?')[0].Split('/', StringSplitOptions.RemoveEmptyEntries);
        // api/v1/RESOURCE/NAME, or apis/GROUP/v1/..., with namespaces/NAMESPACE before the resource of a namespaced object
        var rest = path[(path[0] == "api" ? 2 : 3)..];
        if (rest[0] == "namespaces" && rest.Length > 2)
            rest = rest[2..];
        return (rest[0], method switch
        {
            "GET" when target.Contains("watch=", StringComparison.Ordinal) => "watch",
            "GET" => rest.Length > 1 ? "get" : "list",
            "POST" => "create",
            "PUT" => "update",
            _ => method.ToLowerInvariant(),
        });
    }
}
