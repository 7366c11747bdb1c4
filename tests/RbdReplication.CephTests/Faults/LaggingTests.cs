using System.Diagnostics;
using System.Globalization;
using Grpc.Core;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests.Faults;

/// <summary>
/// Volumes on a schedule whose peer does not copy any more, demoted over and over meanwhile: the manager and the server take mirror
/// snapshots of the same images, at the limit of how many there may be. Asked for by <c>make soak PARTS=lagging</c>.
/// </summary>
[Collection("Faults")]
public sealed class LaggingTests(TwoSites sites)
{
    private static readonly TimeSpan Duration = TimeSpan.FromMinutes(Setting("LAGGING_MINUTES", 10));
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);

    [Fact(Explicit = true)]
    public async Task Neither_the_server_nor_the_manager_dies_while_a_peer_lags()
    {
        var volumes = await Task.WhenAll(Enumerable.Range(0, Setting("LAGGING_VOLUMES", 20)).Select(async _ =>
        {
            var volume = await TestVolume.CreateAsync(sites.A);
            await volume.EnableAsync(sites.A);
            await volume.PromoteAsync(sites.A, interval: "1m");
            await volume.AwaitCopyAsync(sites.B);
            return volume;
        }));
        var manager = await ManagerAsync();
        var answers = new Dictionary<StatusCode, int>();
        await sites.StopAsync(sites.B, "osd", "freeze");
        try
        {
            for (var started = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(started) < Duration;)
            {
                foreach (var code in await Task.WhenAll(volumes.Select(volume => Rpc.CodeAsync(() => volume.DemoteAsync(sites.A)))))
                    answers[code] = answers.GetValueOrDefault(code) + 1;
                Assert.False(sites.A.Server.HasExited, sites.A.Server.Log);
                Assert.Equal(manager, await ManagerAsync());
                await Task.Delay(Pause);
            }
        }
        finally
        {
            await sites.StartAsync(sites.B, "osd");
        }
        TestContext.Current.SendDiagnosticMessage(string.Join(", ", answers.Select(answer => $"{answer.Key} {answer.Value}")));
        Assert.DoesNotContain(answers.Keys, code => code is not (StatusCode.Aborted or StatusCode.Unavailable));
        foreach (var volume in volumes)
            await TestVolume.RetryAsync(() => volume.DemoteAsync(sites.A), "site-a is demoted");
        Assert.False(sites.A.Server.HasExited, sites.A.Server.Log);
        Assert.Equal(manager, await ManagerAsync());
    }

    /// <summary>The manager daemon, which gets another number when it is started again.</summary>
    private async Task<string> ManagerAsync()
    {
        var pid = (await File.ReadAllTextAsync(Path.Combine(TwoSites.Folder, sites.A.Name, "run", "mgr.x.pid"))).Trim();
        // A dead one that nobody has collected keeps its number.
        var state = (await File.ReadAllLinesAsync($"/proc/{pid}/status")).Single(line => line.StartsWith("State:", StringComparison.Ordinal));
        Assert.DoesNotContain("Z", state, StringComparison.Ordinal);
        return pid;
    }

    private static int Setting(string name, int fallback) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : fallback;
}
