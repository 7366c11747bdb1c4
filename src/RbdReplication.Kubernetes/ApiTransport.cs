using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using k8s;
using k8s.Authentication;

namespace RbdReplication.Kubernetes;

/// <summary>
/// The HTTP client that a kubeconfig or a service account stands for: trust, client certificate and credentials. The
/// package's own typed client is not used: <c>docs/performance.md</c> has what it costs, and what would change that.
/// </summary>
internal static class ApiTransport
{
    public static HttpClient CreateClient(KubernetesClientConfiguration configuration, KeepAlive keepAlive)
    {
        var tls = new SslClientAuthenticationOptions();
        if (configuration.SkipTlsVerify)
        {
#pragma warning disable CA5359 // The kubeconfig asks for it: insecure-skip-tls-verify.
            tls.RemoteCertificateValidationCallback = static (_, _, _, _) => true;
#pragma warning restore CA5359
        }
        else if (configuration.SslCaCerts is { Count: > 0 } authorities)
        {
            tls.CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
            };
            tls.CertificateChainPolicy.CustomTrustStore.AddRange(authorities);
        }
        if (ClientCertificate(configuration) is { } certificate)
            tls.ClientCertificates = [certificate];
        var handler = new SocketsHttpHandler
        {
            SslOptions = tls,
            PooledConnectionLifetime = TimeSpan.FromMinutes(10),
            KeepAlivePingDelay = keepAlive.Delay,
            KeepAlivePingTimeout = keepAlive.Timeout,
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
            EnableMultipleHttp2Connections = true,
        };
        var client = new HttpClient(handler) { BaseAddress = BaseAddress(configuration.Host), Timeout = Timeout.InfiniteTimeSpan };
        // The handler takes the name to ask for and to check from this header.
        client.DefaultRequestHeaders.Host = string.IsNullOrEmpty(configuration.TlsServerName) ? null : configuration.TlsServerName;
        return client;
    }

    /// <summary>What proves to the server who asks; null where the certificate does, or nothing.</summary>
    public static ServiceClientCredentials? Credentials(KubernetesClientConfiguration configuration) => configuration switch
    {
        { TokenProvider: { } provider } => new TokenCredentials(provider),
        { AccessToken: { Length: > 0 } token } => new TokenCredentials(token),
        { Username: { Length: > 0 } user } => new BasicAuthenticationCredentials { UserName = user, Password = configuration.Password },
        _ => null,
    };

    // Paths are relative to it: without the last slash a prefix, as proxies have one, would be cut off.
    private static Uri BaseAddress(string host) => new(host.TrimEnd('/') + '/');

    private static X509Certificate2? ClientCertificate(KubernetesClientConfiguration configuration)
    {
        var certificate = Text(configuration.ClientCertificateData, configuration.ClientCertificateFilePath);
        var key = Text(configuration.ClientCertificateKeyData, configuration.ClientKeyFilePath);
        return certificate is null || key is null ? null : X509Certificate2.CreateFromPem(certificate, key);
    }

    private static string? Text(string? base64, string? path) =>
        !string.IsNullOrEmpty(base64) ? Encoding.UTF8.GetString(Convert.FromBase64String(base64))
        : !string.IsNullOrEmpty(path) ? File.ReadAllText(path)
        : null;
}

/// <summary>When a silent HTTP/2 connection with a request under way is asked whether it is still there.</summary>
/// <param name="Delay">After so long without a word.</param>
/// <param name="Timeout">Without an answer for so long it is dead, and its requests fail.</param>
internal readonly record struct KeepAlive(TimeSpan Delay, TimeSpan Timeout)
{
    /// <summary>As KubernetesClient has it.</summary>
    public static KeepAlive Default { get; } = new(TimeSpan.FromMinutes(3), TimeSpan.FromSeconds(30));
}
