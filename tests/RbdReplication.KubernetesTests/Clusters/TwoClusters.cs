using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Kubernetes;
using RbdReplication.KubernetesTests.Clusters;

[assembly: AssemblyFixture(typeof(TwoClusters))]
[assembly: AssemblyFixture(typeof(TwoSites))]
// Two cores serve the API servers, too.
[assembly: Xunit.v3.Parallelization(MaxThreads = 4)]

namespace RbdReplication.KubernetesTests.Clusters;

/// <summary>Two real API servers with their controllers, one for each site, started once for all tests. There are no nodes.</summary>
public sealed class TwoClusters : IAsyncLifetime
{
    /// <summary>Behind the ports of the Ceph sites.</summary>
    private static readonly int FirstPort = TwoSites.FirstPort + 200;

    private readonly HttpClient _etcd = new() { BaseAddress = new Uri($"http://127.0.0.1:{FirstPort}") };

    public static string Folder { get; } = Path.Combine(TwoSites.Repository, "artifacts", $"clusters-{FirstPort}");

    private static string Script => Path.Combine(TwoSites.Repository, "tests", "kubernetes", "clusters.sh");

    public ApiServer A { get; private set; } = null!;

    public ApiServer B { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        // A run that was killed may have left them behind.
        await ScriptAsync("down", Folder, "--purge");
        await ScriptAsync("up", Folder, "--port", $"{FirstPort}");
        A = new ApiServer(Path.Combine(Folder, "kubeconfig"), "site-a");
        B = new ApiServer(Path.Combine(Folder, "kubeconfig"), "site-b");
    }

    public async ValueTask DisposeAsync()
    {
        A?.Dispose();
        B?.Dispose();
        _etcd.Dispose();
        await ScriptAsync("down", Folder, "--purge");
    }

    /// <summary>The kubeconfig of a cluster's administrator.</summary>
    public static string KubeConfigOf(ApiServer server) => Path.Combine(Folder, server.Name, "kubeconfig");

    /// <summary>A connection of ours, as administrator.</summary>
    public static KubernetesApi Connect(ApiServer server) => KubernetesApi.Connect(KubeConfigOf(server));

    /// <summary>Stops an API server, or its controllers: kill, term or freeze.</summary>
    public static Task StopAsync(ApiServer server, string how, string daemon = "api") => ScriptAsync("stop", Folder, server.Name, daemon, how);

    /// <summary>Undoes <see cref="StopAsync"/>.</summary>
    public static Task StartAsync(ApiServer server, string daemon = "api") => ScriptAsync("start", Folder, server.Name, daemon);

    /// <summary>Has etcd forget every version but the newest.</summary>
    public static Task CompactAsync() => ScriptAsync("compact", Folder);

    /// <summary>Takes an object out of etcd behind the back of its API server, which may be stopped.</summary>
    public async Task RemoveAsync(ApiServer server, string resource, string name) =>
        Assert.Equal(1, await DeleteKeysAsync($$"""{"key":"{{Key($"/{server.Name}/{resource}/{name}")}}"}"""));

    /// <summary>Takes all objects of a kind out of etcd, at once and without their finalizers being asked.</summary>
    public Task RemoveAllAsync(ApiServer server, string resource) =>
        // From the first to behind the last: '0' is what comes after '/'.
        DeleteKeysAsync($$"""{"key":"{{Key($"/{server.Name}/{resource}/")}}","range_end":"{{Key($"/{server.Name}/{resource}0")}}"}""");

    private async Task<long> DeleteKeysAsync(string range)
    {
        using var body = new StringContent(range);
        using var answer = await _etcd.PostAsync(new Uri("/v3/kv/deleterange", UriKind.Relative), body);
        return long.Parse((string?)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["deleted"] ?? "0", CultureInfo.InvariantCulture);
    }

    private static string Key(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));

    /// <summary>Makes a namespace of a test's own.</summary>
    public static async Task<string> NewNamespaceAsync(ApiServer server)
    {
        var name = "test-" + Guid.NewGuid().ToString("N")[..12];
        await server.CreateAsync("api/v1/namespaces", new JsonObject { ["metadata"] = new JsonObject { ["name"] = name } });
        return name;
    }

    /// <summary>Runs kubectl on a cluster as its administrator.</summary>
    public static Task<string> KubectlAsync(ApiServer server, params string[] arguments) =>
        ProcessOutput.OfAsync("kubectl", ["--kubeconfig", KubeConfigOf(server), .. arguments]);

    private static Task<string> ScriptAsync(params string[] arguments) => ProcessOutput.OfAsync(Script, arguments);
}
