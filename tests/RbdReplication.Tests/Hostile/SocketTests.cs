using System.IO.Compression;
using System.Text;
using Google.Protobuf;
using Grpc.Core;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Csi.Hosting;
using RbdReplication.Csi.Protocol;

namespace RbdReplication.Tests.Hostile;

/// <summary>What else than a good client can send to the socket: the server answers the others all the same, and stays small.</summary>
public sealed class SocketTests(RunningServer running) : IClassFixture<RunningServer>
{
    private const string Promote = "/replication.Controller/PromoteVolume";
    private const string Probe = "/identity.Identity/Probe";

    private const long MiB = 1024 * 1024;

    private static readonly byte[] Garbage = Bytes(seed: 1, 4096);

    private string Path => running.Server.SocketPath;

    private static byte[] Bytes(int seed, int count)
    {
        var bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private async Task AnswersAsync() => Assert.True((await running.Server.Identity.ProbeAsync(new())).Ready);

    [Fact]
    public async Task Garbage_ends_the_connection()
    {
        for (var seed = 0; seed < 50; seed++)
        {
            using var connection = new RawConnection(Path);
            connection.Send(Bytes(seed, 4096));
            await connection.TextAsync();
        }
        await AnswersAsync();
    }

    [Fact]
    public async Task A_request_of_HTTP_1_is_told_that_this_is_HTTP_2()
    {
        using var connection = new RawConnection(Path);
        connection.Send(Encoding.ASCII.GetBytes("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        var answer = await connection.TextAsync();
        Assert.StartsWith("HTTP/1.1 400", answer, StringComparison.Ordinal);
        Assert.Contains("HTTP/2 only", answer, StringComparison.Ordinal);
        await AnswersAsync();
    }

    public static TheoryData<string, byte[]> BrokenFrames => new()
    {
        { "garbage", Garbage },
        { "a type that does not exist, on and on", [.. Enumerable.Repeat(RawConnection.Bytes((FrameType)99, 0, 1, new byte[100]), 100).SelectMany(frame => frame), .. Garbage] },
        { "a frame larger than was agreed", RawConnection.Bytes(FrameType.Data, 0, 1, Garbage, length: 0xffffff) },
        { "data of a stream that was never opened", RawConnection.Bytes(FrameType.Data, 0, 7, Garbage) },
        { "headers of no stream", RawConnection.Bytes(FrameType.Headers, RawConnection.EndHeaders, 0, RawConnection.CallHeaders(Probe)) },
        { "headers of a stream of the server's", RawConnection.Bytes(FrameType.Headers, RawConnection.EndHeaders, 2, RawConnection.CallHeaders(Probe)) },
        { "headers that are no HPACK", RawConnection.Bytes(FrameType.Headers, RawConnection.EndHeaders, 1, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]) },
        { "a continuation of nothing", RawConnection.Bytes(FrameType.Continuation, 0, 1, Garbage) },
        { "a push from a client", RawConnection.Bytes(FrameType.PushPromise, 0, 1, Garbage) },
        { "settings of an odd length", RawConnection.Bytes(FrameType.Settings, 0, 0, new byte[5]) },
        { "a window that overflows", [.. RawConnection.Bytes(FrameType.WindowUpdate, 0, 0, [0x7f, 0xff, 0xff, 0xff]), .. RawConnection.Bytes(FrameType.WindowUpdate, 0, 0, [0x7f, 0xff, 0xff, 0xff])] },
    };

    [Theory]
    [MemberData(nameof(BrokenFrames), DisableDiscoveryEnumeration = true)]
    public async Task Broken_frames_end_the_connection_with_a_reason(string what, byte[] bytes)
    {
        using var connection = RawConnection.Begin(Path);
        connection.Send(bytes);
        var frames = new List<Frame>();
        await foreach (var frame in connection.FramesAsync())
            frames.Add(frame);
        Assert.True(frames.Exists(frame => frame.Type == FrameType.GoAway), what);
        await AnswersAsync();
    }

    [Fact]
    public async Task Continuations_without_end_are_cut_off()
    {
        var before = running.Server.ResidentBytes;
        using var connection = RawConnection.Begin(Path);
        connection.Send(RawConnection.Bytes(FrameType.Headers, 0, 1, RawConnection.CallHeaders(Probe)));
        var part = RawConnection.Bytes(FrameType.Continuation, 0, 1, RawConnection.CallHeaders(Probe, ("x", new string('x', 8000))));
        var sent = 0L;
        while (sent < 256 * MiB && connection.Send(part))
            sent += part.Length;
        Assert.InRange(sent, 0, 16 * MiB);
        Assert.InRange(running.Server.ResidentBytes - before, long.MinValue, 48 * MiB);
        await AnswersAsync();
    }

    [Theory]
    [InlineData(10_000, 10)]
    [InlineData(100, 10)]
    [InlineData(1, 100_000)]
    public async Task Metadata_beyond_the_limits_fails_its_own_call_only(int count, int length)
    {
        var metadata = new Metadata();
        for (var i = 0; i < count; i++)
            metadata.Add($"x-{i}", new string('x', length));
        var e = await Assert.ThrowsAsync<RpcException>(async () => await running.Server.Identity.ProbeAsync(new(), metadata));
        Assert.True(e.StatusCode is StatusCode.Internal or StatusCode.Unavailable or StatusCode.ResourceExhausted or StatusCode.Unknown, $"{e.Status}");
        await AnswersAsync();
    }

    [Theory]
    [InlineData(10_000)]
    [InlineData(200)]
    public async Task Ten_thousand_headers_from_a_client_that_ignores_the_limit_end_its_stream_or_connection(int count)
    {
        using var connection = RawConnection.Begin(Path);
        var block = RawConnection.CallHeaders(Probe, [.. Enumerable.Range(0, count).Select(i => ($"x-{i}", "v"))]);
        var parts = block.Chunk(16_000).ToList();
        for (var i = 0; i < parts.Count; i++)
        {
            connection.Send(RawConnection.Bytes(
                i == 0 ? FrameType.Headers : FrameType.Continuation, i == parts.Count - 1 ? RawConnection.EndHeaders : (byte)0, 1, parts[i]));
        }
        Assert.Null(await connection.StatusAsync(1));
        await AnswersAsync();
    }

    [Fact]
    public async Task A_message_of_64_MiB_is_refused_before_it_is_read()
    {
        var before = running.Server.ResidentBytes;
        for (var i = 0; i < 4; i++)
        {
            var status = await Rpc.StatusAsync(
                running.Server.Replication, Rpc.Promote, new() { Parameters = new Dictionary<string, string> { ["x"] = new string('x', (int)(64 * MiB)) } });
            Assert.Equal(StatusCode.ResourceExhausted, status.StatusCode);
        }
        Assert.InRange(running.Server.ResidentBytes - before, long.MinValue, 48 * MiB);
        await AnswersAsync();
    }

    [Fact]
    public async Task A_message_just_within_the_limit_is_taken_and_one_beyond_it_is_not()
    {
        static RpcArguments Of(int length) => new() { Source = RpcArguments.Volume(new string('x', length)), Secrets = RunningServer.Secrets };
        Assert.Equal(StatusCode.InvalidArgument, (await Rpc.StatusAsync(running.Server.Replication, Rpc.Promote, Of(ServeLimits.MessageBytes - 1000))).StatusCode);
        Assert.Equal(StatusCode.ResourceExhausted, (await Rpc.StatusAsync(running.Server.Replication, Rpc.Promote, Of(ServeLimits.MessageBytes))).StatusCode);
    }

    public static TheoryData<string, byte[], StatusCode> Lies => new()
    {
        { "more is promised than comes", RawConnection.Message(new byte[10], length: 100), StatusCode.Internal },
        { "less is promised than comes", RawConnection.Message(new byte[100], length: 10), StatusCode.Internal },
        { "2 GiB are promised", RawConnection.Message(new byte[10], length: int.MaxValue), StatusCode.ResourceExhausted },
        { "more than any message may have is promised", RawConnection.Message(new byte[10], length: uint.MaxValue), StatusCode.Internal },
        { "the prefix is cut off", [0, 0, 0], StatusCode.Internal },
        { "there is no message", [], StatusCode.Internal },
        { "a compressed message in no coding", RawConnection.Message(new byte[10], compressed: 1), StatusCode.Internal },
        { "a flag that does not exist", RawConnection.Message(new byte[10], compressed: 7), StatusCode.Internal },
        { "no protobuf", RawConnection.Message(Garbage), StatusCode.Internal },
        { "a text that is longer than the message", RawConnection.Message([0x0a, 0xff, 0xff, 0xff, 0xff, 0x07]), StatusCode.Internal },
        { "a text that is no UTF-8", RawConnection.Message([0x0a, 0x02, 0xff, 0xfe]), StatusCode.Internal },
        { "groups in groups", RawConnection.Message([.. Enumerable.Repeat((byte)0x7b, 100_000)]), StatusCode.Internal },
        { "two messages", [.. RawConnection.Message([]), .. RawConnection.Message([])], StatusCode.Internal },
    };

    [Theory]
    [MemberData(nameof(Lies), DisableDiscoveryEnumeration = true)]
    public async Task A_body_that_is_no_message_gets_a_status_that_says_so(string what, byte[] body, StatusCode expected)
    {
        using var connection = RawConnection.Begin(Path);
        var status = await connection.CallAsync(Promote, body);
        Assert.True($"{(int)expected}" == status, $"{what}: {status}");
        await AnswersAsync();
    }

    [Fact]
    public async Task A_small_message_that_unpacks_to_a_large_one_is_not_unpacked()
    {
        var before = running.Server.ResidentBytes;
        using var packed = new MemoryStream();
        await using (var gzip = new GZipStream(packed, CompressionLevel.SmallestSize, leaveOpen: true))
            await gzip.WriteAsync(new byte[128 * MiB]);
        Assert.InRange(packed.Length, 1, ServeLimits.MessageBytes);
        using var connection = RawConnection.Begin(Path);
        Assert.Equal(
            $"{(int)StatusCode.ResourceExhausted}",
            await connection.CallAsync(Promote, RawConnection.Message(packed.ToArray(), compressed: 1), ("grpc-encoding", "gzip")));
        Assert.InRange(running.Server.ResidentBytes - before, long.MinValue, 48 * MiB);
    }

    [Theory]
    [InlineData("/replication.Controller/NoSuchCall")]
    [InlineData("/no.such.Service/Call")]
    public async Task A_call_that_does_not_exist_is_not_implemented(string path)
    {
        using var connection = RawConnection.Begin(Path);
        Assert.Equal($"{(int)StatusCode.Unimplemented}", await connection.CallAsync(path, RawConnection.Message([])));
    }

    [Fact]
    public async Task Random_changes_of_a_good_request_never_are_a_bug_of_the_server()
    {
        var request = new PromoteVolumeRequest
        {
            ReplicationSource = RpcArguments.Volume(new Core.VolumeHandle("nowhere", 1, Guid.NewGuid().ToString()).ToString()),
            Secrets = { RunningServer.Secrets },
            Parameters = { ["mirroringMode"] = "snapshot", ["schedulingInterval"] = "5m", ["schedulingStartTime"] = "14:00:00-05:00" },
        }.ToByteArray();
        const int Seed = 20261124;
        var random = new Random(Seed);
        for (var round = 0; round < 300; round++)
        {
            var body = request.ToArray();
            for (var change = random.Next(1, 8); change > 0; change--)
                body[random.Next(body.Length)] = (byte)random.Next(256);
            using var connection = RawConnection.Begin(Path);
            var status = await connection.CallAsync(Promote, RawConnection.Message(body[..random.Next(body.Length + 1)]));
            Assert.True(status is not null && Allowed.Contains((StatusCode)int.Parse(status)), $"seed {Seed}, round {round}: {status}");
        }
        Assert.DoesNotContain("failed unexpectedly", running.Server.Log, StringComparison.Ordinal);
        await AnswersAsync();
    }

    private static readonly StatusCode[] Allowed =
        [StatusCode.InvalidArgument, StatusCode.NotFound, StatusCode.Unauthenticated, StatusCode.Unimplemented, StatusCode.Internal];

    [Fact]
    public async Task Streams_that_are_opened_and_reset_on_and_on_end_the_connection_and_nothing_else()
    {
        var before = running.Server.ResidentBytes;
        using var connection = RawConnection.Begin(Path);
        var headers = RawConnection.CallHeaders(Promote);
        var sent = true;
        for (var stream = 1; stream < 100_000 && sent; stream += 2)
        {
            sent = connection.Send(
                [.. RawConnection.Bytes(FrameType.Headers, RawConnection.EndHeaders, stream, headers), .. RawConnection.Bytes(FrameType.RstStream, 0, stream, [0, 0, 0, 8])]);
        }
        Assert.InRange(running.Server.ResidentBytes - before, long.MinValue, 48 * MiB);
        await AnswersAsync();
    }

    [Fact]
    public async Task Connections_that_send_nothing_or_little_keep_nobody_else_waiting_and_end_while_an_idle_one_stays()
    {
        await using var server = await running.StartAsync("slow.sock");
        using var idle = RawConnection.Begin(server.SocketPath);
        var connections = new List<RawConnection>();
        try
        {
            for (var i = 0; i < ServeLimits.Connections - 8; i++)
            {
                connections.Add(new RawConnection(server.SocketPath));
                connections[^1].Send(RawConnection.Preface.AsSpan(0, i % RawConnection.Preface.Length));
            }
            using var other = RawConnection.Begin(server.SocketPath);
            Assert.Equal("0", await other.CallAsync(Probe, RawConnection.Message([])));
            // They are closed in time, without anybody doing anything.
            await Task.WhenAll(connections.Select(connection => connection.TextAsync()));
            Assert.Equal("0", await idle.CallAsync(Probe, RawConnection.Message([])));
        }
        finally
        {
            connections.ForEach(connection => connection.Dispose());
        }
    }

    [Fact]
    public async Task Connections_beyond_the_limit_are_closed_and_those_that_are_there_go_on()
    {
        await using var server = await running.StartAsync("many.sock");
        var connections = new List<RawConnection>();
        try
        {
            for (var i = 0; i < ServeLimits.Connections * 3; i++)
                connections.Add(RawConnection.Begin(server.SocketPath));
            Assert.Equal("", await connections[^1].TextAsync());
            Assert.True((await server.Identity.ProbeAsync(new())).Ready);
        }
        finally
        {
            connections.ForEach(connection => connection.Dispose());
        }
        await RoomAgainAsync(server);
    }

    [Fact]
    public async Task Half_sent_messages_take_no_more_than_their_number_allows_and_those_beyond_it_are_refused()
    {
        await using var server = await running.StartAsync("half.sock");
        var before = server.ResidentBytes;
        var connections = new List<RawConnection>();
        try
        {
            var headers = RawConnection.CallHeaders(Promote);
            var half = RawConnection.Message(new byte[1000], length: ServeLimits.MessageBytes);
            void SendHalves(int number)
            {
                connections.Add(RawConnection.Begin(server.SocketPath));
                for (var stream = 1; stream < 2 * number; stream += 2)
                    connections[^1].Send([.. RawConnection.Bytes(FrameType.Headers, RawConnection.EndHeaders, stream, headers), .. RawConnection.Bytes(FrameType.Data, 0, stream, half)]);
            }
            for (var i = 0; i < ServeLimits.Calls / ServeLimits.StreamsPerConnection; i++)
                SendHalves(ServeLimits.StreamsPerConnection);
            await Eventually.TrueAsync(
                async () =>
                {
                    using var other = RawConnection.Begin(server.SocketPath);
                    if (await other.CallAsync(Probe, RawConnection.Message([])) == $"{(int)StatusCode.ResourceExhausted}")
                        return true;
                    // This call may have had the last place when one of the others came, which then was refused.
                    SendHalves(1);
                    return false;
                }, "all places are taken");
            Assert.InRange(server.ResidentBytes - before, long.MinValue, 96 * MiB);
        }
        finally
        {
            connections.ForEach(connection => connection.Dispose());
        }
        await RoomAgainAsync(server);
    }

    private static Task RoomAgainAsync(ServerProcess server) => Eventually.TrueAsync(
        async () =>
        {
            using var late = RawConnection.Begin(server.SocketPath);
            return await late.CallAsync(Probe, RawConnection.Message([])) == "0";
        }, "there is room again");
}
