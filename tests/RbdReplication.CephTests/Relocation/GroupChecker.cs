using System.Diagnostics;
using RbdReplication.CephTests.Groups;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests.Relocation;

/// <summary>
/// Writes to a group while its generations are taken under faults, and then moves it, upon which every acknowledged write is there (G2), or loses its site
/// at a random moment and promotes it by force at the other one, upon which all members are of one instant (G1), which is no older than the
/// last one that the replication info has told.
/// </summary>
/// <param name="sites">Where.</param>
/// <param name="seed">What happens.</param>
/// <param name="members">How many volumes the group has.</param>
/// <param name="longest">For how long it is written to, at most, after the info has told of a generation.</param>
/// <param name="withDeadClients">Whether clients may be gone with a lock, which keeps everybody waiting for half a minute each time.</param>
/// <param name="log">Told of what happens.</param>
internal sealed class GroupChecker(TwoSites sites, int seed, int members, TimeSpan longest, bool withDeadClients, Action<string> log)
{
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan LongestFault = TimeSpan.FromSeconds(6);

    private const ulong LastOffset = TestVolume.SizeBytes - 4096;

    private readonly Random _random = new(seed);
    private readonly Stopwatch _clock = Stopwatch.StartNew();

    /// <summary>What was done, for the record.</summary>
    public string Summary { get; private set; } = "";

    public async Task RunAsync(bool isLost)
    {
        Note($"seed {seed}: a group of {members} that {(isLost ? "loses its site" : "is moved")}");
        var group = await ReplicatedGroup.CreateAsync(sites, members);
        await group.CallAsync(sites.A, Rpc.Enable, parameters: GenerationRequests.EachMinute);
        await group.CallAsync(sites.A, Rpc.Promote, parameters: GenerationRequests.EachMinute);
        await group.AwaitCopiesAsync();
        var writers = await GroupWriters.StartAsync(sites.A, group.Volumes, _random);
        var generations = new GenerationRequests(sites.A, group, Note);
        var controller = new ControllerPlay(
            group.At(sites.A).Name[^8..], site => group.CallAsync(site, Rpc.Demote),
            (site, force) => group.CallAsync(site, Rpc.Promote, force, GenerationRequests.EachMinute), Note);
        try
        {
            await (isLost ? LoseAsync(group, writers, generations, controller) : MoveAsync(group, writers, generations, controller));
        }
        finally
        {
            await writers.AbandonAsync();
        }
        Summary = $"seed {seed}: {members} members, {writers}, told was: {generations.Last}, {(isLost ? "site lost, of one instant" : "moved with every write")}, {_clock.Elapsed.TotalSeconds:0} s";
        Note(Summary);
        await DisableAsync(group, sites.B);
        // What was left behind there follows nobody.
        await DisableAsync(group, sites.A);
    }

    private static Task DisableAsync(ReplicatedGroup group, Site site) =>
        TestVolume.RetryAsync(() => group.CallAsync(site, Rpc.Disable, parameters: ("force", "true")), $"it is disabled at {site}");

    private async Task MoveAsync(ReplicatedGroup group, GroupWriters writers, GenerationRequests generations, ControllerPlay controller)
    {
        await UnderFaultsAsync(AllFaults(group, writers, generations), controller, async () =>
        {
            await WriteAsync(generations);
            await writers.StopAsync();
            await group.WriteAsync(sites.A, LastOffset);
        });
        string[] left = [];
        await UnderFaultsAsync([.. Fault.At(sites, sites.A), .. Fault.At(sites, sites.B), Fault.Partition(sites)], controller, async () =>
        {
            await controller.SecondaryAsync(sites.A);
            left = await Eventually.GetAsync(() => group.DigestsAsync(sites.A)!, "what the application has left can be read");
            await controller.PrimaryAsync(sites.B);
        });
        await group.AssertRoleAsync(sites.A, arePrimary: false);
        Require(await writers.FindLossAsync(sites.B));
        Require((await group.DigestsAsync(sites.B)).SequenceEqual(left) ? null : "some bytes are not those that the application has left");
    }

