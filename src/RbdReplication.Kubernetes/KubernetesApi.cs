using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using k8s;
using k8s.Authentication;
using k8s.KubeConfigModels;

namespace RbdReplication.Kubernetes;

/// <summary>
/// A connection to one Kubernetes API server: single objects, and raw responses for lists and watches that must be read as a
/// stream.
/// </summary>
public sealed class KubernetesApi : IDisposable
{
    private static readonly TimeSpan RequestTimeout = TimeSpan.FromSeconds(30);

    private readonly HttpClient _client;
    private readonly ServiceClientCredentials? _credentials;
    private readonly string _userAgent;

    /// <summary>Connects with a ready-made client configuration.</summary>
    /// <exception cref="CryptographicException">The client certificate or its key cannot be read.</exception>
    public KubernetesApi(KubernetesClientConfiguration configuration)
        : this(configuration, KeepAlive.Default)
    {
    }

    internal KubernetesApi(KubernetesClientConfiguration configuration, KeepAlive keepAlive)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        _userAgent = configuration.UserAgent ?? "rbd-replication";
        _client = ApiTransport.CreateClient(configuration, keepAlive);
        _credentials = ApiTransport.Credentials(configuration);
        Namespace = configuration.Namespace;
    }

    /// <summary>The namespace of the pod or of the kubeconfig's current context; null when neither names one.</summary>
    public string? Namespace { get; }

    /// <summary>The API server's address, for messages.</summary>
    public Uri Address => _client.BaseAddress!;

    /// <summary>Reads a kubeconfig file, or the pod's service account when <paramref name="kubeconfig"/> is null.</summary>
    /// <exception cref="KubernetesApiException">The file or the service account cannot be read.</exception>
    public static KubernetesApi Connect(string? kubeconfig)
    {
        try
        {
            return new KubernetesApi(kubeconfig is null
                ? KubernetesClientConfiguration.InClusterConfig()
                : KubernetesClientConfiguration.BuildConfigFromConfigFile(kubeconfig));
        }
        // Whatever it is: what reads these files, YAML and certificates, throws what it happens to trip over (NullReferenceException
        // for a document that is empty, ArgumentException for a tag that is no URI), and all of it means that they cannot be used.
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            var source = kubeconfig is null
                ? "the service account of this pod (give --kubeconfig outside of a cluster)"
                : $"kubeconfig {kubeconfig}";
            throw new KubernetesApiException(null, null, $"cannot use {source}: {e.Message}", e);
        }
    }

    /// <summary>Connects to a context of a kubeconfig.</summary>
    /// <param name="files">The files that make it up, as kubectl merges them: what an earlier one says wins, and of several one may be missing.</param>
    /// <param name="context">Name of the context; null for the current one.</param>
    /// <exception cref="KubernetesApiException">A file cannot be read, or none has such a context.</exception>
    public static KubernetesApi Connect(IReadOnlyList<string> files, string? context)
    {
        var wanted = context is null ? "the current context" : $"context {context}";
        try
        {
            var read = files.Where(file => files.Count == 1 || File.Exists(file)).Select(file => KubernetesClientConfiguration.LoadKubeConfig(new FileInfo(file))).ToList();
            context ??= read.Select(file => file.CurrentContext).FirstOrDefault(name => !string.IsNullOrEmpty(name));
            var owner = read.FirstOrDefault(file => file.Contexts?.Any(known => known.Name == context) == true)
                ?? throw new KubernetesApiException(null, null, $"{wanted} is not in kubeconfig {string.Join(", ", files)}; known are {string.Join(", ", read.SelectMany(file => file.Contexts ?? []).Select(known => known.Name))}");
            return new KubernetesApi(KubernetesClientConfiguration.BuildConfigFromConfigObject(IsWhole(owner, context!) ? owner : Merged(read), context));
        }
        // As above.
        catch (Exception e) when (e is not (OutOfMemoryException or KubernetesApiException))
        {
            throw new KubernetesApiException(null, null, $"cannot use {wanted} of kubeconfig {string.Join(", ", files)}: {e.Message}", e);
        }
    }

    private static bool IsWhole(K8SConfiguration file, string context)
    {
        var details = file.Contexts.First(known => known.Name == context).ContextDetails;
        return file.Clusters?.Any(cluster => cluster.Name == details?.Cluster) == true
            && (string.IsNullOrEmpty(details?.User) || file.Users?.Any(user => user.Name == details.User) == true);
    }

    // Paths in a file are relative to it, which the merged one does not know any more.
    private static K8SConfiguration Merged(IReadOnlyList<K8SConfiguration> files)
    {
        var all = new K8SConfiguration { Contexts = [.. files.SelectMany(file => file.Contexts ?? [])], Clusters = [], Users = [] };
        foreach (var file in files)
        {
            foreach (var cluster in file.Clusters ?? [])
            {
                if (all.Clusters.Any(known => known.Name == cluster.Name))
                    continue;
                if (cluster.ClusterEndpoint is { } endpoint)
                    endpoint.CertificateAuthority = Absolute(file, endpoint.CertificateAuthority);
                all.Clusters = [.. all.Clusters, cluster];
            }
            foreach (var user in file.Users ?? [])
            {
                if (all.Users.Any(known => known.Name == user.Name))
                    continue;
                if (user.UserCredentials is { } credentials)
                {
                    credentials.ClientCertificate = Absolute(file, credentials.ClientCertificate);
                    credentials.ClientKey = Absolute(file, credentials.ClientKey);
                }
                all.Users = [.. all.Users, user];
            }
        }
        return all;
    }

    private static string? Absolute(K8SConfiguration file, string? path) =>
        string.IsNullOrEmpty(path) || string.IsNullOrEmpty(file.FileName) ? path : Path.Combine(Path.GetDirectoryName(Path.GetFullPath(file.FileName))!, path);

    /// <inheritdoc/>
    public void Dispose() => _client.Dispose();

    /// <summary>GET <paramref name="path"/> (with query, no leading slash), returning once the headers are in.</summary>
    /// <exception cref="KubernetesApiException">The server answered with an error, or could not be reached.</exception>
    internal async Task<HttpResponseMessage> GetAsync(string path, TimeProvider time, CancellationToken cancellation)
    {
        // A stream is silent for minutes, and only HTTP/2 has pings to tell that from a dead connection. The short requests keep
        // to connections of their own, which a request that fails takes with it: a dead one never costs a leader its lease.
        using var request = new HttpRequestMessage(HttpMethod.Get, path)
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionOrLower,
        };
        return await WithinAsync(RequestTimeout, time, token => SendAsync(request, token), cancellation).ConfigureAwait(false);
    }

    /// <summary>Reads an object.</summary>
    /// <inheritdoc cref="GetAsync" path="/exception"/>
    internal Task<T> ReadAsync<T>(string path, JsonTypeInfo<T> type, TimeSpan timeout, TimeProvider time, CancellationToken cancellation) =>
        CallAsync(HttpMethod.Get, path, null, type, timeout, time, cancellation);

    /// <summary>Creates (POST to a collection) or replaces (PUT) an object, and returns what the server made of it.</summary>
    /// <inheritdoc cref="GetAsync" path="/exception"/>
    internal Task<T> WriteAsync<T>(
        HttpMethod method, string path, T body, JsonTypeInfo<T> type, TimeSpan timeout, TimeProvider time, CancellationToken cancellation) =>
        CallAsync(method, path, Json(JsonSerializer.SerializeToUtf8Bytes(body, type), "application/json"), type, timeout, time, cancellation);

    /// <summary>Changes the fields of an object that <paramref name="patch"/> (a JSON merge patch) has.</summary>
    /// <inheritdoc cref="GetAsync" path="/exception"/>
    internal Task PatchAsync<T>(
        string path, T patch, JsonTypeInfo<T> type, TimeSpan timeout, TimeProvider time, CancellationToken cancellation) =>
        CallAsync(
            HttpMethod.Patch, path, Json(JsonSerializer.SerializeToUtf8Bytes(patch, type), "application/merge-patch+json"), type, timeout, time, cancellation);

    /// <summary>Deletes an object, and returns the server's answer.</summary>
    /// <inheritdoc cref="GetAsync" path="/exception"/>
    internal Task<T> DeleteAsync<T>(string path, JsonTypeInfo<T> type, TimeSpan timeout, TimeProvider time, CancellationToken cancellation) =>
        CallAsync(HttpMethod.Delete, path, null, type, timeout, time, cancellation);

    private static ByteArrayContent Json(byte[] body, string mediaType) =>
        new(body) { Headers = { ContentType = new MediaTypeHeaderValue(mediaType) } };

    private async Task<T> CallAsync<T>(
        HttpMethod method, string path, HttpContent? body, JsonTypeInfo<T> type, TimeSpan timeout, TimeProvider time, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(method, path) { Content = body };
        return await WithinAsync(timeout, time, async token =>
        {
            using var response = await SendAsync(request, token).ConfigureAwait(false);
            var stream = await response.Content.ReadAsStreamAsync(token).ConfigureAwait(false);
            return await JsonSerializer.DeserializeAsync(stream, type, token).ConfigureAwait(false)
                ?? throw new JsonException("an empty answer");
        }, cancellation).ConfigureAwait(false);
    }

    private async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellation)
    {
        request.Headers.Accept.ParseAdd("application/json");
        request.Headers.UserAgent.ParseAdd(_userAgent);
        if (_credentials is not null)
            await _credentials.ProcessHttpRequestAsync(request, cancellation).ConfigureAwait(false);
        var response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation).ConfigureAwait(false);
        if (response.IsSuccessStatusCode)
            return response;
        using (response)
            throw KubernetesApiException.From(response.StatusCode, await response.Content.ReadAsStringAsync(cancellation).ConfigureAwait(false));
    }

    private async Task<T> WithinAsync<T>(
        TimeSpan timeout, TimeProvider time, Func<CancellationToken, Task<T>> call, CancellationToken cancellation)
    {
        using var deadline = new CancellationTokenSource(timeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellation);
        try
        {
            return await call(both.Token).ConfigureAwait(false);
        }
        catch (JsonException e)
        {
            throw new KubernetesApiException(null, null, $"{Address} answers with something else than the object that was asked for: {e.Message}", e);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw new KubernetesApiException(null, null, $"cannot reach {Address}: {e.Message}", e);
        }
        catch (OperationCanceledException e) when (!cancellation.IsCancellationRequested)
        {
            throw new KubernetesApiException(null, null, $"no answer from {Address} in {timeout.TotalSeconds:0.#} s", e);
        }
    }
}
