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
        await TellAsync(app, "protect", "-l", "app=shop", "--class", app.Class, "--dry-run");
        await TellAsync(app, "protect", "-l", "app=shop", "--class", app.Class);
        await TellAsync(app, "status");
        await TellAsync(app, "relocate", "-l", "app=shop", "--dry-run");
        await TellAsync(app, "unprotect", "-l", "app=shop", "--dry-run");
    }

    private static async Task TellAsync(DrNamespace app, params string[] arguments)
    {
        var started = Stopwatch.GetTimestamp();
        var run = (await app.RunAsync(arguments)).Succeeds();
        TestContext.Current.SendDiagnosticMessage($"dr {string.Join(' ', arguments)}: {Count} claims, {Stopwatch.GetElapsedTime(started).TotalSeconds:0.0} s of the process; its last line: {run.Output.TrimEnd().Split('\n')[^1]}");
    }
}
