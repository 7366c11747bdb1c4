using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;

namespace RbdReplication.Tests.Hostile;

/// <summary>Kinds of HTTP/2 frames, RFC 9113.</summary>
public enum FrameType : byte
{
    Data = 0,
    Headers = 1,
    Priority = 2,
    RstStream = 3,
    Settings = 4,
    PushPromise = 5,
    Ping = 6,
    GoAway = 7,
    WindowUpdate = 8,
    Continuation = 9,
}

public sealed record Frame(FrameType Type, byte Flags, int Stream, byte[] Payload);

/// <summary>A connection to a server's socket on which anything can be sent.</summary>
public sealed class RawConnection : IDisposable
{
    public const byte EndStream = 0x1;
    public const byte EndHeaders = 0x4;

    // What every HTTP/2 server takes.
    private const int MaximumFrame = 16 * 1024;

    public static readonly byte[] Preface = Encoding.ASCII.GetBytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly NetworkStream _stream;

    public RawConnection(string socketPath)
    {
        _socket.Connect(new UnixDomainSocketEndPoint(socketPath));
        _stream = new NetworkStream(_socket);
    }

    public static RawConnection Begin(string socketPath)
    {
        var connection = new RawConnection(socketPath);
        connection.Send([.. Preface, .. Bytes(FrameType.Settings, 0, 0, [])]);
        return connection;
    }

    /// <summary>A frame as bytes; <paramref name="length"/> is what its head claims, if that is not the truth.</summary>
    public static byte[] Bytes(FrameType type, byte flags, int stream, byte[] payload, int? length = null)
    {
        var head = new byte[9];
        BinaryPrimitives.WriteInt32BigEndian(head, (length ?? payload.Length) << 8);
        head[3] = (byte)type;
        head[4] = flags;
        BinaryPrimitives.WriteInt32BigEndian(head.AsSpan(5), stream);
        return [.. head, .. payload];
    }

    /// <summary>Headers of a gRPC call, in HPACK's plainest form: literals that are not to be indexed.</summary>
    public static byte[] CallHeaders(string path, params (string Name, string Value)[] more)
    {
        var block = new List<byte>();
        foreach (var (name, value) in (IEnumerable<(string, string)>)[
            (":method", "POST"), (":scheme", "http"), (":authority", "localhost"), (":path", path), ("content-type", "application/grpc"), ("te", "trailers"), .. more])
        {
            block.Add(0);
            AddText(block, name);
            AddText(block, value);
        }
        return [.. block];
    }

    /// <summary>A gRPC message: flag, length and bytes; <paramref name="length"/> is what its prefix claims, if that is not the truth.</summary>
    public static byte[] Message(byte[] message, uint? length = null, byte compressed = 0)
    {
        var prefix = new byte[5];
        prefix[0] = compressed;
        BinaryPrimitives.WriteUInt32BigEndian(prefix.AsSpan(1), length ?? (uint)message.Length);
        return [.. prefix, .. message];
    }

    /// <summary>Sends until the server has closed the connection, which is no failure.</summary>
    /// <returns>Whether all was sent.</returns>
    public bool Send(ReadOnlySpan<byte> bytes)
    {
        try
        {
            _stream.Write(bytes);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>Sends one call whole and gives back the answer's gRPC status, as a number.</summary>
    public async Task<string?> CallAsync(string path, byte[] body, params (string Name, string Value)[] headers)
    {
        Send(Bytes(FrameType.Headers, EndHeaders, 1, CallHeaders(path, headers)));
        foreach (var part in body.Chunk(MaximumFrame))
            Send(Bytes(FrameType.Data, 0, 1, part));
        Send(Bytes(FrameType.Data, EndStream, 1, []));
        return await StatusAsync(1);
    }

    /// <summary>The gRPC status of a stream's answer; null if the server ends stream or connection without one.</summary>
    public async Task<string?> StatusAsync(int stream)
    {
        await foreach (var frame in FramesAsync())
        {
            if (frame.Stream == stream && frame.Type == FrameType.Headers && StatusOf(frame.Payload) is { } status)
                return status;
            if (frame.Type == FrameType.GoAway || (frame.Stream == stream && (frame.Type == FrameType.RstStream || (frame.Flags & EndStream) != 0)))
                return null;
        }
        return null;
    }

    /// <summary>The frames that the server sends, until it closes the connection.</summary>
    public async IAsyncEnumerable<Frame> FramesAsync()
    {
        var head = new byte[9];
        while (await FillAsync(head))
        {
            var payload = new byte[BinaryPrimitives.ReadInt32BigEndian(head) >>> 8];
            if (!await FillAsync(payload))
                yield break;
            yield return new Frame((FrameType)head[3], head[4], BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(5)), payload);
        }
    }

    /// <summary>What the server sends until it closes the connection, as text.</summary>
    public async Task<string> TextAsync()
    {
        using var buffer = new MemoryStream();
        try
        {
            await _stream.CopyToAsync(buffer);
        }
        catch (IOException)
        {
            // Closed with something of ours unread.
        }
        return Encoding.Latin1.GetString(buffer.ToArray());
    }

    public void Dispose()
    {
        _stream.Dispose();
        _socket.Dispose();
    }

    private async Task<bool> FillAsync(byte[] buffer)
    {
        try
        {
            await _stream.ReadExactlyAsync(buffer);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    // Kestrel neither indexes this field nor packs its name, whose value has one or two digits.
    private static string? StatusOf(byte[] block)
    {
        var name = Encoding.ASCII.GetBytes("grpc-status");
        var at = block.AsSpan().IndexOf(name);
        return at < 0 ? null : Encoding.ASCII.GetString(block, at + name.Length + 1, block[at + name.Length] & 0x7f);
    }

    private static void AddText(List<byte> block, string text)
    {
        var bytes = Encoding.ASCII.GetBytes(text);
        // A length of seven bits, or all ones and the rest in groups of seven.
        if (bytes.Length < 127)
        {
            block.Add((byte)bytes.Length);
        }
        else
        {
            block.Add(127);
            var rest = bytes.Length - 127;
            for (; rest >= 128; rest >>= 7)
                block.Add((byte)(rest % 128 + 128));
            block.Add((byte)rest);
        }
        block.AddRange(bytes);
    }
}
