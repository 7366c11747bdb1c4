using System.Globalization;
using RbdReplication.CephTests.Sandbox;

[assembly: AssemblyFixture(typeof(TwoSites))]
// Most tests wait for daemons most of the time, but two cores serve both.
[assembly: Xunit.v3.Parallelization(MaxThreads = 4)]

namespace RbdReplication.CephTests.Sandbox;

/// <summary>
/// Two real Ceph clusters that mirror each other, started once for all tests, with a server of ours on each. Whatever is
/// missing for that fails the run.
/// </summary>
public sealed class TwoSites : IAsyncLifetime
{
    /// <summary>Pool that is mirrored image by image on both sites.</summary>
    public const string Pool = "replicapool";

    /// <summary>Rados namespace in it, mirrored as well.</summary>
    public const string Namespace = "tenant1";

    /// <summary>First of 200 ports, below those that the kernel gives to clients; programs that run at once need different ones.</summary>
    public static int FirstPort { get; } =
        int.Parse(Environment.GetEnvironmentVariable("RBD_REPLICATION_TEST_PORT") ?? "21300", CultureInfo.InvariantCulture);

    /// <summary><c>fast</c> timers for tests, or <c>realistic</c> for Ceph's own.</summary>
    private static string Profile => Environment.GetEnvironmentVariable("RBD_REPLICATION_TEST_PROFILE") ?? "fast";

    public static string Repository { get; } = FindRepository();

    public static string Folder { get; } = Path.Combine(Repository, "artifacts", $"sites-{FirstPort}");

    private static string Script => Path.Combine(Repository, "tests", "sandbox", "two-sites.sh");

    public Site A { get; } = new("site-a", FirstPort);

    public Site B { get; } = new("site-b", FirstPort + 100);

    public IReadOnlyList<Site> Both => [A, B];

    public Site Other(Site site) => site == A ? B : A;

    public async ValueTask InitializeAsync()
    {
        // A run that was killed may have left its daemons behind.
        await ScriptAsync("down", Folder, "--purge");
        // bluestore: a killed daemon keeps its data, and a size takes no place on the disk before it is used. A full OSD would hang everybody.
        await ScriptAsync("up", Folder, "--port", FirstPort.ToString(), "--" + Profile, "--store", "bluestore", "--osd-size", "32");
        await Task.WhenAll(A.ConnectAsync(), B.ConnectAsync());
        await Task.WhenAll(A.StartAsync(MappingJson, B), B.StartAsync(MappingJson, A));
    }

    public async ValueTask DisposeAsync()
    {
        await A.DisposeAsync();
        await B.DisposeAsync();
        await ScriptAsync("down", Folder, "--purge");
    }

    /// <summary>The same file at both sites; the pools need not have the same numbers.</summary>
    private string MappingJson =>
        $$"""[{"clusterIDMapping":{"{{A.Name}}":"{{B.Name}}","tenant":"tenant"},"RBDPoolIDMapping":[{"{{A.Pool.Id}}":"{{B.Pool.Id}}"}]}]""";

    /// <summary>Stops a daemon: mon, mgr, osd, mirror or all; freeze, kill or term.</summary>
    public Task StopAsync(Site site, string daemon, string how) => ScriptAsync("stop", Folder, site.Name, daemon, how);

    /// <summary>Undoes <see cref="StopAsync"/>.</summary>
    public Task StartAsync(Site site, string daemon) => ScriptAsync("start", Folder, site.Name, daemon);

    /// <summary>
    /// Restarts a mirror daemon as the guide says, where a promotion by force has had to cut it off: it connects again by itself, or hangs.
    /// </summary>
    public async Task RestartMirrorDaemonAsync(Site site)
    {
        await StopAsync(site, "mirror", "kill");
        await StartAsync(site, "mirror");
    }

    /// <summary>Cuts the mirror daemons of both sites off from the other site.</summary>
    public Task PartitionAsync() => ScriptAsync("partition", Folder);

    /// <summary>Cuts everybody but its own daemons off from a site.</summary>
    public Task IsolateAsync(Site site) => ScriptAsync("isolate", Folder, site.Name);

    public Task HealAsync() => ScriptAsync("heal", Folder);

    /// <summary>Runs a command against a site as from another machine, whose address is one of 127.0.0.0/8.</summary>
    public static Task<string> OnNodeAsync(Site site, string address, params string[] command) =>
        ProcessOutput.OfAsync(Script, ["node", Folder, site.Name, address, .. command]);

    private static async Task ScriptAsync(params string[] arguments) => await ProcessOutput.OfAsync(Script, arguments);

    private static string FindRepository()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "RbdReplication.Csi.sln")))
            folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("the tests do not run inside the repository");
        return folder;
    }
}
