using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using k8s;
using RbdReplication.Kubernetes;

namespace RbdReplication.KubernetesTests.Clusters;

/// <summary>One cluster's API server as its user sees it: objects as JSON, by their path.</summary>
public sealed class ApiServer : IDisposable
{
    /// <summary>Group and version of the kinds of CSI-Addons' replication.</summary>
    public const string ReplicationVersion = "replication.storage.openshift.io/v1alpha1";

    /// <summary>Path of these kinds.</summary>
    public const string Replication = "apis/" + ReplicationVersion;

    /// <summary>Path of the cluster's volumes.</summary>
    public const string Volumes = "api/v1/persistentvolumes";

    private readonly HttpClient _client;
    private readonly string _token;

    /// <param name="kubeconfig">The file.</param>
    /// <param name="context">One of its contexts.</param>
    public ApiServer(string kubeconfig, string context)
    {
        var configuration = KubernetesClientConfiguration.BuildConfigFromConfigFile(kubeconfig, context);
        Name = context;
        Address = configuration.Host;
        _client = ApiTransport.CreateClient(configuration, KeepAlive.Default);
        _token = configuration.AccessToken;
    }

    public string Name { get; }

    public string Address { get; }

    /// <summary>Path of a namespace's claims.</summary>
    public static string Claims(string @namespace) => $"api/v1/namespaces/{@namespace}/persistentvolumeclaims";

    /// <summary>Path of a namespace's VolumeReplications.</summary>
    public static string Replications(string @namespace) => $"{Replication}/namespaces/{@namespace}/volumereplications";

    /// <summary>An object, or a list of objects.</summary>
    /// <exception cref="KubernetesApiException">The server answers with an error.</exception>
    public async Task<JsonObject> GetAsync(string path) => await SendAsync(HttpMethod.Get, path, null, "");

    /// <summary>An object; null if there is none.</summary>
    public async Task<JsonObject?> FindAsync(string path)
    {
        try
        {
            return await GetAsync(path);
        }
        catch (KubernetesApiException e) when (e.IsNotFound)
        {
            return null;
        }
    }

    /// <summary>All objects of a collection.</summary>
    public async Task<IReadOnlyList<JsonObject>> ListAsync(string collection) => [.. (await GetAsync(collection))["items"]!.AsArray().Select(item => item!.AsObject())];

    /// <summary>Makes an object in a collection.</summary>
    public Task<JsonObject> CreateAsync(string collection, JsonObject value) => SendAsync(HttpMethod.Post, collection, value, "application/json");

    /// <summary>Replaces an object, or its status where the path ends with <c>/status</c>; a conflict when it was changed since it was read.</summary>
    public Task<JsonObject> ReplaceAsync(string path, JsonObject value) => SendAsync(HttpMethod.Put, path, value, "application/json");

    /// <summary>Changes what the patch has.</summary>
    public Task<JsonObject> MergeAsync(string path, JsonObject patch) => SendAsync(HttpMethod.Patch, path, patch, "application/merge-patch+json");

    public Task DeleteAsync(string path) => SendAsync(HttpMethod.Delete, path, null, "");

    /// <summary>The lines of a watch, once the server has ended it.</summary>
    public async Task<IReadOnlyList<JsonObject>> WatchAsync(string path)
    {
        using var request = Request(HttpMethod.Get, path);
        using var response = await _client.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        return [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonNode.Parse(line)!.AsObject())];
    }

    public void Dispose() => _client.Dispose();

    private async Task<JsonObject> SendAsync(HttpMethod method, string path, JsonObject? body, string mediaType)
    {
        using var request = Request(method, path);
        if (body is not null)
            request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, mediaType);
        using var response = await _client.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        return response.StatusCode is HttpStatusCode.OK or HttpStatusCode.Created or HttpStatusCode.Accepted
            ? JsonNode.Parse(text)!.AsObject()
            : throw KubernetesApiException.From(response.StatusCode, text);
    }

    private HttpRequestMessage Request(HttpMethod method, string path) =>
        new(method, path) { Headers = { Authorization = new AuthenticationHeaderValue("Bearer", _token) } };
}
