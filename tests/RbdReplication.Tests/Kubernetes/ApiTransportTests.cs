using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using RbdReplication.Kubernetes;
using RbdReplication.Kubernetes.Secrets;

namespace RbdReplication.Tests.Kubernetes;

/// <summary>A kubeconfig against a TLS server with a certificate authority of its own, as API servers are.</summary>
public sealed class ApiTransportTests : IAsyncLifetime
{
    private static readonly ObjectName Name = new("ceph", "csi-rbd");
    private readonly X509Certificate2 _authority = Authority("the cluster's authority");
    private readonly string _path = Path.GetTempFileName();
    private WebApplication _server = null!;
    private int _port;
    private string? _client;
    private string? _authorization;
    private string? _protocol;

    public async ValueTask InitializeAsync()
    {
        var certificate = Issue("localhost");
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(https =>
        {
            https.ServerCertificate = certificate;
            https.ClientCertificateMode = ClientCertificateMode.AllowCertificate;
            https.AllowAnyClientCertificate();
        })));
        _server = builder.Build();
        _server.Run(async context =>
        {
            _client = (await context.Connection.GetClientCertificateAsync())?.Subject;
            _authorization = context.Request.Headers.Authorization;
            _protocol = context.Request.Protocol;
            if (context.Request.Path == "/watch")
            {
                await context.Response.WriteAsync("begins\n");
                await context.Response.Body.FlushAsync();
                await Task.Delay(Timeout.Infinite, context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                return;
            }
            context.Response.ContentType = "application/json";
            await context.Response.WriteAsync("""{"kind":"Secret","metadata":{"name":"csi-rbd","namespace":"ceph","resourceVersion":"7"},"data":{"userID":"eA=="}}""");
        });
        await _server.StartAsync();
        _port = new Uri(_server.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()).Port;
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        File.Delete(_path);
    }

    [Fact]
    public async Task A_server_of_the_named_authority_is_trusted_and_gets_the_token()
    {
        Assert.Equal("7", (await ReadAsync($"certificate-authority-data: {Base64(_authority)}", "token: not-a-real-token")).ResourceVersion);
        Assert.Equal("Bearer not-a-real-token", _authorization);
    }

    [Fact]
    public async Task A_client_certificate_is_shown()
    {
        var certificate = Issue("csi-rbd-provisioner");
        var key = Convert.ToBase64String(Encoding.ASCII.GetBytes(certificate.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem()));
        await ReadAsync($"certificate-authority-data: {Base64(_authority)}", $"client-certificate-data: {Base64(certificate)}, client-key-data: {key}");
        Assert.Equal("CN=csi-rbd-provisioner", _client);
        Assert.Equal("", _authorization ?? "");
    }

    [Fact]
    public async Task A_server_of_another_authority_gets_nothing()
    {
        var failure = await Assert.ThrowsAsync<KubernetesApiException>(() => ReadAsync($"certificate-authority-data: {Base64(Authority("another"))}", "token: not-a-real-token"));
        Assert.Contains($"cannot reach https://localhost:{_port}/", failure.Message, StringComparison.Ordinal);
        Assert.Null(_authorization);
    }

    [Fact]
    public async Task A_certificate_for_another_name_is_refused_unless_the_kubeconfig_names_it_or_skips_the_check()
    {
        var trusted = $"certificate-authority-data: {Base64(_authority)}";
        await Assert.ThrowsAsync<KubernetesApiException>(() => ReadAsync(trusted, "token: x", "127.0.0.1"));
        Assert.Equal("7", (await ReadAsync(trusted + ", tls-server-name: localhost", "token: x", "127.0.0.1")).ResourceVersion);
        Assert.Equal("7", (await ReadAsync("insecure-skip-tls-verify: true", "token: x", "127.0.0.1")).ResourceVersion);
    }

    [Fact]
    public async Task A_watch_whose_connection_has_died_without_a_word_ends_and_short_requests_do_not_share_it()
    {
        using var network = new FrozenNetwork(_port);
        var configuration = new k8s.KubernetesClientConfiguration { Host = $"https://localhost:{network.Port}", SkipTlsVerify = true };
        using var api = new KubernetesApi(configuration, new KeepAlive(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1)));
        await new SecretReader(api, TimeProvider.System).ReadAsync(Name, TestContext.Current.CancellationToken);
        Assert.Equal("HTTP/1.1", _protocol);
        using var watch = await api.GetAsync("watch", TimeProvider.System, TestContext.Current.CancellationToken);
        Assert.Equal("HTTP/2", _protocol);
        using var lines = new StreamReader(await watch.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken));
        Assert.Equal("begins", await lines.ReadLineAsync(TestContext.Current.CancellationToken));
        network.Freeze();
        await Assert.ThrowsAnyAsync<IOException>(() => lines.ReadLineAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public void Connections_are_asked_as_often_as_those_of_the_kubernetes_client() =>
        Assert.Equal(new KeepAlive(TimeSpan.FromMinutes(3), TimeSpan.FromSeconds(30)), KeepAlive.Default);

    [Fact]
    public void A_broken_client_certificate_names_the_kubeconfig()
    {
        WriteConfig("insecure-skip-tls-verify: true", "client-certificate-data: eA==, client-key-data: eA==", "localhost");
        Assert.StartsWith($"cannot use kubeconfig {_path}: ", Assert.Throws<KubernetesApiException>(() => KubernetesApi.Connect(_path)).Message, StringComparison.Ordinal);
    }

    private async Task<Secret> ReadAsync(string cluster, string user, string host = "localhost")
    {
        WriteConfig(cluster, user, host);
        using var api = KubernetesApi.Connect(_path);
        return await new SecretReader(api, TimeProvider.System).ReadAsync(Name, TestContext.Current.CancellationToken);
    }

    private void WriteConfig(string cluster, string user, string host) => File.WriteAllText(_path, $$$"""
        apiVersion: v1
        kind: Config
        current-context: test
        clusters: [{name: test, cluster: {server: "https://{{{host}}}:{{{_port}}}", {{{cluster}}} }}]
        contexts: [{name: test, context: {cluster: test, user: test}}]
        users: [{name: test, user: { {{{user}}} }}]
        """);

    private static string Base64(X509Certificate2 certificate) => Convert.ToBase64String(Encoding.ASCII.GetBytes(certificate.ExportCertificatePem()));

    private static X509Certificate2 Authority(string name)
    {
        var request = new CertificateRequest($"CN={name}", ECDsa.Create(ECCurve.NamedCurves.nistP256), HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddHours(1));
    }

    private X509Certificate2 Issue(string name)
    {
        var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(name);
        request.CertificateExtensions.Add(names.Build());
        return request.Create(_authority, DateTimeOffset.UtcNow.AddMinutes(-30), DateTimeOffset.UtcNow.AddMinutes(30), RandomNumberGenerator.GetBytes(8)).CopyWithPrivateKey(key);
    }
}
