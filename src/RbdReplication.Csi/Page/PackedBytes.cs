using System.Buffers.Binary;
using System.IO.Compression;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace RbdReplication.Csi.Page;

/// <summary>
/// Bytes that are compressed once and kept only so, for any number of readers: as a gzip file, as blocks within a compressed stream, or unpacked
/// piece by piece.
/// </summary>
internal sealed class PackedBytes
{
    // RFC 1952: deflate, no name, no time, Unix.
    private static readonly byte[] GzipHeader = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];

    // What is written at once: Kestrel holds that much of an answer that is not read.
    private const int SliceBytes = 32 * 1024;

    private readonly byte[] _gzip;
    private readonly int _blocksEnd;

    private PackedBytes(Action<Stream> write)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
        {
            write(gzip);
            // Ends the last block at the end of a byte, so that blocks of another text can follow.
            gzip.Flush();
            _blocksEnd = (int)packed.Length;
        }
        _gzip = packed.ToArray();
        Length = BinaryPrimitives.ReadInt32LittleEndian(_gzip.AsSpan(^4..));
    }

    /// <summary>How many bytes they are unpacked.</summary>
    public int Length { get; }

    /// <summary>How many they are as a gzip file.</summary>
    public int GzipLength => _gzip.Length;

    public static PackedBytes Of(byte[] bytes) => new(packed => packed.Write(bytes));

    /// <summary>A value as JSON.</summary>
    public static PackedBytes OfJson<T>(T value, JsonTypeInfo<T> type) => new(packed => JsonSerializer.Serialize(packed, value, type));

    /// <summary>Writes them as they are, holding no more than a piece at a time.</summary>
    public async Task WriteAsync(Stream body, CancellationToken cancellationToken)
    {
        await using var unpacked = new GZipStream(new MemoryStream(_gzip, writable: false), CompressionMode.Decompress);
        await unpacked.CopyToAsync(body, SliceBytes, cancellationToken);
    }

    /// <summary>Writes them as a gzip file.</summary>
    public Task WriteGzipAsync(Stream body, CancellationToken cancellationToken) => WriteSlicesAsync(body, _gzip, cancellationToken);

    /// <summary>Begins a gzip stream.</summary>
    public static ValueTask BeginStreamAsync(Stream body, CancellationToken cancellationToken) => body.WriteAsync(GzipHeader, cancellationToken);

    /// <summary>Writes them as blocks of a gzip stream, none of which is its last; they do not refer to anything before them.</summary>
    public Task WriteBlocksAsync(Stream body, CancellationToken cancellationToken) =>
        WriteSlicesAsync(body, _gzip.AsMemory(GzipHeader.Length.._blocksEnd), cancellationToken);

    /// <summary>Writes a few bytes into a gzip stream as a block that is not compressed.</summary>
    public static ValueTask WriteStoredBlockAsync(Stream body, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        var block = new byte[5 + bytes.Length];
        BinaryPrimitives.WriteUInt16LittleEndian(block.AsSpan(1), (ushort)bytes.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(block.AsSpan(3), (ushort)~bytes.Length);
        bytes.CopyTo(block.AsMemory(5));
        return body.WriteAsync(block, cancellationToken);
    }

    private static async Task WriteSlicesAsync(Stream body, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        for (var start = 0; start < bytes.Length; start += SliceBytes)
            await body.WriteAsync(bytes.Slice(start, Math.Min(SliceBytes, bytes.Length - start)), cancellationToken);
    }
}