    private async Task LoseAsync(ReplicatedGroup group, GroupWriters writers, GenerationRequests generations, ControllerPlay controller)
    {
        await UnderFaultsAsync(AllFaults(group, writers, generations), controller, () => WriteAsync(generations));
        using var lost = new CancellationTokenSource();
        var watching = generations.WatchAsync(lost.Token);
        if (_random.Next(2) == 0)
        {
            await generations.BeginAsync();
            await Task.Delay(_random.Next(600));
        }
        try
        {
            await sites.StopAsync(sites.A, "all", "freeze");
            await sites.A.KillServerAsync();
            await lost.CancelAsync();
            await watching;
            Note($"{sites.A} is lost; told was: {generations.Last}");
            await UnderFaultsAsync(Fault.At(sites, sites.B), controller, () => controller.PrimaryByForceAsync(sites.B));
            await group.AssertRoleAsync(sites.B, arePrimary: true);
            Require(await writers.FindTearAsync(sites.B, generations.Told));
        }
        finally
        {
            await sites.StartAsync(sites.A, "all");
            await sites.A.RestartServerAsync();
            await sites.RestartMirrorDaemonAsync(sites.B);
        }
    }

    /// <summary>Has generations taken until one was told, and on for a while.</summary>
    private async Task WriteAsync(GenerationRequests generations)
    {
        using var end = new CancellationTokenSource();
        var (asking, watching) = (generations.AskAsync(new Random(seed + 1), end.Token), generations.WatchAsync(end.Token));
        try
        {
            await Eventually.TrueAsync(() => Task.FromResult(generations.Told > DateTimeOffset.MinValue || asking.IsFaulted || watching.IsFaulted), "the info tells of a generation");
            await Task.Delay(longest * _random.NextDouble());
        }
        finally
        {
            await end.CancelAsync();
            await Task.WhenAll(asking, watching);
        }
    }

    // Those that are aimed at a generation come twice as often as each of the others.
    private List<Fault> AllFaults(ReplicatedGroup group, GroupWriters writers, GenerationRequests generations)
    {
        var random = new Random(_random.Next());
        Task InsideAsync() => ReachBarrierAsync(group, writers, generations, random);
        Fault[] inside =
        [
            new("server killed inside a generation", async () =>
            {
                await InsideAsync();
                await sites.A.KillServerAsync();
            }, sites.A.RestartServerAsync),
            // As when the container goes: else the generation is ended by its own process.
            new("server and its process killed inside a generation", async () =>
            {
                await InsideAsync();
                foreach (var process in GenerationProcesses.Of(sites.A.Server.ProcessId))
                    GenerationProcesses.Kill(process);
                await sites.A.KillServerAsync();
            }, sites.A.RestartServerAsync),
            new("osd frozen inside a generation", async () =>
            {
                await InsideAsync();
                await sites.StopAsync(sites.A, "osd", "freeze");
            }, () => sites.StartAsync(sites.A, "osd")),
        ];
        List<Fault> faults = [.. Fault.At(sites, sites.A), .. Fault.At(sites, sites.B), Fault.Partition(sites), .. inside, .. inside];
        if (withDeadClients)
            faults.AddRange([ClientGone(group, random), ClientGone(group, random)]);
        return faults;
    }

    /// <summary>Has a generation begun, waits until it has the lock of a member, and a moment more.</summary>
    private async Task ReachBarrierAsync(ReplicatedGroup group, GroupWriters writers, GenerationRequests generations, Random random)
    {
        await generations.BeginAsync();
        var volume = group.Volumes[random.Next(members)];
        var reached = false;
        await using (var image = await volume.OpenAsync(sites.A, readOnly: false))
        {
            for (var i = 0; i < 300 && !reached; i++)
                reached = (await image.Lock.ListOwnersAsync(CancellationToken.None)) is [var owner] && !writers.Addresses.Contains(owner);
        }
        await Task.Delay(random.Next(150));
        Note(reached ? $"a generation has the lock of {volume.Handle.Uuid[..8]}" : "no generation was seen with a lock");
    }

    private Fault ClientGone(ReplicatedGroup group, Random random)
    {
        FrozenWriter? client = null;
        return new(
            "client gone with the lock",
            async () => client = await FrozenWriter.StartAsync(sites.A, group.Volumes[random.Next(members)]),
            () =>
            {
                client?.Dispose();
                return Task.CompletedTask;
            });
    }

    private async Task UnderFaultsAsync(IReadOnlyList<Fault> faults, ControllerPlay controller, Func<Task> work)
    {
        using var end = new CancellationTokenSource();
        var injecting = new FaultInjector(faults, LongestPause, LongestFault, new Random(_random.Next()), () => controller.IsOverdue, Note).RunAsync(end.Token);
        try
        {
            await work();
        }
        finally
        {
            await end.CancelAsync();
            await injecting;
        }
    }

    private void Note(string line) => log($"{_clock.Elapsed.TotalSeconds,7:0.0} {line}");

    private void Require(string? violation)
    {
        if (string.IsNullOrEmpty(violation))
            return;
        Note("VIOLATION " + violation);
        Assert.Fail($"{violation} (seed {seed}, {members} members)");
    }
}
