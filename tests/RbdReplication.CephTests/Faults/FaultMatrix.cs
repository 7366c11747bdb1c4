using System.Globalization;
using Grpc.Core;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests.Faults;

/// <summary>
/// Every call meets every fault while it runs, each on a volume of its own. However it ends, the same call reaches its goal
/// afterwards, journal and image agree, nothing that was acknowledged is undone, and nothing stays locked.
/// </summary>
public sealed class FaultMatrix(TwoSites sites)
{
    /// <summary>How often each fault comes, each time at another moment; <c>FAULT_ROUNDS</c> changes it.</summary>
    private static readonly int Rounds = int.Parse(Environment.GetEnvironmentVariable("FAULT_ROUNDS") ?? "1", CultureInfo.InvariantCulture);

    // An idle machine has all but Demote done after twice that; on a busy one it is early in each.
    private const int LatestBreakMilliseconds = 150;

    // Longer than a daemon needs to start, and shorter than what is frozen stays frozen.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan PatienceWithFrozen = TimeSpan.FromSeconds(4);

    /// <summary>Lets all calls meet a fault.</summary>
    public async Task RunAsync(string fault)
    {
        for (var round = 0; round < Rounds; round++)
        {
            await using var server = await FaultServer.StartAsync(sites, stderr: fault == "disk of the log full" ? "/dev/full" : null);
            var process = server.Process;
            await MeetAsync(fault, server, new Random(round * 7919));
            // Nothing but what kills it on purpose ends it, and nothing is left that would make its end an unclean one.
            Assert.Equal(fault == "server killed and restarted", process.HasExited);
            Assert.Equal(0, await server.Process.TerminateAsync());
        }
    }

    private async Task MeetAsync(string fault, FaultServer server, Random random)
    {
        var volumes = await FaultVolume.ForEachCallAsync(sites);
        // Connects, so that the fault meets calls and not the connection.
        await Rpc.CallAsync(server.Process.Replication, Rpc.GetDestination, new() { Source = volumes[^1].Volume.Source, Secrets = sites.A.Secrets });
        using var gone = new CancellationTokenSource();
        var calls = volumes.Select(volume => volume.AttemptAsync(server.Process, fault == "OSD frozen" ? PatienceWithFrozen : Patience, gone.Token)).ToList();
        var all = Task.WhenAll(calls);
        await Task.WhenAny(all, Task.Delay(random.Next(LatestBreakMilliseconds)));
        try
        {
            await BreakAsync(fault, server, gone, all);
        }
        finally
        {
            await HealAsync(fault, server);
        }
        var answers = await all;
        TestContext.Current.SendDiagnosticMessage(
            $"{fault}: {string.Join(", ", volumes.Select((volume, i) => $"{volume.Call} {answers[i].StatusCode}"))}");

        await Task.WhenAll(volumes.Select(async (volume, i) =>
        {
            if (volume.IsSuccess(answers[i]))
                await volume.AssertGoalAsync();
            await volume.ReachGoalAsync(server.Process);
            await volume.AssertGoalAsync();
            volume.AssertPatientAnswers();
        }));
        await Task.WhenAll(volumes.Select(volume => volume.AssertFreeAsync()));
        Assert.Equal("{\"operations\":[]}", await Scrape.GetAsync(server.Process, "/operations"));
        Assert.DoesNotContain("failed unexpectedly", server.Log, StringComparison.Ordinal);
    }

    private async Task BreakAsync(string fault, FaultServer server, CancellationTokenSource gone, Task<Status[]> calls)
    {
        switch (fault)
        {
            case "OSD frozen":
                await sites.StopAsync(sites.A, "osd", "freeze");
                await calls;
                break;
            case "OSD killed and restarted":
                await sites.StopAsync(sites.A, "osd", "kill");
                break;
            case "monitor restarted":
                await sites.StopAsync(sites.A, "mon", "term");
                break;
            case "manager killed and restarted":
                await sites.StopAsync(sites.A, "mgr", "kill");
                break;
            case "mirror daemons killed and restarted":
                await Task.WhenAll(sites.Both.Select(site => sites.StopAsync(site, "mirror", "kill")));
                await calls;
                break;
            case "server killed and restarted":
                await server.KillAsync();
                break;
            case "client gone":
                await gone.CancelAsync();
                break;
            case "configuration swapped and broken":
                do
                {
                    foreach (var config in (string[])["[{", "", server.GoodConfig + " ", "{}"])
                        await server.MountAsync(config);
                }
                while (!calls.IsCompleted);
                break;
            case "disk of the log full":
                break;
            default:
                throw new ArgumentException($"there is no fault {fault}", nameof(fault));
        }
    }

    private async Task HealAsync(string fault, FaultServer server)
    {
        switch (fault)
        {
            case "OSD frozen" or "OSD killed and restarted":
                await sites.StartAsync(sites.A, "osd");
                break;
            case "monitor restarted":
                await sites.StartAsync(sites.A, "mon");
                break;
            case "manager killed and restarted":
                await sites.StartAsync(sites.A, "mgr");
                break;
            case "mirror daemons killed and restarted":
                await Task.WhenAll(sites.Both.Select(site => sites.StartAsync(site, "mirror")));
                break;
            case "server killed and restarted":
                await server.RestartAsync();
                break;
            case "configuration swapped and broken":
                await server.MountAsync(server.GoodConfig);
                break;
        }
    }
}
