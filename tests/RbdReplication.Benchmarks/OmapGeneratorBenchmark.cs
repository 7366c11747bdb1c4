using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;
using RbdReplication.Tests.Kubernetes;

namespace RbdReplication.Benchmarks;

/// <summary>
/// How long the generator takes to map N new volumes and, started again, to know N mapped ones; what that costs in RADOS
/// operations, processor time and memory. Every second volume has a Secret of its own.
/// </summary>
internal static partial class OmapGeneratorBenchmark
{
    public static async Task RunAsync(string sandbox, int rounds, IEnumerable<int> sizes)
    {
        await using var site = await BenchSite.ConnectAsync(sandbox, "site-a");
        Console.WriteLine(await Table.MachineAsync(site));
        Table.Begin(
            $"Medians of {rounds} rounds:", "volumes, run", "time s", "PV/s", "RADOS operations per PV", "CPU s", "peak memory MiB", "private at the end MiB", "load average");
        foreach (var size in sizes)
        {
            List<Figures> asNew = [], asKnown = [];
            for (var round = 0; round < rounds; round++)
            {
                await using var run = await Fleet.CreateAsync(site, size);
                asNew.Add(await run.MeasureAsync());
                asKnown.Add(await run.MeasureAsync());
            }
            Print(size, "new", asNew);
            Print(size, "known", asKnown);
        }
    }

    private static void Print(int size, string run, List<Figures> figures)
    {
        var time = Table.Median(figures.Select(r => r.Elapsed.TotalSeconds));
        Table.Row(
            string.Create(CultureInfo.InvariantCulture, $"{size:N0} {run}"), Table.Number(time, "0.00"), Table.Number(size / time, "0"),
            Table.Number(Table.Median(figures.Select(r => (double)r.Operations)) / size, "0.000"), Table.Number(Table.Median(figures.Select(r => r.Cpu.TotalSeconds)), "0.00"),
            Table.Number(figures.Max(r => r.PeakKiB) / 1024.0, "0"), Table.Number(figures.Max(r => r.PrivateKiB) / 1024.0, "0"),
            Table.Number(Table.Median(figures.Select(r => r.LoadAverage))));
    }

    private sealed record Figures(TimeSpan Elapsed, long Operations, TimeSpan Cpu, long PeakKiB, long PrivateKiB, double LoadAverage);

    /// <summary>An API server with N PersistentVolumes, and a rados namespace with an image for each.</summary>
    private sealed class Fleet : IAsyncDisposable
    {
        private readonly ApiServerStandIn _api = new();
        private readonly string _folder = Directory.CreateTempSubdirectory("rbd-replication-bench-").FullName;

        private string KubeConfigPath => Path.Combine(_folder, "kubeconfig");

        private string ConfigPath => Path.Combine(_folder, "config.json");

        public static async Task<Fleet> CreateAsync(BenchSite site, int size)
        {
            var fleet = new Fleet();
            var radosNamespace = "bench-" + Guid.NewGuid().ToString("N");
            await fleet._api.StartAsync();
            await FillAsync(site, radosNamespace, size);
            fleet.PutVolumes(size, site.Secrets[CephCredentials.KeyField]);
            await File.WriteAllTextAsync(fleet.KubeConfigPath, fleet._api.KubeConfig());
            await File.WriteAllTextAsync(fleet.ConfigPath, new JsonArray(new JsonObject
            {
                ["clusterID"] = "rook-ceph",
                ["monitors"] = new JsonArray(site.Monitors),
                ["rbd"] = new JsonObject { ["radosNamespace"] = radosNamespace },
            }).ToJsonString());
            return fleet;
        }

