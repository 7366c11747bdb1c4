using System.Globalization;
using System.Text;
using System.Text.Json;
using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Reflection.V1Alpha;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Csi.Cli;
using RbdReplication.Csi.Hosting;
using RbdReplication.Csi.Protocol;

namespace RbdReplication.Tests.Forwarding;

/// <summary>A server that forwards to a driver, both running.</summary>
public sealed class ForwardingRig : IAsyncLifetime
{
    public string Folder { get; } = Directory.CreateTempSubdirectory("forward-").FullName;

    public string DriverPath => Path.Combine(Folder, "driver.sock");

    public DriverProcess Driver { get; private set; } = null!;

    public ServerProcess Server { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Driver = await DriverProcess.StartAsync(DriverPath);
        Server = await StartAsync("main.sock", DriverPath, ["--log-level", "trace"]);
    }

    public Task<ServerProcess> StartAsync(string socket, string driver, string[] options, bool untilReady = true) => ServerProcess.StartAsync(
        Path.Combine(Folder, socket), ["--forward-endpoint", "unix://" + driver, .. options], untilReady);

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        await Driver.DisposeAsync();
        Directory.Delete(Folder, recursive: true);
    }
}

/// <summary>Calls of services that are not served here, with the driver that has them.</summary>
public sealed class ForwardingTests(ForwardingRig rig) : IClassFixture<ForwardingRig>
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    private GrpcChannel Channel => rig.Server.Channel;

    private static byte[] Bytes(int count)
    {
        var bytes = new byte[count];
        new Random(count).NextBytes(bytes);
        return bytes;
    }

    private static void Is(StatusCode code, string text, Status status)
    {
        Assert.True(code == status.StatusCode, $"{status}");
        Assert.Contains(text, status.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(5000)]
    [InlineData(ServeLimits.MessageBytes)]
    public async Task Messages_go_on_and_come_back_byte_for_byte_with_what_comes_before_and_after_them(int count)
    {
        var request = Bytes(count);
        using var call = Unheard.Call(Channel, "Echo", request);
        Assert.Equal(request, await call);
        Assert.Equal("first", (await call.ResponseHeadersAsync).GetValue("x-initial"));
        Assert.Equal("last", call.GetTrailers().GetValue("x-trailing"));
        Assert.Equal([0, 1, 2, 3, 4, 5, 6, 7], call.GetTrailers().GetValueBytes("x-trailing-bin"));
    }

    [Fact]
    public async Task Metadata_goes_on_and_what_belongs_to_the_connection_does_not()
    {
        var metadata = new Metadata { { "x-mine", "1" }, { "x-mine-bin", [1, 2, 3] }, { "authorization", "of mine" }, { "proxy-authorization", "of the hop" } };
        var seen = JsonDocument.Parse(await Unheard.Call(Channel, "Metadata", [], new CallOptions(metadata))).RootElement;
        Assert.Equal("1", seen.GetProperty("x-mine").GetString());
        Assert.Equal("010203", seen.GetProperty("x-mine-bin").GetString());
        Assert.Equal("of mine", seen.GetProperty("authorization").GetString());
        Assert.False(seen.TryGetProperty("proxy-authorization", out _));
    }

    [Fact]
    public async Task The_driver_is_told_the_callers_deadline_and_the_operation_timeout_where_there_is_none()
    {
        async Task<double> LeftAsync(CallOptions options) =>
            double.Parse(Encoding.ASCII.GetString(await Unheard.Call(Channel, "TimeLeft", [], options)), CultureInfo.InvariantCulture);
        Assert.InRange(await LeftAsync(new CallOptions(deadline: DateTime.UtcNow.AddHours(1))), 3000, 3600);
        Assert.InRange(await LeftAsync(default), 90, 150);
    }

    [Theory]
    [InlineData(StatusCode.FailedPrecondition, "volume a/b is busy: 50 % done")]
    [InlineData(StatusCode.Unknown, "nobody knows – später")]
    [InlineData(StatusCode.DataLoss, "")]
    [InlineData(StatusCode.Unimplemented, "unheard.of.Service/Fail is for later")]
    public async Task Code_message_and_details_of_a_failure_come_back(StatusCode code, string text)
    {
        using var call = Unheard.Call(Channel, "Fail", JsonSerializer.SerializeToUtf8Bytes<object[]>([(int)code, text]));
        var e = await Assert.ThrowsAsync<RpcException>(async () => await call);
        Assert.Equal((code, text), (e.StatusCode, e.Status.Detail));
        Assert.Equal("\b\tdetails"u8.ToArray(), e.Trailers.GetValueBytes("grpc-status-details-bin"));
        Assert.Equal("failed", e.Trailers.GetValue("x-trailing"));
    }

    [Fact]
    public async Task What_neither_has_is_unimplemented_with_its_name()
    {
        Is(StatusCode.Unimplemented, "nobodys.Service/Call is served neither here nor by the driver", await Unheard.StatusAsync(Channel, "Call", [], service: "nobodys.Service"));
        // A service that is served here is not the driver's, a method that it lacks included.
        Is(StatusCode.Unimplemented, "replication.Controller/NoSuchCall is no method of this service", await Unheard.StatusAsync(Channel, "NoSuchCall", [], service: "replication.Controller"));
    }

    [Fact]
    public async Task A_call_that_hangs_ends_at_the_callers_deadline_or_at_the_operation_timeout_and_is_cancelled_at_the_driver()
    {
        await using var server = await rig.StartAsync("short.sock", rig.DriverPath, ["--operation-timeout", "300ms"]);
        var before = (await Unheard.CountAsync(Channel)).Cancelled;
        // The driver knows the time too, and may be the first to say so.
        Is(StatusCode.DeadlineExceeded, "", await Unheard.StatusAsync(server.Channel, "Hang", []));
        Is(StatusCode.DeadlineExceeded, "", await Unheard.StatusAsync(Channel, "Hang", [], new CallOptions(deadline: DateTime.UtcNow.AddMilliseconds(300))));
        await Eventually.TrueAsync(async () => (await Unheard.CountAsync(Channel)).Cancelled == before + 2, "both were cancelled at the driver");
    }

    [Fact]
    public async Task A_caller_that_goes_away_cancels_its_call_at_the_driver()
    {
        using var caller = CallCommand.Connect(rig.Server.SocketPath);
        var before = await Unheard.CountAsync(Channel);
        using var cancelled = Unheard.Call(caller, "Hang", []);
        await Eventually.TrueAsync(async () => (await Unheard.CountAsync(Channel)).Hanging == before.Hanging + 1, "it is at the driver");
        cancelled.Dispose();
        await Eventually.TrueAsync(async () => (await Unheard.CountAsync(Channel)).Cancelled == before.Cancelled + 1, "it was cancelled there");
    }

    [Fact]
    public async Task Messages_beyond_the_limit_are_refused_both_ways_with_the_methods_name_and_are_not_held()
    {
        var before = rig.Server.ResidentBytes;
        Is(StatusCode.ResourceExhausted, "answer to unheard.of.Service/Sized has more than", await Unheard.StatusAsync(Channel, "Sized", "67108864"u8.ToArray()));
        Is(StatusCode.ResourceExhausted, "unheard.of.Service/Echo was not forwarded", await Unheard.StatusAsync(Channel, "Echo", Bytes(ServeLimits.MessageBytes + 1)));
        Is(StatusCode.ResourceExhausted, "", await Unheard.StatusAsync(Channel, "Echo", new byte[64 * 1024 * 1024]));
        Assert.InRange(rig.Server.ResidentBytes - before, long.MinValue, 48 * 1024 * 1024);
        Assert.Equal(ServeLimits.MessageBytes, (await Unheard.Call(Channel, "Sized", Encoding.ASCII.GetBytes($"{ServeLimits.MessageBytes}"))).Length);
    }

    [Fact]
    public async Task Streams_are_unimplemented_both_ways()
    {
        Is(StatusCode.Unimplemented, "unheard.of.Service/Stream is answered with a stream", await Unheard.StatusAsync(Channel, "Stream", []));
        using var connection = Hostile.RawConnection.Begin(rig.Server.SocketPath);
        Assert.Equal("12", await connection.CallAsync(
            "/unheard.of.Service/Echo", [.. Hostile.RawConnection.Message([1]), .. Hostile.RawConnection.Message([2])]));
    }

    [Fact]
    public async Task A_driver_that_dies_in_a_call_and_one_that_is_gone_are_unavailable_with_the_socket_until_it_is_back()
    {
        var path = Path.Combine(rig.Folder, "mortal.sock");
        await using var server = await rig.StartAsync("mortal-server.sock", path, [], untilReady: false);
        await using (await DriverProcess.StartAsync(path))
            Is(StatusCode.Unavailable, $"the driver behind {path} broke unheard.of.Service/DieHalfWay off", await Unheard.StatusAsync(server.Channel, "DieHalfWay", []));
        // Its socket file is there and nobody listens.
        Is(StatusCode.Unavailable, $"nobody answers on its socket {path} (Connection refused)", await Unheard.StatusAsync(server.Channel, "Echo", []));
        File.Delete(path);
        Is(StatusCode.Unavailable, $"nobody answers on its socket {path} (", await Unheard.StatusAsync(server.Channel, "Echo", []));
        Is(StatusCode.InvalidArgument, "names no volume", await Rpc.StatusAsync(server.Replication, Rpc.Promote, new()));
        await using (await DriverProcess.StartAsync(path))
            Assert.Equal([1, 2], await Unheard.Call(server.Channel, "Echo", [1, 2]));
    }

    [Fact]
    public async Task A_thousand_calls_at_a_driver_that_hangs_leave_replication_its_room_on_the_same_connection_and_hold_no_thread()
    {
        await using var driver = await DriverProcess.StartAsync(Path.Combine(rig.Folder, "slow.sock"));
        await using var server = await rig.StartAsync("crowded.sock", Path.Combine(rig.Folder, "slow.sock"), []);
        var threads = server.Threads;
        using var enough = new CancellationTokenSource();
        var channels = Enumerable.Range(0, 5).Select(_ => CallCommand.Connect(server.SocketPath)).ToList();
        var calls = Enumerable.Range(0, 1000)
            .Select(i => Unheard.StatusAsync(channels[i % channels.Count], "Hang", [], new CallOptions(cancellationToken: enough.Token))).ToList();
        await Eventually.TrueAsync(() => Task.FromResult(calls.Count(call => call.IsCompleted) == 1000 - ServeLimits.ForwardedCalls), "the calls that have no room were refused");
        Assert.All(calls.Where(call => call.IsCompleted), call => Assert.Equal(StatusCode.ResourceExhausted, call.Result.StatusCode));
        foreach (var channel in channels)
            Is(StatusCode.InvalidArgument, "names no volume", await Rpc.StatusAsync(new Controller.ControllerClient(channel), Rpc.Promote, new()));
        // The pool has a thread a core and adds some while it is busy; it would be a hundred.
        Assert.InRange(server.Threads, 0, threads + 16);
        await enough.CancelAsync();
        await Task.WhenAll(calls);
        await Eventually.TrueAsync(async () => (await Unheard.CountAsync(server.Channel)) is { Hanging: ServeLimits.ForwardedCalls, Cancelled: ServeLimits.ForwardedCalls }, "they were cancelled at the driver");
        channels.ForEach(channel => channel.Dispose());
    }

    [Fact]
    public async Task A_server_that_stops_waits_for_what_is_with_the_driver_and_forwards_no_more()
    {
        await using var server = await rig.StartAsync("stopping.sock", rig.DriverPath, []);
        var hanging = await HangAsync(server);
        var exitCode = server.TerminateAsync();
        await Eventually.TrueAsync(async () => (await server.Identity.ProbeAsync(new())).Ready == false, "the server says that it is stopping");
        // It is told to stop, says so, and a moment later forwards no more.
        await Eventually.TrueAsync(
            async () => (await Unheard.StatusAsync(server.Channel, "Echo", [])) is { StatusCode: StatusCode.Unavailable } status
                && status.Detail.Contains("unheard.of.Service/Echo was not forwarded, because this server is stopping", StringComparison.Ordinal),
            "nothing is forwarded any more");
        Assert.False(exitCode.IsCompleted);
        await Unheard.Call(Channel, "Release", []);
        Is(StatusCode.OK, "", await hanging);
        Assert.Equal(0, await exitCode);
        Assert.Contains("for 0 changes that are under way and 1 calls that are with the driver", server.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_has_waited_long_enough_stops_without_the_drivers_answer()
    {
        await using var server = await rig.StartAsync("stopped.sock", rig.DriverPath, ["--stop-timeout", "1s"]);
        var hanging = await HangAsync(server);
        var exitCode = server.TerminateAsync();
        Is(StatusCode.Unavailable, "this server is stopping, and the driver", await hanging);
        Assert.Equal(0, await exitCode);
        Assert.Contains("1 calls are still with the driver", server.Log, StringComparison.Ordinal);
    }

    // A call through the server that the driver has, and does not answer.
    private async Task<Task<Status>> HangAsync(ServerProcess server)
    {
        var before = (await Unheard.CountAsync(Channel)).Hanging;
        var hanging = Unheard.StatusAsync(server.Channel, "Hang", [], new CallOptions(deadline: DateTime.UtcNow + Minute));
        await Eventually.TrueAsync(async () => (await Unheard.CountAsync(Channel)).Hanging > before, "the call is with the driver");
        return hanging;
    }

    [Fact]
    public async Task Reflection_and_health_are_those_of_this_server()
    {
        using var stream = new ServerReflection.ServerReflectionClient(Channel).ServerReflectionInfo();
        await stream.RequestStream.WriteAsync(new() { ListServices = "" });
        Assert.True(await stream.ResponseStream.MoveNext(CancellationToken.None));
        Assert.Contains("replication.Controller", stream.ResponseStream.Current.ListServicesResponse.Service.Select(service => service.Name));
        await stream.RequestStream.CompleteAsync();
        // grpcurl asks for this version first, and goes by what it finds.
        Is(StatusCode.Unimplemented, "is not forwarded", await Unheard.StatusAsync(Channel, "ServerReflectionInfo", [], service: "grpc.reflection.v1.ServerReflection"));
        Assert.Equal(
            Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus.Serving, (await new Grpc.Health.V1.Health.HealthClient(Channel).CheckAsync(new())).Status);
    }

    [Fact]
    public async Task Each_call_is_one_log_line_and_one_measurement_without_anything_of_its_content()
    {
        var metadata = new Metadata { { "x-secret", RunningServer.Key } };
        await Unheard.Call(Channel, "Echo", Encoding.ASCII.GetBytes(RunningServer.Key), new CallOptions(metadata));
        await Unheard.StatusAsync(Channel, "Fail", JsonSerializer.SerializeToUtf8Bytes<object[]>([9, "wrong key " + RunningServer.Key]));
        await Eventually.TrueAsync(
            () => Task.FromResult(rig.Server.Log.Contains("unheard.of.Service/Echo of the driver: OK", StringComparison.Ordinal)
                && rig.Server.Log.Contains("unheard.of.Service/Fail of the driver: FailedPrecondition", StringComparison.Ordinal)), "the calls are logged");
        Assert.DoesNotContain(RunningServer.Key, rig.Server.Log, StringComparison.Ordinal);
        await Unheard.StatusAsync(Channel, "Call", [], service: "nobodys.Service");
        var scrape = await Scrape.OfAsync(rig.Server);
        Assert.NotEmpty(scrape.Of("rbd_replication_rpc_duration_seconds_count", ("rpc_method", "unheard.of.Service/Echo"), ("rpc_response_status_code", "OK")));
        // Callers choose the names: those that the driver does not know have none.
        Assert.NotEmpty(scrape.Of("rbd_replication_rpc_duration_seconds_count", ("rpc_method", "_OTHER"), ("rpc_response_status_code", "Unimplemented")));
        Assert.Empty(scrape.Of("rbd_replication_rpc_duration_seconds_count", ("rpc_method", "nobodys.Service/Call")));
    }
}
