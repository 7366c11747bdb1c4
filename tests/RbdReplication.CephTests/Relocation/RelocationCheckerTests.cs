using System.Diagnostics;
using System.Globalization;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests.Relocation;

[Collection("Faults")]
public sealed class RelocationCheckerTests(TwoSites sites)
{
    private static int Seed => Setting("RELOCATION_SEED", Random.Shared.Next(1, 1_000_000));

    private static string Mode => Environment.GetEnvironmentVariable("RELOCATION_MODE") is { Length: > 0 } mode ? mode : "snapshot";

    private static TimeSpan Duration => TimeSpan.FromSeconds(Setting("RELOCATION_SECONDS", 30));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Random_moves_lose_no_acknowledged_write(bool withFaults)
    {
        var checker = new RelocationChecker(sites, Mode, Seed, withFaults, Setting("RELOCATION_VOLUMES", 3), line => TestContext.Current.TestOutputHelper!.WriteLine(line));
        await checker.RunAsync(Duration);
        Assert.True(checker.Moves > 0);
        TestContext.Current.SendDiagnosticMessage(checker.Summary);
    }

    [Fact]
    public async Task A_volume_whose_peer_follows_moves_back_and_forth_with_every_write()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        var content = new CheckedVolume(volume, new Random(Seed));
        await volume.ProtectAsync(sites.A, sites.B);
        var from = sites.A;
        List<double> seconds = [];
        for (var i = 0; i < 6; i++)
        {
            var to = sites.Other(from);
            await volume.AwaitCopyAsync(to);
            // As the snapshot schedule of a volume that has been at a site for a while.
            await volume.TakeSnapshotAsync(from);
            await Eventually.TrueAsync(async () => !await volume.IsAwaitedAsync(from), $"{to} has copied that");
            await content.WriteAsync(from, 5);
            var started = Stopwatch.GetTimestamp();
            await new ControllerPlay(volume, static _ => { }).SecondaryAsync(from);
            Assert.False(await new ControllerPlay(volume, static _ => { }).PrimaryAsync(to));
            seconds.Add(Stopwatch.GetElapsedTime(started).TotalSeconds);
            Assert.Equal(content.Acknowledged, await content.HeldAsync(to));
            from = to;
        }
        TestContext.Current.TestOutputHelper!.WriteLine("settled moves took " + string.Join(", ", seconds.Select(second => second.ToString("0.0", CultureInfo.InvariantCulture))) + " s");
    }

    private static int Setting(string name, int fallback) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : fallback;
}
