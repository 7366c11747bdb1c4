using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Reflection.V1Alpha;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Csi.Protocol;
using GroupController = RbdReplication.Csi.Protocol.Groups.Controller;

namespace RbdReplication.Tests;

/// <summary>The executable, serving on a socket of its own, with no Ceph to talk to.</summary>
public sealed class RunningServer : IAsyncLifetime
{
    /// <summary>Has the form of a key; no cluster knows it.</summary>
    public const string Key = "AQBdUnlnAAAAABAAc2VjcmV0c2VjcmV0c2Vjcg==";

    public string Folder { get; } = Directory.CreateTempSubdirectory("serve-").FullName;

    public string ConfigPath => Path.Combine(Folder, "config.json");

    public ServerProcess Server { get; private set; } = null!;

    public static Dictionary<string, string> Secrets => new() { ["userID"] = "csi", ["userKey"] = Key };

    public async ValueTask InitializeAsync()
    {
        await File.WriteAllTextAsync(ConfigPath, """[{"clusterID":"dead","monitors":["127.0.0.1:1"]},{"clusterID":"bare"}]""");
        Server = await StartAsync("main.sock", "--log-level", "trace");
    }

    public Task<ServerProcess> StartAsync(string socket, params string[] options) => ServerProcess.StartAsync(
        Path.Combine(Folder, socket), ["--cluster-config", ConfigPath, "--cluster-mapping", Path.Combine(Folder, "none.json"), .. options]);

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        Directory.Delete(Folder, recursive: true);
    }
}

public sealed class ServeTests(RunningServer running) : IClassFixture<RunningServer>
{
    private Controller.ControllerClient Client => running.Server.Replication;

    public static TheoryData<string> AllCalls => [.. Rpc.All];

    public static TheoryData<string> CallsWithOldVolumeId => [.. Rpc.WithOldVolumeId];

    public static TheoryData<string> CallsWithParameters => [.. Rpc.WithParameters];

    private static string Handle(string cluster) => new Core.VolumeHandle(cluster, 1, "0c23de1c-18fb-11eb-a903-0242ac110005").ToString();

    private static RpcArguments Arguments(string cluster) => new() { Source = RpcArguments.Volume(Handle(cluster)), Secrets = RunningServer.Secrets };

    private Task<Status> StatusAsync(string call, RpcArguments arguments) => Rpc.StatusAsync(Client, call, arguments);