        /// <summary>Runs a generator until its first pass has ended, which it says in a line of its log.</summary>
        public async Task<Figures> MeasureAsync()
        {
            var port = FreePort();
            var load = double.Parse((await File.ReadAllTextAsync("/proc/loadavg")).Split(' ')[0], CultureInfo.InvariantCulture);
            var started = Stopwatch.GetTimestamp();
            using var process = ServerProcess.Start(
            [
                "omap-generator", "--kubeconfig", KubeConfigPath, "--cluster-config", ConfigPath, "--cluster-mapping", Path.Combine(_folder, "none.json"),
                "--leader-election-namespace", "ceph", "--http-endpoint", $"http://127.0.0.1:{port}", "--log-format", "text",
            ]);
            var passed = await FirstPassAsync(process);
            var elapsed = Stopwatch.GetElapsedTime(started);
            var cpu = ProcessCpu.Of(process.Id).Total;
            var memory = await File.ReadAllTextAsync($"/proc/{process.Id}/status");
            using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
            if (!passed.EndsWith("; 0 have no mapping yet", StringComparison.Ordinal) || await http.GetStringAsync("/readyz") != "ok\n")
                throw new InvalidOperationException(passed);
            var operations = Operations().Matches(await http.GetStringAsync("/metrics")).Sum(m => Number(m));
            await ProcessOutput.OfAsync("kill", "-TERM", process.Id.ToString(CultureInfo.InvariantCulture));
            await process.WaitForExitAsync();
            return new Figures(elapsed, operations, cpu, Number(PeakMemory().Match(memory)), Number(PrivateMemory().Match(memory)), load);
        }

        public async ValueTask DisposeAsync()
        {
            await _api.DisposeAsync();
            Directory.Delete(_folder, recursive: true);
        }

        /// <summary>
        /// Images are entered into librbd's directory object without making them: that is all the generator reads of an
        /// image, and to make them would take longer than everything that is measured.
        /// </summary>
        private static async Task FillAsync(BenchSite site, string radosNamespace, int size)
        {
            await using var pool = await site.Cluster.OpenPoolAsync(site.Pool.Id, radosNamespace, CancellationToken.None);
            foreach (var chunk in Enumerable.Range(0, size).Chunk(1000))
            {
                var entries = chunk.Select(i => KeyValuePair.Create($"name_{JournalKeys.DefaultImagePrefix}{PvObject.Uuid(i)}", $"{(char)12}\0\0\0{i:x12}"));
                await pool.WriteAsync("rbd_directory", new ObjectWrite().SetOmap([.. entries]), CancellationToken.None);
            }
        }

        private void PutVolumes(int size, string key)
        {
            for (var i = 0; i < size; i++)
            {
                var pv = PvObject.Json(i);
                if (i % 2 == 1)
                {
                    pv["spec"]!["csi"]!["controllerExpandSecretRef"]!["name"] = $"csi-rbd-{i}";
                    _api.PutSecret("ceph", $"csi-rbd-{i}", (CephCredentials.UserField, "csi"), (CephCredentials.KeyField, key));
                }
                _api.Volumes.Put(pv);
            }
            _api.PutSecret("ceph", "csi-rbd", (CephCredentials.UserField, "csi"), (CephCredentials.KeyField, key));
        }
    }

    private static async Task<string> FirstPassAsync(Process process)
    {
        var log = new List<string>();
        while (await process.StandardError.ReadLineAsync() is { } line)
        {
            log.Add(line);
            if (!line.Contains("First pass over", StringComparison.Ordinal))
                continue;
            // What follows must not fill the pipe.
            _ = process.StandardError.ReadToEndAsync();
            return line.TrimEnd();
        }
        throw new InvalidOperationException($"the generator ended: {string.Join('\n', log)}");
    }

    private static int FreePort()
    {
        using var socket = new TcpListener(System.Net.IPAddress.Loopback, 0);
        socket.Start();
        return ((System.Net.IPEndPoint)socket.LocalEndpoint).Port;
    }

    private static long Number(Match match) => long.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture);

    [GeneratedRegex("""^rbd_replication_ceph_call_duration_seconds_count\{[^}]*rbd_call="rados_aio_(?:read|write)_op_operate"[^}]*\} (\d+)""", RegexOptions.Multiline)]
    private static partial Regex Operations();

    [GeneratedRegex(@"VmHWM:\s+(\d+)")]
    private static partial Regex PeakMemory();

    [GeneratedRegex(@"RssAnon:\s+(\d+)")]
    private static partial Regex PrivateMemory();
}
