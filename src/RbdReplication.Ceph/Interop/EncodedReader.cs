using System.Buffers.Binary;
using System.Text;

namespace RbdReplication.Ceph.Interop;

/// <summary>
/// Reads values that Ceph has encoded (<c>include/encoding.h</c>): little endian, strings and buffers with their length before them,
/// structures with version, oldest compatible version and length. Reading past the end is a <see cref="FormatException"/>.
/// </summary>
internal ref struct EncodedReader(ReadOnlySpan<byte> bytes)
{
    private ReadOnlySpan<byte> _rest = bytes;

    /// <summary>Where in the value that is read, of which this may read an inner structure, the next byte is.</summary>
    public readonly int OffsetIn(ReadOnlySpan<byte> whole) =>
        whole.Overlaps(_rest, out var offset) ? offset : throw new ArgumentException("it is no part of that", nameof(whole));

    public readonly bool IsAtEnd => _rest.IsEmpty;

    public byte ReadByte() => Take(1)[0];

    public uint ReadUInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(sizeof(uint)));

    public ulong ReadUInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(sizeof(ulong)));

    public ReadOnlySpan<byte> ReadBytes() => Take((int)Math.Min(ReadUInt32(), int.MaxValue));

    public string ReadText() => Encoding.UTF8.GetString(ReadBytes());

    /// <summary>The content of a structure, whatever newer releases have added at its end.</summary>
    public EncodedReader ReadStructure() => ReadStructure(out _);

    /// <summary>The same, with the oldest version that can read it.</summary>
    public EncodedReader ReadStructure(out byte compatible)
    {
        compatible = Take(2)[1];
        return new EncodedReader(ReadBytes());
    }

    /// <summary>The same, where what is read must mean what it does in the version that is known: a <see cref="FormatException"/> if only a later one can read it.</summary>
    public EncodedReader ReadStructure(byte known)
    {
        var content = ReadStructure(out var compatible);
        return compatible <= known ? content : throw new FormatException($"an encoded value can be read by version {compatible} only, and {known} is known");
    }

    private ReadOnlySpan<byte> Take(int length)
    {
        if (length > _rest.Length)
            throw new FormatException($"an encoded value ends {length - _rest.Length} bytes too early");
        var taken = _rest[..length];
        _rest = _rest[length..];
        return taken;
    }
}
