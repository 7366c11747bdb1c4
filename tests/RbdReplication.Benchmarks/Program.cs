using RbdReplication.Benchmarks;

// The published binary, the directory of one Ceph site of a sandbox, and numbers of volumes.
if (args is not ["omap-generator", var binary, var site, .. var sizes])
{
    await Console.Error.WriteLineAsync("usage: RbdReplication.Benchmarks omap-generator BINARY SITE [VOLUMES...]");
    return 2;
}
await OmapGeneratorBenchmark.RunAsync(
    Path.GetFullPath(binary), Path.GetFullPath(site), sizes.Length == 0 ? [2_000, 10_000, 20_000] : [.. sizes.Select(int.Parse)]);
return 0;
