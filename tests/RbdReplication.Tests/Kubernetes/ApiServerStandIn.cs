using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using RbdReplication.Kubernetes;

namespace RbdReplication.Tests.Kubernetes;

/// <summary>
/// Speaks the part of the Kubernetes API over HTTP that the generator uses: PersistentVolumes with paged lists and
/// watches, VolumeGroupReplicationContents likewise where it has the kind, Secrets by GET, Leases with optimistic locking, Events.
/// </summary>
/// <remarks>
/// What a real server does is tested on one by RbdReplication.KubernetesTests. This one stays for what a real one cannot be made to do when
/// a test wants it: to answer a chosen request with a chosen status or not yet (<see cref="Refuse"/>, <see cref="Before"/>), a write that is
/// done and whose answer is lost, a watch that breaks off inside a line or has a line that is no event, an ERROR event instead of 410, the
/// requests counted (<see cref="Requests"/>), an election by a clock of the test's own, a kind that is not installed, and volumes that no
/// server would store. It also needs nothing that is installed or built, so that every change is tested on it.
/// </remarks>
public sealed class ApiServerStandIn : IAsyncDisposable
{
    public const string GroupPath = "/apis/replication.storage.openshift.io/v1alpha1";

    private readonly VolumeStore _volumes = new("PersistentVolume");
    private readonly VolumeStore _groups = new("VolumeGroupReplicationContent");
    private readonly ConcurrentDictionary<string, JsonObject> _objects = new();
    private readonly ConcurrentQueue<string> _requests = new();
    private readonly Lock _writes = new();
    private WebApplication? _app;
    private int _port;
    private long _version = 1000;

    public ApiServerStandIn() => _volumes.NextVersion = _groups.NextVersion = () => Interlocked.Increment(ref _version);

    public VolumeStore Volumes => _volumes;

    /// <summary>The VolumeGroupReplicationContents, told of while <see cref="HasGroupKind"/>.</summary>
    public VolumeStore Groups => _groups;

    /// <summary>Whether the kinds of volume groups are installed.</summary>
    public bool HasGroupKind { get; set; }

    /// <summary>Method and path with query of every request, in order of arrival.</summary>
    public IReadOnlyCollection<string> Requests => _requests;

    /// <summary>When it returns a status, that is the answer to the request (method, path).</summary>
    public Func<string, string, int?> Refuse { get; set; } = (_, _) => null;

    /// <summary>Awaited before a request (method, path) is answered.</summary>
    public Func<string, string, Task> Before { get; set; } = (_, _) => Task.CompletedTask;

    public IEnumerable<JsonObject> Events => _objects.Where(o => o.Key.Contains("/events/")).Select(o => o.Value);

