using System.Globalization;
using RbdReplication.Benchmarks;
using RbdReplication.Ceph;

const string Usage = """
    usage: RbdReplication.Benchmarks MODE ...
      micro SANDBOX                                parsers, the handle codec and the bridge to librados, with BenchmarkDotNet
      rpc SANDBOX [CALLS]                          calls that find nothing to do, against librbd alone and the rbd tool
      fleet SANDBOX [VOLUMES]                      all volumes enabled, promoted, demoted and promoted by force at once
      listing SANDBOX [IMAGES...]                  the status of all images of a pool
      reading SANDBOX [IMAGES...]                  the info from one reading of all images of a pool, against opening the image
      growth SANDBOX PLOT.svg [VOLUMES...]         resolving and asking for info while the pool fills
      group SANDBOX [MEMBERS...]                   writers to a group while generations are taken, and its forced promotion
      rollback SANDBOX                             images returned to a generation, by size and by what was changed
      drill SANDBOX [VOLUMES...]                   drills made and removed, and syncs beside them
      soak-calls SANDBOX [CALLS]                   calls of all kinds for a long time: fails if the server grows
      soak-poll SANDBOX [VOLUMES [MINUTES]]        all volumes asked for their info once a minute: fails if the server grows
      forward [CALLS]                              a call of the driver's, directly and through the server
      omap SANDBOX [ROUNDS [VOLUMES...]]           the omap generator: mapping new and known volumes
    SANDBOX is the folder of two-sites.sh; RBD_REPLICATION_BINARY names the published binary.
    """;

if (ApartProgram.IsAskedFor(args))
    return await ApartProgram.RunAsync();
switch (args)
{
    case ["micro", var sandbox]:
        return MicroBenchmarks.Run(sandbox);
    case ["rpc", var sandbox, .. var calls]:
        await RpcBenchmark.RunAsync(sandbox, calls.Length == 0 ? 320 : Number(calls[0]));
        return 0;
    case ["fleet", var sandbox, .. var volumes]:
        await FleetBenchmark.RunAsync(sandbox, volumes.Length == 0 ? 200 : Number(volumes[0]));
        return 0;
    case ["listing", var sandbox, .. var images]:
        await ListingBenchmark.RunAsync(sandbox, images.Length == 0 ? [500, 2_000] : [.. images.Select(Number)]);
        return 0;
    case ["reading", var sandbox, .. var images]:
        await ReadingBenchmark.RunAsync(sandbox, images.Length == 0 ? [100, 1_000] : [.. images.Select(Number)]);
        return 0;
    case ["growth", var sandbox, var plot, .. var volumes]:
        await GrowthBenchmark.RunAsync(sandbox, plot, volumes.Length == 0 ? [100, 1_000] : [.. volumes.Select(Number)]);
        return 0;
    case ["group", var sandbox, .. var members]:
        await GroupBenchmark.RunAsync(sandbox, members.Length == 0 ? [8, 64] : [.. members.Select(Number)]);
        return 0;
    case ["rollback", var sandbox]:
        await RollbackBenchmark.RunAsync(sandbox);
        return 0;
    case ["drill", var sandbox, .. var volumes]:
        await DrillBenchmark.RunAsync(sandbox, volumes.Length == 0 ? [1, 8, 64] : [.. volumes.Select(Number)]);
        return 0;
    case ["soak-calls", var sandbox, .. var calls]:
        return await SoakBenchmark.CallsAsync(sandbox, calls.Length == 0 ? 100_000 : Number(calls[0])) ? 0 : 1;
    case ["soak-poll", var sandbox, .. var sizes]:
        return await SoakBenchmark.PollAsync(sandbox, sizes.Length == 0 ? 2_000 : Number(sizes[0]), sizes.Length < 2 ? 10 : Number(sizes[1])) ? 0 : 1;
    case ["forward", .. var calls]:
        await ForwardBenchmark.RunAsync(calls.Length == 0 ? 2_000 : Number(calls[0]));
        return 0;
    case ["omap", var sandbox, .. var numbers]:
        await OmapGeneratorBenchmark.RunAsync(
            sandbox, numbers.Length == 0 ? 3 : Number(numbers[0]), numbers.Length < 2 ? [2_000, 10_000, 20_000] : [.. numbers[1..].Select(Number)]);
        return 0;
    default:
        await Console.Error.WriteLineAsync(Usage);
        return 2;
}

static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
