using Grpc.Core;
using Microsoft.Extensions.Logging.Abstractions;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Csi.Grpc;
using RbdReplication.Csi.Protocol;
using RbdReplication.Tests.Kubernetes;

namespace RbdReplication.Tests.Forwarding;

/// <summary>What Identity says where calls are forwarded.</summary>
public sealed class ForwardedCapabilitiesTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("capabilities-").FullName;

    private string DriverPath => Path.Combine(_folder, "driver.sock");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private Task<ServerProcess> StartAsync(bool untilReady) => ServerProcess.StartAsync(
        Path.Combine(_folder, "serve.sock"), ["--forward-endpoint", "unix://" + DriverPath, "--volume-groups", "false"], untilReady);

    private static async Task<Status> CapabilitiesStatusAsync(ServerProcess server)
    {
        var e = await Assert.ThrowsAsync<RpcException>(async () => await server.Identity.GetCapabilitiesAsync(new()));
        return e.Status;
    }

    [Fact]
    public async Task Until_the_driver_has_answered_once_nothing_is_told_and_the_sidecar_is_kept_waiting()
    {
        await using var server = await StartAsync(untilReady: false);
        var status = await CapabilitiesStatusAsync(server);
        Assert.Equal(StatusCode.Unavailable, status.StatusCode);
        Assert.Contains($"what the driver behind {DriverPath} can do is not known", status.Detail, StringComparison.Ordinal);
        Assert.False((await server.Identity.ProbeAsync(new())).Ready);
        Assert.Equal("rbd.csi.ceph.com", (await server.Identity.GetIdentityAsync(new())).Name);

        await using (await DriverProcess.StartAsync(DriverPath))
        {
            Assert.True((await server.Identity.ProbeAsync(new())).Ready);
            await AssertUnionAsync(server);
        }
        // What was told once holds, and replication goes on.
        Assert.True((await server.Identity.ProbeAsync(new())).Ready);
        await AssertUnionAsync(server);
        await Eventually.TrueAsync(() => Task.FromResult(server.Log.Contains("answers: rbd.csi.ceph.com v3.99, 6 capabilities", StringComparison.Ordinal)), "the driver is named in the log");
        Assert.Contains("does not tell its capabilities: Unavailable", server.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_driver_that_never_answers_holds_up_replication_for_five_minutes_and_no_longer()
    {
        var time = new ManualTime();
        using var socket = new DriverSocket(new ForwardOptions(DriverPath, TimeSpan.FromMinutes(1)));
        using var driver = new DriverCapabilities(socket, new IdentityOptions("rbd.csi.ceph.com"), time, NullLogger<DriverCapabilities>.Instance);
        Assert.False(await driver.AreKnownAsync(CancellationToken.None));
        time.Advance(DriverCapabilities.Patience);
        Assert.True(await driver.AreKnownAsync(CancellationToken.None));
        Assert.Empty(await driver.GetAsync(CancellationToken.None));
        await using var late = await DriverProcess.StartAsync(DriverPath);
        Assert.NotEmpty(await driver.GetAsync(CancellationToken.None));
    }

    private static async Task AssertUnionAsync(ServerProcess server)
    {
        var capabilities = (await server.Identity.GetCapabilitiesAsync(new())).Capabilities;
        Assert.Equal(
            [.. Own, new Capability { EncryptionKeyRotation = new() { Type = Capability.Types.EncryptionKeyRotation.Types.Type.Encryptionkeyrotation } }, DriverProcess.Unheard],
            capabilities);
    }

    private static IEnumerable<Capability> Own =>
    [
        new() { Service = new() { Type = Capability.Types.Service.Types.Type.ControllerService } },
        new() { VolumeReplication = new() { Type = Capability.Types.VolumeReplication.Types.Type.VolumeReplication } },
        new() { VolumeReplication = new() { Type = Capability.Types.VolumeReplication.Types.Type.GetReplicationDestinationInfo } },
        new() { ReclaimSpace = new() { Type = Capability.Types.ReclaimSpace.Types.Type.Offline } },
        new() { NetworkFence = new() { Type = Capability.Types.NetworkFence.Types.Type.NetworkFence } },
    ];

    [Fact]
    public async Task What_a_driver_that_was_replaced_can_do_is_asked_again()
    {
        await using (await DriverProcess.StartAsync(DriverPath, [], "rbd.csi.ceph.com"))
        {
            await using var server = await StartAsync(untilReady: true);
            Assert.Equal(Own, (await server.Identity.GetCapabilitiesAsync(new())).Capabilities);
        }
        await using var second = await DriverProcess.StartAsync(DriverPath, "cephfs.csi.ceph.com");
        await using var again = await StartAsync(untilReady: true);
        await Eventually.TrueAsync(
            async () =>
            {
                await AssertUnionAsync(again);
                return again.Log.Contains("is cephfs.csi.ceph.com and not rbd.csi.ceph.com", StringComparison.Ordinal);
            }, "the driver of another name is reported");
    }

    [Fact]
    public async Task A_driver_that_hangs_or_answers_with_garbage_is_unavailable()
    {
        await using var server = await StartAsync(untilReady: false);
        await using (await DriverProcess.StartAsync(DriverPath, [0x0a, 0xff, 0xff, 0xff], "rbd.csi.ceph.com"))
            Assert.Equal(StatusCode.Unavailable, (await CapabilitiesStatusAsync(server)).StatusCode);
        await using var driver = await DriverProcess.StartAsync(DriverPath);
        await driver.SignalAsync("STOP");
        Assert.Equal(StatusCode.Unavailable, (await CapabilitiesStatusAsync(server)).StatusCode);
        await driver.SignalAsync("CONT");
        Assert.True((await server.Identity.ProbeAsync(new())).Ready);
    }

    [Fact]
    public void Of_what_a_service_here_announces_the_drivers_further_types_are_not_told_and_the_nodes_part_of_reclaiming_space_is()
    {
        Capability Fence(Capability.Types.NetworkFence.Types.Type type) => new() { NetworkFence = new() { Type = type } };
        Capability Space(Capability.Types.ReclaimSpace.Types.Type type) => new() { ReclaimSpace = new() { Type = type } };
        Capability[] own = [Fence(Capability.Types.NetworkFence.Types.Type.NetworkFence), Space(Capability.Types.ReclaimSpace.Types.Type.Offline)];
        Capability[] drivers =
        [
            Fence(Capability.Types.NetworkFence.Types.Type.NetworkFence), Fence(Capability.Types.NetworkFence.Types.Type.GetClientsToFence),
            Space(Capability.Types.ReclaimSpace.Types.Type.Online), Space(Capability.Types.ReclaimSpace.Types.Type.Offline),
            new() { VolumeGroup = new() { Type = (Capability.Types.VolumeGroup.Types.Type)99 } },
        ];
        Assert.Equal(
            [.. own, Space(Capability.Types.ReclaimSpace.Types.Type.Online), drivers[^1]], DriverCapabilities.Union(own, drivers));
        Assert.Equal(drivers, DriverCapabilities.Union([], drivers));
    }
}
