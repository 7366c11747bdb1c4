using System.Globalization;
using System.Text.Json;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.Benchmarks;

/// <summary>
/// What an operator's site-wide change costs: every volume enabled, promoted, demoted and promoted by force, many at once.
/// Each of these takes a snapshot, for which the monitors agree on an id once in a proposal interval for all that wait.
/// </summary>
internal static class FleetBenchmark
{
    private const int Concurrency = 64;
    private const int Alone = 5;
    private const int Some = 16;

    public static async Task RunAsync(string sandbox, int count)
    {
        await using var a = await BenchSite.ConnectAsync(sandbox, "site-a");
        await using var b = await BenchSite.ConnectAsync(sandbox, "site-b");
        await using var server = await a.StartServerAsync("bench", "--volume-metrics-interval", "0");
        var volumes = await BenchVolume.CreateAsync(a, count);
        using var setting = JsonDocument.Parse(await ProcessOutput.OfAsync("ceph", "-c", a.ConfFile, "tell", "mon.a", "config", "get", "paxos_propose_interval"));
        var interval = double.Parse(setting.RootElement.GetProperty("paxos_propose_interval").GetString()!, CultureInfo.InvariantCulture);

        Console.WriteLine($"{await Table.MachineAsync(a)}; the monitor's proposal interval is {interval:0.##} s");
        Table.Begin($"{count} volumes, {Concurrency} at once:", "step", "wall time s", "proposal intervals", "p50 s", "longest s", "server CPU s", "CPU ms a volume", "calls a volume", "child processes");
        await StepAsync("enable", v => v.EnableAsync(server, a));
        await StepAsync("promote, primary already", v => v.PromoteAsync(server, a));
        await BenchVolume.AwaitCopiesAsync(volumes, b);
        await StepAsync("demote, until the peer holds everything", v => v.DemoteAsync(server, a));
        await StepAsync("promote by force", v => v.PromoteAsync(server, a, force: true));

        await using var serverB = await b.StartServerAsync("--volume-metrics-interval", "0");
        Table.Begin("Promoted by force while their site's mirror daemon follows the other site, which is alive:", "volumes", "at once", "p50 s", "longest s", "p50 : one at a time");
        var alone = await FailOverAsync(Alone, 1, null);
        await FailOverAsync(Some, Some, alone);
        await FailOverAsync(count, count, alone);

        async Task<TimeSpan> FailOverAsync(int number, int atOnce, TimeSpan? one)
        {
            var followed = await BenchVolume.CreateAsync(a, number);
            await Load.RunAsync(followed, number, Math.Min(Concurrency, number), async volume =>
            {
                await BenchVolume.RetryAsync(() => volume.EnableAsync(server, a));
                await BenchVolume.RetryAsync(() => volume.PromoteAsync(server, a));
            });
            await BenchVolume.AwaitCopiesAsync(followed, b);
            var load = await Load.RunAsync(followed, number, atOnce, volume => BenchVolume.RetryAsync(() => volume.At(b).PromoteAsync(serverB, b, force: true)));
            var median = load.Percentile(50);
            Table.Row(
                number.ToString(CultureInfo.InvariantCulture), atOnce.ToString(CultureInfo.InvariantCulture), Table.Seconds(median), Table.Seconds(load.Latencies[^1]),
                Table.Number(median / (one ?? median), "0.00"));
            return median;
        }

        async Task StepAsync(string step, Func<BenchVolume, Task> call)
        {
            var calls = 0;
            var before = ProcessCpu.Of(server.ProcessId);
            var load = await Load.RunAsync(volumes, volumes.Count, Math.Min(Concurrency, volumes.Count), async volume =>
                Interlocked.Add(ref calls, await BenchVolume.RetryAsync(() => call(volume))));
            var cpu = ProcessCpu.Of(server.ProcessId) - before;
            Table.Row(
                step, Table.Seconds(load.Elapsed), Table.Number(load.Elapsed.TotalSeconds / interval), Table.Seconds(load.Percentile(50)),
                Table.Seconds(load.Latencies[^1]), Table.Number(cpu.Total.TotalSeconds, "0.00"), Table.Milliseconds(cpu.Total / load.Calls),
                Table.Number((double)calls / load.Calls, "0.00"), (await ChildrenAsync(server)).ToString(CultureInfo.InvariantCulture));
        }
    }

    private static async Task<int> ChildrenAsync(ServerProcess server)
    {
        var count = 0;
        foreach (var thread in Directory.GetDirectories($"/proc/{server.ProcessId}/task"))
            count += (await File.ReadAllTextAsync(thread + "/children")).Split(' ', StringSplitOptions.RemoveEmptyEntries).Length;
        return count;
    }
}