    private static void Is(StatusCode code, string text, Status status)
    {
        Assert.True(code == status.StatusCode, $"{status}");
        Assert.Contains(text, status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Identity_names_the_driver_and_the_version()
    {
        var identity = await running.Server.Identity.GetIdentityAsync(new());
        Assert.Equal("rbd.csi.ceph.com", identity.Name);
        Assert.Matches(@"\A\d+\.\d+\.\d+", identity.VendorVersion);
        Assert.True((await running.Server.Identity.ProbeAsync(new())).Ready);
    }

    [Fact]
    public async Task Capabilities_are_those_that_are_served()
    {
        var capabilities = (await running.Server.Identity.GetCapabilitiesAsync(new())).Capabilities;
        Assert.Equal(11, capabilities.Count);
        Assert.Equal(Capability.Types.Service.Types.Type.ControllerService, capabilities[0].Service.Type);
        Assert.Equal(Capability.Types.VolumeReplication.Types.Type.VolumeReplication, capabilities[1].VolumeReplication.Type);
        Assert.Equal(Capability.Types.VolumeReplication.Types.Type.GetReplicationDestinationInfo, capabilities[2].VolumeReplication.Type);
        Assert.Equal(Capability.Types.ReclaimSpace.Types.Type.Offline, capabilities[3].ReclaimSpace.Type);
        Assert.Equal(Capability.Types.NetworkFence.Types.Type.NetworkFence, capabilities[4].NetworkFence.Type);
        Assert.Equal([1, 3, 2, 4, 5, 6], capabilities.Skip(5).Select(capability => (int)capability.VolumeGroup.Type));
    }

    [Fact]
    public async Task Volume_groups_are_served_and_announced_only_where_that_is_switched_on()
    {
        await using var server = await running.StartAsync("groupless.sock", "--volume-groups", "false");
        Assert.DoesNotContain((await server.Identity.GetCapabilitiesAsync(new())).Capabilities, capability => capability.VolumeGroup is not null);
        var groups = new GroupController.ControllerClient(server.Channel);
        var status = (await Assert.ThrowsAsync<RpcException>(async () => await groups.DeleteVolumeGroupAsync(new() { VolumeGroupId = Handle("dead"), Secrets = { RunningServer.Secrets } }))).Status;
        Is(StatusCode.Unimplemented, "volumegroup.Controller/DeleteVolumeGroup is of no service of this server", status);
        foreach (var call in Rpc.All)
        {
            Is(StatusCode.Unimplemented, "start the server with --volume-groups", await Rpc.StatusAsync(
                server.Replication, call, new() { Source = RpcArguments.Group(Handle("dead")), Secrets = RunningServer.Secrets }));
        }
    }

    [Fact]
    public async Task A_service_that_is_not_served_here_is_unimplemented_with_its_name()
    {
        var status = await Forwarding.Unheard.StatusAsync(running.Server.Channel, "Echo", []);
        Is(StatusCode.Unimplemented, "unheard.of.Service/Echo is of no service of this server", status);
        await Eventually.TrueAsync(() => Task.FromResult(running.Server.Log.Contains("Unimplemented: unheard.of.Service/Echo", StringComparison.Ordinal)), "it is logged");
    }

    [Fact]
    public async Task Health_says_that_it_serves() =>
        Assert.Equal(
            HealthCheckResponse.Types.ServingStatus.Serving,
            (await new Health.HealthClient(running.Server.Channel).CheckAsync(new())).Status);

    [Fact]
    public async Task Reflection_describes_the_services()
    {
        using var stream = new ServerReflection.ServerReflectionClient(running.Server.Channel).ServerReflectionInfo();
        await stream.RequestStream.WriteAsync(new() { ListServices = "" });
        Assert.True(await stream.ResponseStream.MoveNext(CancellationToken.None));
        var services = stream.ResponseStream.Current.ListServicesResponse.Service.Select(service => service.Name).ToList();
        Assert.Equal(
            ["fence.FenceController", "grpc.health.v1.Health", "identity.Identity", "reclaimspace.ReclaimSpaceController", "replication.Controller", "volumegroup.Controller"], services.Order(StringComparer.Ordinal));
        await stream.RequestStream.WriteAsync(new() { FileContainingSymbol = "replication.Controller" });
        Assert.True(await stream.ResponseStream.MoveNext(CancellationToken.None));
        Assert.NotEmpty(stream.ResponseStream.Current.FileDescriptorResponse.FileDescriptorProto);
        await stream.RequestStream.CompleteAsync();
    }

    [Theory]
    [MemberData(nameof(AllCalls))]
    public async Task A_request_without_a_volume_is_refused(string call)
    {
        Is(StatusCode.InvalidArgument, "names no volume", await StatusAsync(call, new()));
        Is(StatusCode.InvalidArgument, "names no volume", await StatusAsync(call, new() { Source = new() }));
        Is(StatusCode.InvalidArgument, "names no volume", await StatusAsync(call, new() { Source = RpcArguments.Volume("") }));
        Is(StatusCode.InvalidArgument, "group id is empty", await StatusAsync(call, new() { Source = RpcArguments.Group("") }));
    }

    [Theory]
    [MemberData(nameof(AllCalls))]
    public async Task A_volume_group_is_looked_for_where_its_handle_says(string call) => Is(
        StatusCode.Unavailable, $"volume group {Handle("bare")}: the cluster configuration lists no monitors for cluster bare",
        await StatusAsync(call, new() { Source = RpcArguments.Group(Handle("bare")), Secrets = RunningServer.Secrets }));

    [Theory]
    [MemberData(nameof(AllCalls))]
    public async Task A_malformed_handle_is_refused_with_its_fault(string call)
    {
        foreach (var text in (string[])["csi-vol-1", Handle("dead")[..^1], Handle("dead") + "0", Handle("de\0d"), "0002" + Handle("dead")[4..], new string('é', 70), new string('x', 1024 * 1024)])
        {
            var status = await StatusAsync(call, new() { Source = RpcArguments.Volume(text), Secrets = RunningServer.Secrets });
            Is(StatusCode.InvalidArgument, "is not a volume handle", status);
            Assert.InRange(status.Detail.Length, 1, 500);
        }
    }

    [Theory]
    [MemberData(nameof(AllCalls))]
    public async Task Missing_secrets_are_named_with_the_volume(string call)
    {
        async Task Missing(string field, Dictionary<string, string> secrets)
        {
            var status = await StatusAsync(call, new() { Source = RpcArguments.Volume(Handle("dead")), Secrets = secrets });
            Is(StatusCode.InvalidArgument, $"no {field}", status);
            Assert.Contains(Handle("dead"), status.Detail, StringComparison.Ordinal);
        }

        await Missing("userID", []);
        await Missing("userID", new() { ["userKey"] = RunningServer.Key });
        await Missing("userID", new() { ["userID"] = " ", ["userKey"] = RunningServer.Key });
        await Missing("userKey", new() { ["userID"] = "csi" });
        await Missing("userKey", new() { ["userID"] = "csi", ["userKey"] = "" });
    }

    [Theory]
    [MemberData(nameof(AllCalls))]
    public async Task A_key_that_is_none_is_refused_without_showing_it(string call)
    {
        foreach (var key in (string[])["not base64: %%%%", "c2hvcnQ=", RunningServer.Key[..^1] + "?"])
        {
            var status = await StatusAsync(call, Arguments("dead") with { Secrets = new Dictionary<string, string> { ["userID"] = "csi", ["userKey"] = key } });
            Is(StatusCode.Unauthenticated, "not a cephx key", status);
            Assert.DoesNotContain(key, status.Detail, StringComparison.Ordinal);
        }
    }

    [Theory]
    [MemberData(nameof(AllCalls))]
    public async Task An_unknown_cluster_is_a_fault_of_the_configuration(string call)
    {
        var status = await StatusAsync(call, Arguments("nowhere"));
        Is(StatusCode.Unavailable, "cluster nowhere of volume", status);
        Assert.Contains(Handle("nowhere"), status.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(AllCalls))]
    public async Task A_cluster_without_monitors_is_unavailable(string call) =>
        Is(StatusCode.Unavailable, "no monitors for cluster bare", await StatusAsync(call, Arguments("bare")));

    [Theory]
    [MemberData(nameof(CallsWithOldVolumeId))]
    public async Task The_deprecated_volume_id_counts_where_there_is_no_source(string call)
    {
        Is(StatusCode.Unavailable, "cluster old of volume", await StatusAsync(call, new() { OldVolumeId = Handle("old"), Secrets = RunningServer.Secrets }));
        Is(StatusCode.Unavailable, "cluster old of volume", await StatusAsync(call, new() { OldVolumeId = Handle("old"), Source = new(), Secrets = RunningServer.Secrets }));
        Is(StatusCode.Unavailable, "cluster new of volume", await StatusAsync(call, Arguments("new") with { OldVolumeId = Handle("old") }));
    }

    [Theory]
    [MemberData(nameof(CallsWithParameters))]
    public async Task Wrong_parameters_are_refused_before_anything_is_touched(string call)
    {
        foreach (var (key, value) in (IEnumerable<(string, string)>)[("mirroringMode", "both"), ("schedulingInterval", "0m"), ("schedulingStartTime", "14:00"), ("flattenMode", "x"), ("force", "maybe")])
            Is(StatusCode.InvalidArgument, $"parameter {key}", await StatusAsync(call, Arguments("nowhere") with { Parameters = new Dictionary<string, string> { [key] = value } }));
    }

    [Fact]
    public async Task An_unknown_parameter_is_ignored_with_one_warning()
    {
        var key = "unheard-of-" + Guid.NewGuid().ToString("N");
        for (var i = 0; i < 3; i++)
            await StatusAsync(Rpc.Promote, Arguments("nowhere") with { Parameters = new Dictionary<string, string> { [key] = "1" } });
        await Eventually.TrueAsync(() => Task.FromResult(running.Server.Log.Contains(key, StringComparison.Ordinal)), "the warning is logged");
        Assert.Single(running.Server.Log.Split('\n'), line => line.Contains(key, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Each_call_is_one_log_line_with_volume_and_code_and_no_secret_is_ever_logged()
    {
        var handle = new Core.VolumeHandle("logged", 1, Guid.NewGuid().ToString()).ToString();
        await StatusAsync(Rpc.Demote, new() { Source = RpcArguments.Volume(handle), Secrets = RunningServer.Secrets });
        await StatusAsync(Rpc.Demote, Arguments("dead"));
        await Eventually.TrueAsync(() => Task.FromResult(running.Server.Log.Contains(handle + ": Unavailable", StringComparison.Ordinal)), "the call is logged");
        Assert.DoesNotContain(RunningServer.Key, running.Server.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_cluster_that_nobody_answers_for_is_unavailable_and_delays_no_other()
    {
        var deadline = new CallOptions(deadline: DateTime.UtcNow.AddSeconds(60));
        var dead = Rpc.StatusAsync(Client, Rpc.GetInfo, Arguments("dead"), deadline);
        Is(StatusCode.Unavailable, "cluster nowhere of volume", await StatusAsync(Rpc.GetInfo, Arguments("nowhere")));
        Is(StatusCode.Unavailable, "cannot connect to cluster dead as client.csi", await dead);
    }

    [Fact]
    public async Task The_callers_own_deadline_ends_a_call()
    {
        // A volume of its own: it stays busy until the attempt to connect has ended.
        var handle = new Core.VolumeHandle("dead", 1, Guid.NewGuid().ToString()).ToString();
        var status = await Rpc.StatusAsync(
            Client, Rpc.Promote, Arguments("dead") with { Source = RpcArguments.Volume(handle) }, new CallOptions(deadline: DateTime.UtcNow.AddMilliseconds(300)));
        Assert.Equal(StatusCode.DeadlineExceeded, status.StatusCode);
    }

    [Fact]
    public async Task The_operation_timeout_ends_a_call_without_a_deadline_and_the_volume_is_free_afterwards()
    {
        await using var server = await running.StartAsync("timeout.sock", "--operation-timeout", "200ms");
        Is(StatusCode.DeadlineExceeded, Handle("dead"), await Rpc.StatusAsync(server.Replication, Rpc.Promote, Arguments("dead")));
        await Eventually.TrueAsync(
            async () => (await Rpc.StatusAsync(server.Replication, Rpc.Promote, Arguments("nowhere"))).Detail.Contains("cluster nowhere of volume", StringComparison.Ordinal),
            "the pending connection attempt has ended");
    }

    [Fact]
    public async Task A_changed_configuration_is_in_force_for_the_next_call_and_a_broken_one_is_not()
    {
        var config = Path.Combine(running.Folder, "changing.json");
        await File.WriteAllTextAsync(config, "[]");
        await using var server = await ServerProcess.StartAsync(
            Path.Combine(running.Folder, "changing.sock"), ["--cluster-config", config, "--cluster-mapping", Path.Combine(running.Folder, "none.json")]);
        Task<Status> Ask() => Rpc.StatusAsync(server.Replication, Rpc.GetInfo, Arguments("late"));
        Is(StatusCode.Unavailable, "cluster late of volume", await Ask());
        await File.WriteAllTextAsync(config, """[{"clusterID":"late"}]""");
        Is(StatusCode.Unavailable, "no monitors for cluster late", await Ask());
        await File.WriteAllTextAsync(config, "[{");
        Is(StatusCode.Unavailable, "no monitors for cluster late", await Ask());
        Is(StatusCode.Unavailable, "no monitors for cluster late", await Ask());
        await Eventually.TrueAsync(() => Task.FromResult(server.Log.Contains("last good content", StringComparison.Ordinal)), "the broken file is reported");
        Assert.Single(server.Log.Split('\n'), line => line.Contains("last good content", StringComparison.Ordinal));
    }
}
