using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using RbdReplication.Ceph;
using RbdReplication.Core;
using RbdReplication.Tests.Kubernetes;

namespace RbdReplication.Benchmarks;

/// <summary>
/// How long the generator takes to map N new volumes and, started again, to know N mapped ones; what that costs in RADOS
/// operations, processor time and memory. Every second volume has a Secret of its own.
/// </summary>
internal static partial class OmapGeneratorBenchmark
{
    public static async Task RunAsync(string binary, string site, IEnumerable<int> sizes)
    {
        var monitors = MonHost().Match(await File.ReadAllTextAsync(Path.Combine(site, "ceph.conf"))).Groups[1].Value;
        var key = (await OutputOfAsync("ceph", "-c", Path.Combine(site, "ceph.conf"), "auth", "get-key", "client.csi")).Trim();
        await using var cluster = await RadosCluster.ConnectAsync(
            new RadosConnectionOptions { Monitors = [monitors], User = "csi", Key = CephKey.TryParse(key)! }, CancellationToken.None);
        Console.WriteLine("| volumes | run | time | PV/s | RADOS operations per PV | CPU | peak memory |");
        Console.WriteLine("| ---: | --- | ---: | ---: | ---: | ---: | ---: |");
        foreach (var size in sizes)
        {
            await using var api = new ApiServerStandIn();
            await api.StartAsync();
            var folder = Directory.CreateTempSubdirectory("rbd-replication-bench-").FullName;
            var radosNamespace = "bench-" + Guid.NewGuid().ToString("N");
            await FillAsync(cluster, api, key, radosNamespace, size);
            await File.WriteAllTextAsync(Path.Combine(folder, "kubeconfig"), api.KubeConfig());
            await File.WriteAllTextAsync(Path.Combine(folder, "config.json"), new JsonArray(new JsonObject
            {
                ["clusterID"] = "rook-ceph",
                ["monitors"] = new JsonArray(monitors),
                ["rbd"] = new JsonObject { ["radosNamespace"] = radosNamespace },
            }).ToJsonString());
            foreach (var run in (string[])["new", "known"])
                Console.WriteLine(await MeasureAsync(binary, folder, size, run));
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>
    /// Images are entered into librbd's directory object without making them: that is all the generator reads of an image,
    /// and to make them would take longer than everything that is measured.
    /// </summary>
    private static async Task FillAsync(RadosCluster cluster, ApiServerStandIn api, string key, string radosNamespace, int size)
    {
        await using var pool = await cluster.OpenPoolAsync("replicapool", radosNamespace, CancellationToken.None);
        foreach (var chunk in Enumerable.Range(0, size).Chunk(1000))
        {
            var entries = chunk.Select(i => KeyValuePair.Create($"name_{JournalKeys.DefaultImagePrefix}{PvObject.Uuid(i)}", $"{(char)12}\0\0\0{i:x12}"));
            await pool.WriteAsync("rbd_directory", new ObjectWrite().SetOmap([.. entries]), CancellationToken.None);
        }
        for (var i = 0; i < size; i++)
        {
            var pv = PvObject.Json(i);
            if (i % 2 == 1)
            {
                pv["spec"]!["csi"]!["controllerExpandSecretRef"]!["name"] = $"csi-rbd-{i}";
                api.PutSecret("ceph", $"csi-rbd-{i}", ("userID", "csi"), ("userKey", key));
            }
            api.Volumes.Put(pv);
        }
        api.PutSecret("ceph", "csi-rbd", ("userID", "csi"), ("userKey", key));
    }

    private static async Task<string> MeasureAsync(string binary, string folder, int size, string run)
    {
        var port = FreePort();
        var started = Stopwatch.GetTimestamp();
        using var process = Process.Start(new ProcessStartInfo(binary,
        [
            "omap-generator", "--kubeconfig", Path.Combine(folder, "kubeconfig"), "--cluster-config", Path.Combine(folder, "config.json"),
            "--cluster-mapping", Path.Combine(folder, "none.json"), "--leader-election-namespace", "ceph",
            "--http-endpoint", $"http://127.0.0.1:{port}", "--log-format", "text",
        ])
        { RedirectStandardError = true })!;
        var log = process.StandardError.ReadToEndAsync();
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
        while (!await IsReadyAsync(http))
        {
            if (process.HasExited)
                throw new InvalidOperationException($"the generator ended with {process.ExitCode}: {await log}");
            await Task.Delay(5);
        }
        var elapsed = Stopwatch.GetElapsedTime(started);
        var operations = Operations().Matches(await http.GetStringAsync("/metrics")).Sum(m => long.Parse(m.Groups[1].ValueSpan, CultureInfo.InvariantCulture));
        var peak = PeakMemory().Match(await File.ReadAllTextAsync($"/proc/{process.Id}/status")).Groups[1].Value;
        process.Refresh();
        var cpu = process.TotalProcessorTime;
        await OutputOfAsync("kill", "-TERM", process.Id.ToString(CultureInfo.InvariantCulture));
        await process.WaitForExitAsync();
        if (!(await log).Contains("; 0 have no mapping yet", StringComparison.Ordinal))
            throw new InvalidOperationException(await log);
        return string.Create(
            CultureInfo.InvariantCulture,
            $"| {size} | {run} | {elapsed.TotalSeconds:0.00} s | {size / elapsed.TotalSeconds:0} | {(double)operations / size:0.00} | {cpu.TotalSeconds:0.0} s | {long.Parse(peak, CultureInfo.InvariantCulture) / 1024} MiB |");
    }

    private static async Task<bool> IsReadyAsync(HttpClient http)
    {
        try
        {
            using var answer = await http.GetAsync("/readyz");
            return answer.StatusCode == HttpStatusCode.OK && await answer.Content.ReadAsStringAsync() == "ok\n";
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    private static async Task<string> OutputOfAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return output;
    }

    [GeneratedRegex(@"mon[_ ]host\s*=\s*(\S+)")]
    private static partial Regex MonHost();

    [GeneratedRegex("""^rbd_replication_ceph_call_duration_seconds_count\{[^}]*rbd_call="rados_aio_(?:read|write)_op_operate"[^}]*\} (\d+)""", RegexOptions.Multiline)]
    private static partial Regex Operations();

    [GeneratedRegex(@"VmHWM:\s+(\d+)")]
    private static partial Regex PeakMemory();
}
