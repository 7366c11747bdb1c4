using System.Net;
using System.Text.Json;
using k8s;
using k8s.Autorest;

namespace RbdReplication.Kubernetes;

/// <summary>
/// A connection to one Kubernetes API server: the typed client for single objects, and raw responses for lists and
/// watches that must be read as a stream.
/// </summary>
public sealed class KubernetesApi : IDisposable
{
    private static readonly TimeSpan RequestTimeout = TimeSpan.FromSeconds(30);

    /// <summary>Connects with a ready-made client configuration.</summary>
    public KubernetesApi(KubernetesClientConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        configuration.UserAgent ??= "rbd-replication";
        Namespace = configuration.Namespace;
        Client = new k8s.Kubernetes(configuration);
    }

    /// <summary>The namespace of the pod or of the kubeconfig's current context; null when neither names one.</summary>
    public string? Namespace { get; }

    /// <summary>The API server's address, for messages.</summary>
    public Uri Address => Client.BaseUri;

    internal k8s.Kubernetes Client { get; }

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
        catch (Exception e) when (e is k8s.Exceptions.KubeConfigException or IOException or UnauthorizedAccessException
            or YamlDotNet.Core.YamlException or System.Security.Cryptography.CryptographicException or UriFormatException)
        {
            var source = kubeconfig is null
                ? "the service account of this pod (give --kubeconfig outside of a cluster)"
                : $"kubeconfig {kubeconfig}";
            throw new KubernetesApiException(null, null, $"cannot use {source}: {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Client.Dispose();

    /// <summary>
    /// GET <paramref name="path"/> (with query, no leading slash), returning once the headers are in.
    /// </summary>
    /// <exception cref="KubernetesApiException">The server answered with an error, or could not be reached.</exception>
    internal async Task<HttpResponseMessage> GetAsync(string path, TimeProvider time, CancellationToken cancellation)
    {
        using var deadline = new CancellationTokenSource(RequestTimeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellation);
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(Client.BaseUri, path));
        request.Headers.Accept.ParseAdd("application/json");
        try
        {
            if (Client.Credentials is { } credentials)
                await credentials.ProcessHttpRequestAsync(request, both.Token).ConfigureAwait(false);
            var response = await Client.HttpClient
                .SendAsync(request, HttpCompletionOption.ResponseHeadersRead, both.Token).ConfigureAwait(false);
            if (response.IsSuccessStatusCode)
                return response;
            using (response)
            {
                var body = await response.Content.ReadAsStringAsync(both.Token).ConfigureAwait(false);
                throw KubernetesApiException.From(response.StatusCode, body);
            }
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw new KubernetesApiException(null, null, $"cannot reach {Address}: {e.Message}", e);
        }
        catch (OperationCanceledException e) when (!cancellation.IsCancellationRequested)
        {
            throw new KubernetesApiException(null, null, $"no answer from {Address} in {RequestTimeout.TotalSeconds:0} s", e);
        }
    }

    /// <summary>Runs one typed call with a deadline and turns its failures into <see cref="KubernetesApiException"/>.</summary>
    internal async Task<T> CallAsync<T>(
        Func<k8s.Kubernetes, CancellationToken, Task<T>> call, TimeSpan timeout, TimeProvider time, CancellationToken cancellation)
    {
        using var deadline = new CancellationTokenSource(timeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellation);
        try
        {
            return await call(Client, both.Token).ConfigureAwait(false);
        }
        catch (HttpOperationException e)
        {
            throw KubernetesApiException.From(e.Response?.StatusCode ?? HttpStatusCode.InternalServerError, e.Response?.Content);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or JsonException)
        {
            throw new KubernetesApiException(null, null, $"cannot reach {Address}: {e.Message}", e);
        }
        catch (OperationCanceledException e) when (!cancellation.IsCancellationRequested)
        {
            throw new KubernetesApiException(null, null, $"no answer from {Address} in {timeout.TotalSeconds:0.#} s", e);
        }
    }
}
