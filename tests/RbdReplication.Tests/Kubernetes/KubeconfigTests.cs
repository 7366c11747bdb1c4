using RbdReplication.Kubernetes;

namespace RbdReplication.Tests.Kubernetes;

/// <summary>Contexts of one or several kubeconfig files, as kubectl finds them.</summary>
public sealed class KubeconfigTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("rbd-replication-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void The_first_of_several_files_that_has_a_context_wins()
    {
        var one = Whole("one", "https://one:6443");
        var other = Whole("other", "https://other:6443");
        var again = File("again", Cluster("one", "https://again:6443"), User("one"), Context("one"));
        Assert.Equal("https://other:6443/", AddressOf("other", one, other));
        Assert.Equal("https://one:6443/", AddressOf("one", one, other, again));
        Assert.Equal("https://one:6443/", AddressOf(null, File("none"), one, other));
    }

    [Fact]
    public void A_context_has_its_cluster_and_user_in_whichever_file()
    {
        var contexts = File("contexts", Context("site"));
        var clusters = File("clusters", Cluster("site", "https://site:6443"));
        Assert.Equal("https://site:6443/", AddressOf("site", contexts, clusters, File("users", User("site"))));
    }

    [Fact]
    public void Of_several_files_one_may_be_missing_and_a_single_one_may_not()
    {
        var missing = Path.Combine(_folder, "missing");
        Assert.Equal("https://one:6443/", AddressOf("one", missing, Whole("one", "https://one:6443")));
        Assert.Contains(missing, Assert.Throws<KubernetesApiException>(() => AddressOf("one", missing)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_context_that_no_file_has_is_named_with_those_that_there_are()
    {
        var message = Assert.Throws<KubernetesApiException>(() => AddressOf("two", Whole("one", "https://one:6443"), Whole("other", "https://other:6443"))).Message;
        Assert.Contains("context two is not in kubeconfig", message, StringComparison.Ordinal);
        Assert.EndsWith("known are one, other", message, StringComparison.Ordinal);
        Assert.Contains("the current context is not in kubeconfig", Assert.Throws<KubernetesApiException>(() => AddressOf(null, File("none"))).Message, StringComparison.Ordinal);
    }

    private static string AddressOf(string? context, params string[] files)
    {
        using var api = KubernetesApi.Connect(files, context);
        return api.Address.ToString();
    }

    private string Whole(string name, string server) => File(name, $"current-context: {name}\n", Cluster(name, server), User(name), Context(name));

    private string File(string name, params string[] parts)
    {
        var path = Path.Combine(_folder, name);
        System.IO.File.WriteAllText(path, $"apiVersion: v1\nkind: Config\n{string.Concat(parts)}");
        return path;
    }

    private static string Cluster(string name, string server) => $"clusters: [{{name: {name}, cluster: {{server: \"{server}\"}}}}]\n";

    private static string User(string name) => $"users: [{{name: {name}, user: {{token: t}}}}]\n";

    private static string Context(string name) => $"contexts: [{{name: {name}, context: {{cluster: {name}, user: {name}}}}}]\n";
}
