using System.Diagnostics;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests;

/// <summary>
/// Mirror snapshots that another client, as the manager is one, takes of the same image at the same time. Unordered they end
/// both processes by a stack overflow in librbd, this one included.
/// </summary>
public sealed class SnapshotTurnTests(TwoSites sites)
{
    private const int Rounds = 30;

    private static CancellationToken None => CancellationToken.None;

    // One after the other, each by a client of its own, as fast as it can.
    private Process StartOther(string image) => Process.Start(
        new ProcessStartInfo("sh", ["-c", $"for i in $(seq {Rounds}); do rbd -c {sites.A.ConfFile} mirror image snapshot {TwoSites.Pool}/{image} || exit $?; done"])
        { RedirectStandardOutput = true, RedirectStandardError = true })!;

    [Fact]
    public async Task Another_client_may_take_snapshots_at_the_same_time()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        using var other = StartOther(volume.ImageName);
        var taken = 0;
        for (; !other.HasExited; taken++)
            await volume.TakeSnapshotAsync(sites.A);
        Assert.Equal(0, other.ExitCode);
        Assert.True(taken >= Rounds / 2, $"{taken}");
        // None was robbed of its peers by the other side.
        Assert.NotEmpty((await volume.ChainAsync(sites.A)).Snapshots);
    }

    [Fact]
    public async Task Another_client_may_take_snapshots_while_the_image_is_demoted()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        for (var i = 0; i < 10; i++)
        {
            using var other = StartOther(volume.ImageName);
            await using var image = await volume.OpenAsync(sites.A, readOnly: false);
            await Task.Delay(i * 20);
            await image.Mirroring.DemoteAsync(None);
            await other.WaitForExitAsync();
            // A secondary is refused.
            Assert.Equal(22, other.ExitCode);
            Assert.True((await volume.ChainAsync(sites.A)).EndsInOwnDemotion);
            await image.Mirroring.PromoteAsync(force: false, None);
        }
    }
}
