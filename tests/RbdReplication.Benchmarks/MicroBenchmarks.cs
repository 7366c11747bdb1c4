using System.Text.Json;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using RbdReplication.Core;

namespace RbdReplication.Benchmarks;

/// <summary>What each call does besides waiting for Ceph: time and allocated memory of one operation.</summary>
public class MicroBenchmarks
{
    private const string SandboxVariable = "RBD_REPLICATION_BENCH_SANDBOX";
    private const string Handle = "0001-0009-rook-ceph-0000000000000002-0c23de1c-18fb-11eb-a903-0242ac110005";

    private const string Description = """
        replaying, {"bytes_per_second":81920.0,"bytes_per_snapshot":409600.0,"last_snapshot_bytes":409600,"last_snapshot_sync_seconds":1,"local_snapshot_timestamp":1764000000,"remote_snapshot_timestamp":1764000060,"replay_state":"idle"}
        """;

    private static readonly byte[] Config = JsonSerializer.SerializeToUtf8Bytes(Enumerable.Range(0, 3).Select(i => new
    {
        clusterID = $"cluster-{i}",
        monitors = (string[])[$"10.0.{i}.1:6789", $"10.0.{i}.2:6789", $"10.0.{i}.3:6789"],
        rbd = new { radosNamespace = "tenant" },
    }));

    private readonly VolumeHandle _parsed = new("rook-ceph", 2, "0c23de1c-18fb-11eb-a903-0242ac110005");
    private BenchSite? _site;

    /// <summary>Runs all; the tables go to the console only.</summary>
    internal static int Run(string sandbox)
    {
        Environment.SetEnvironmentVariable(SandboxVariable, Path.GetFullPath(sandbox));
        // In this process: a generated project would need this repository's package versions and build settings.
        var config = ManualConfig.CreateEmpty()
            .AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance))
            .AddDiagnoser(BenchmarkDotNet.Diagnosers.MemoryDiagnoser.Default)
            .AddColumnProvider(DefaultColumnProviders.Instance)
            .AddExporter(MarkdownExporter.Console)
            .AddLogger(ConsoleLogger.Default)
            .WithOption(ConfigOptions.DisableLogFile, true)
            .WithArtifactsPath(Path.Combine(Path.GetTempPath(), "rbd-replication-micro"));
        return BenchmarkRunner.Run<MicroBenchmarks>(config).HasCriticalValidationErrors ? 1 : 0;
    }

    /// <summary>Reads a handle.</summary>
    [Benchmark]
    public VolumeHandle? ParseHandle() => VolumeHandle.TryParse(Handle, out var handle, out _) ? handle : null;

    /// <summary>Writes a handle.</summary>
    [Benchmark]
    public string ComposeHandle() => _parsed.ToString();

    /// <summary>Reads a configuration of three clusters, which happens when the file changes.</summary>
    [Benchmark]
    public ClusterConfig ParseConfig() => ClusterConfig.Parse(Config);

    /// <summary>Takes the figures out of a mirror daemon's status.</summary>
    [Benchmark]
    public SyncReport? ParseDescription() => SyncReport.Parse(Description);

    /// <summary>Connects for <see cref="ReadMissingObject"/>.</summary>
    [GlobalSetup(Target = nameof(ReadMissingObject))]
    public async Task ConnectAsync() => _site = await BenchSite.ConnectAsync(Environment.GetEnvironmentVariable(SandboxVariable)!, "site-a");

    /// <summary>One asynchronous call into librados and back, with one round trip: a key read of an object that is not there.</summary>
    [Benchmark]
    public Task ReadMissingObject() => _site!.Pool.ReadOmapAsync("csi.volume.none", ["csi.imagename"], CancellationToken.None);

    /// <summary>Closes the connection.</summary>
    [GlobalCleanup(Target = nameof(ReadMissingObject))]
    public async Task DisconnectAsync() => await _site!.DisposeAsync();
}
