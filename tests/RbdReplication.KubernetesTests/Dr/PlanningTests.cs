using System.Diagnostics;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.KubernetesTests.Clusters;

namespace RbdReplication.KubernetesTests.Dr;

/// <summary>What <c>dr</c> itself takes. Not among the tests: the figures are the result.</summary>
public sealed class PlanningTests(TwoClusters clusters)
{
    private const int Count = 500;

    [Fact(Explicit = true)]
    public async Task Five_hundred_claims_are_planned()
    {
        var app = await DrNamespace.CreateAsync(clusters);
        await using var a = new QuickController(clusters.A, app.Name);
        await using var b = new QuickController(clusters.B, app.Name);
        await Parallel.ForEachAsync(Enumerable.Range(0, Count), new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (i, _) => await app.PutClaimAsync(clusters.A, $"data-{i}"));
        await TellAsync(app, Count, "protect", "-l", "app=shop", "--class", app.Class, "--dry-run");
        await TellAsync(app, Count, "protect", "-l", "app=shop", "--class", app.Class);
        await TellAsync(app, Count, "status");
        await TellAsync(app, Count, "relocate", "-l", "app=shop", "--dry-run");
        await TellAsync(app, Count, "unprotect", "-l", "app=shop", "--dry-run");
    }

    /// <summary>With a controller that answers within 50 ms, what a command takes is its own, and the API servers'.</summary>
    [Fact(Explicit = true)]
    public async Task One_claim_is_protected_moved_and_let_go()
    {
        var app = await DrNamespace.CreateAsync(clusters);
        await using var a = new QuickController(clusters.A, app.Name);
        await using var b = new QuickController(clusters.B, app.Name);
        await app.PutClaimAsync(clusters.A, "data");
        string[] atB = ["--context", "site-b", "--peer-context", "site-a"];
        await TellAsync(app, 1, "protect", "data", "--class", app.Class);
        await TellAsync(app, 1, "status");
        await TellAsync(app, 1, "relocate", "data");
        await TellAsync(app, 1, ["relocate", "data", .. atB]);
        await TellAsync(app, 1, ["failover", "data", "--peer-is-lost", .. atB]);
        await TellAsync(app, 1, ["failback", "data", .. atB]);
        await TellAsync(app, 1, "unprotect", "data");
    }

    private static async Task TellAsync(DrNamespace app, int count, params string[] arguments)
    {
        var started = Stopwatch.GetTimestamp();
        var run = (await app.RunAsync(arguments)).Succeeds();
        TestContext.Current.SendDiagnosticMessage($"dr {string.Join(' ', arguments)}: {count} claims, {Stopwatch.GetElapsedTime(started).TotalSeconds:0.0} s of the process; its last line: {run.Output.TrimEnd().Split('\n')[^1]}");
    }
}
