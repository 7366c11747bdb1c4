using System.Collections.Concurrent;
using System.Diagnostics;
using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests.Relocation;

/// <summary>
/// Moves volumes between the sites at random, as a controller would that changes its mind now and then, while faults come and go, and checks after each move
/// that no acknowledged write is lost (I1), that the sites are not primary both (I2), that no image was thrown away without
/// force (I3), and that what a site holds is one state that the volume had (I5).
/// </summary>
public sealed class RelocationChecker(TwoSites sites, string mode, int seed, bool withFaults, int volumes, Action<string> log)
{
    private readonly ConcurrentBag<double> _durations = [];
    private readonly ConcurrentBag<ControllerPlay> _controllers = [];
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private int _forced;

    /// <summary>Number of moves that were made.</summary>
    public int Moves => _durations.Count;

    /// <summary>What was done, for the record.</summary>
    public string Summary
    {
        get
        {
            var sorted = _durations.Order().ToArray();
            return $"seed {seed}: {sorted.Length} moves, {_forced} forced, none lost a write, median {(sorted.Length == 0 ? 0 : sorted[sorted.Length / 2]):0.0} s, longest {sorted.LastOrDefault():0.0} s";
        }
    }

    public async Task RunAsync(TimeSpan duration)
    {
        Note($"seed {seed}");
        using var faults = new CancellationTokenSource();
        var injecting = withFaults ? NewInjector().RunAsync(faults.Token) : Task.CompletedTask;
        try
        {
            await Task.WhenAll(Enumerable.Range(1, volumes).Select(number => MoveAsync(new Random(seed + number), duration)));
        }
        finally
        {
            await faults.CancelAsync();
            await injecting;
        }
        Note(Summary);
    }

    private FaultInjector NewInjector() => new(
        [.. Fault.At(sites, sites.A), Fault.Partition(sites), .. Fault.At(sites, sites.B), Fault.Partition(sites)], TimeSpan.FromSeconds(6), TimeSpan.FromSeconds(25),
        new Random(seed), () => _controllers.Any(controller => controller.IsOverdue), Note);

    private void Note(string line) => log($"{_clock.Elapsed.TotalSeconds,7:0.0} {line}");

    private async Task MoveAsync(Random random, TimeSpan duration)
    {
        var features = mode == "journal" ? ImageFeatures.Layering | ImageFeatures.ExclusiveLock | ImageFeatures.Journaling : ImageFeatures.Layering;
        var volume = await TestVolume.CreateAsync(sites.A, inTenant: random.Next(4) == 0, features);
        var content = new CheckedVolume(volume, random);
        var history = new VolumeHistory(sites, volume, Note);
        try
        {
            await MoveAsync(content, history, random, duration);
        }
        catch
        {
            await history.PrintAsync();
            throw;
        }
    }

    private async Task MoveAsync(CheckedVolume content, VolumeHistory history, Random random, TimeSpan duration)
    {
        var volume = content.Volume;
        var controller = new ControllerPlay(volume, Note);
        _controllers.Add(controller);
        await TestVolume.RetryAsync(() => volume.EnableAsync(sites.A, mode), "it is enabled");
        await controller.PrimaryAsync(sites.A);

        var from = sites.A;
        while (_clock.Elapsed < duration)
        {
            var to = sites.Other(from);
            await TestVolume.RetryAsync(() => content.WriteAsync(from, random.Next(1, 12)), "it is written to");
            await PauseAsync(random);
            var imageId = await IdAsync(volume, from);
            await ChangeMindAsync(volume, from, to, random);

            var started = Stopwatch.GetTimestamp();
            await controller.SecondaryAsync(from);
            await PauseAsync(random);
            var paused = Stopwatch.GetElapsedTime(started);
            if (await controller.PrimaryAsync(to))
                Interlocked.Increment(ref _forced);
            _durations.Add(Stopwatch.GetElapsedTime(started).TotalSeconds);

            await history.AddAsync($"moved to {to}");
            await CheckAsync(content, from, to, imageId);
            from = to;
        }
    }

    /// <summary>
    /// Asks for the other site and gives up, with or without saying so, before the move is really wanted: what was asked must not make
    /// an old report look new, and while this site is primary nobody else may become it.
    /// </summary>
    private async Task ChangeMindAsync(TestVolume volume, Site from, Site to, Random random)
    {
        if (random.Next(3) != 0)
            return;
        var calls = random.Next(1, 6);
        for (var i = 0; i < calls; i++)
        {
            Require(await Rpc.CodeAsync(() => volume.PromoteAsync(to)) != StatusCode.OK, $"I2: {volume.Handle.Uuid} is promoted at {to} while {from} is primary");
            await PauseAsync(random);
        }
        var withdrawal = random.Next(3);
        Note($"{volume.Handle.Uuid[..8]} {to} was asked for {calls} times, and {(withdrawal == 0 ? "demoted again" : withdrawal == 1 ? "resynced again" : "left alone")}");
        if (withdrawal == 0)
            await Rpc.CodeAsync(() => volume.DemoteAsync(to));
        else if (withdrawal == 1)
            await Rpc.CodeAsync(() => volume.ResyncAsync(to));
        await PauseAsync(random);
    }

    private async Task CheckAsync(CheckedVolume content, Site from, Site to, string imageId)
    {
        var name = content.Volume.Handle.Uuid;
        var held = await Eventually.GetAsync(async () => (object)await content.HeldAsync(to), "the new primary can be read");
        Require((int)held >= 0, $"I5: {name} at {to} mixes two states");
        Require((int)held == content.Acknowledged, $"I1: {name} at {to} holds {held} of {content.Acknowledged} acknowledged writes");
        var peer = await Eventually.GetAsync(async () => await content.Volume.InfoAsync(from), "the old primary can be asked");
        Require(!peer.IsPrimary, $"I2: {name} is primary at both sites");
        Require(await IdAsync(content.Volume, from) == imageId, $"I3: the image of {name} at {from} was replaced");
    }

    private static Task<string> IdAsync(TestVolume volume, Site site) => Eventually.GetAsync(
        async () =>
        {
            await using var image = await volume.OpenAsync(site);
            return image.GetId();
        }, $"the image at {site} can be opened");

    private void Require(bool holds, string violation)
    {
        if (holds)
            return;
        Note("VIOLATION " + violation);
        Assert.Fail($"{violation} (seed {seed})");
    }

    // Quick flip-flops and unhurried moves.
    private static Task PauseAsync(Random random) => Task.Delay(random.Next(3) == 0 ? random.Next(4000) : random.Next(200));
}