    public async Task<ApiServerStandIn> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls($"http://127.0.0.1:{_port}");
        // A server that goes away does not wait for its watches.
        builder.Services.Configure<Microsoft.Extensions.Hosting.HostOptions>(o => o.ShutdownTimeout = TimeSpan.Zero);
        _app = builder.Build();
        _app.Run(AnswerAsync);
        await _app.StartAsync();
        _port = new Uri(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()).Port;
        return this;
    }

    public async Task StopAsync()
    {
        _volumes.EndWatches(abort: true);
        _groups.EndWatches(abort: true);
        if (_app is { } app)
            await app.DisposeAsync();
        _app = null;
    }

    public KubernetesApi Connect() => new(new k8s.KubernetesClientConfiguration { Host = $"http://127.0.0.1:{_port}", Namespace = "test" });

    public string KubeConfig() => $$$"""
        apiVersion: v1
        kind: Config
        current-context: test
        clusters: [{name: test, cluster: {server: "http://127.0.0.1:{{{_port}}}"}}]
        contexts: [{name: test, context: {cluster: test, user: test, namespace: ceph}}]
        users: [{name: test, user: {token: not-a-real-token}}]
        """;

    public void PutSecret(string @namespace, string name, params (string Key, string Value)[] data)
    {
        var values = new JsonObject();
        foreach (var (key, value) in data)
            values[key] = Convert.ToBase64String(Encoding.UTF8.GetBytes(value));
        Put($"/api/v1/namespaces/{@namespace}/secrets/{name}", new JsonObject
        {
            ["kind"] = "Secret",
            ["apiVersion"] = "v1",
            ["metadata"] = new JsonObject { ["name"] = name, ["namespace"] = @namespace, ["managedFields"] = ManagedFields() },
            ["data"] = values,
            ["type"] = "Opaque",
        });
    }

    public void PutGroupClass(string name, JsonObject parameters) => Put($"{GroupPath}/volumegroupreplicationclasses/{name}", new JsonObject
    {
        ["kind"] = "VolumeGroupReplicationClass",
        ["metadata"] = new JsonObject { ["name"] = name },
        ["spec"] = new JsonObject { ["provisioner"] = PvObject.Driver, ["parameters"] = parameters },
    });

    public JsonObject? Lease(string @namespace, string name) =>
        _objects.GetValueOrDefault($"/apis/coordination.k8s.io/v1/namespaces/{@namespace}/leases/{name}");

    public void PutLease(string @namespace, string name, JsonObject spec) =>
        Put($"/apis/coordination.k8s.io/v1/namespaces/{@namespace}/leases/{name}", new JsonObject
        {
            ["kind"] = "Lease",
            ["apiVersion"] = "coordination.k8s.io/v1",
            ["metadata"] = new JsonObject { ["name"] = name, ["namespace"] = @namespace },
            ["spec"] = spec,
        });

    public void ForgetEvents() => Forget("/events/");

    public void ForgetLeases() => Forget("/leases/");

    public int Count(string method, string pathPart) =>
        _requests.Count(r => r.StartsWith(method + ' ', StringComparison.Ordinal) && r.Contains(pathPart, StringComparison.Ordinal));

    public async ValueTask DisposeAsync() => await StopAsync();

    private void Forget(string pathPart)
    {
        foreach (var path in _objects.Keys.Where(p => p.Contains(pathPart, StringComparison.Ordinal)))
            _objects.TryRemove(path, out _);
    }

    private void Put(string path, JsonObject value)
    {
        lock (_writes)
        {
            value["metadata"]!["resourceVersion"] = Interlocked.Increment(ref _version).ToString();
            _objects[path] = value;
        }
    }

    private static JsonArray ManagedFields() =>
        [new JsonObject { ["manager"] = "kubectl", ["fieldsV1"] = new JsonObject { ["f:data"] = new JsonObject() } }];

    private async Task AnswerAsync(HttpContext context)
    {
        var (method, path) = (context.Request.Method, context.Request.Path.Value!);
        _requests.Enqueue($"{method} {path}{context.Request.QueryString}");
        await Before(method, path);
        if (Refuse(method, path) is { } status)
        {
            await WriteAsync(context, status, Status(status, "Refused", "refused by the test"));
            return;
        }
        if (path == "/api/v1/persistentvolumes")
            await _volumes.AnswerAsync(context);
        else if (HasGroupKind && path == $"{GroupPath}/volumegroupreplicationcontents")
            await _groups.AnswerAsync(context);
        else
            await AnswerObjectAsync(context, method, path);
    }

    private async Task AnswerObjectAsync(HttpContext context, string method, string path)
    {
        if (path.EndsWith("/secrets", StringComparison.Ordinal) || (path.Contains("/secrets/", StringComparison.Ordinal) && method != "GET"))
        {
            await WriteAsync(context, 403, Status(403, "Forbidden", "secrets: only get is allowed"));
            return;
        }
        var body = method is "GET" ? null : (JsonObject?)await JsonNode.ParseAsync(context.Request.Body);
        var (status, answer) = method switch
        {
            "GET" => Get(path),
            "POST" => Create(path, body!),
            "PUT" => Replace(path, body!),
            "PATCH" => Patch(path, body!),
            _ => (405, Status(405, "MethodNotAllowed", method)),
        };
        await WriteAsync(context, status, answer);
    }

    private (int, JsonObject) Get(string path) =>
        _objects.TryGetValue(path, out var value) ? (200, value) : (404, Status(404, "NotFound", $"{path} not found"));

    private (int, JsonObject) Create(string collection, JsonObject value)
    {
        lock (_writes)
        {
            var path = $"{collection}/{value["metadata"]!["name"]}";
            if (_objects.ContainsKey(path))
                return (409, Status(409, "AlreadyExists", $"{path} already exists"));
            value["metadata"]!["managedFields"] = ManagedFields();
            Put(path, value);
            return (201, value);
        }
    }

    private (int, JsonObject) Replace(string path, JsonObject value)
    {
        lock (_writes)
        {
            if (!_objects.TryGetValue(path, out var known))
                return (404, Status(404, "NotFound", $"{path} not found"));
            if ((string?)value["metadata"]!["resourceVersion"] != (string?)known["metadata"]!["resourceVersion"])
                return (409, Status(409, "Conflict", "the object has been modified"));
            value["metadata"]!["managedFields"] = ManagedFields();
            Put(path, value);
            return (200, value);
        }
    }

    private (int, JsonObject) Patch(string path, JsonObject patch)
    {
        lock (_writes)
        {
            if (!_objects.TryGetValue(path, out var known))
                return (404, Status(404, "NotFound", $"{path} not found"));
            var value = (JsonObject)known.DeepClone();
            foreach (var (key, part) in patch)
                value[key] = part?.DeepClone();
            Put(path, value);
            return (200, value);
        }
    }

    internal static JsonObject Status(int code, string reason, string message) => new()
    {
        ["kind"] = "Status",
        ["apiVersion"] = "v1",
        ["metadata"] = new JsonObject(),
        ["status"] = "Failure",
        ["message"] = message,
        ["reason"] = reason,
        ["code"] = code,
    };

    internal static async Task WriteAsync(HttpContext context, int status, JsonNode value)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync(value.ToJsonString(JsonSerializerOptions.Default), context.RequestAborted);
    }
}
