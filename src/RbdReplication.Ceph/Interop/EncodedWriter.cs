using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace RbdReplication.Ceph.Interop;

/// <summary>Writes values as Ceph encodes them, for <see cref="EncodedReader"/> and for the object classes of the OSDs.</summary>
internal sealed class EncodedWriter
{
    private readonly ArrayBufferWriter<byte> _bytes = new();

    public EncodedWriter WriteByte(byte value)
    {
        _bytes.Write([value]);
        return this;
    }

    public EncodedWriter WriteUInt32(uint value)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(_bytes.GetSpan(sizeof(uint)), value);
        _bytes.Advance(sizeof(uint));
        return this;
    }

    public EncodedWriter WriteBytes(ReadOnlySpan<byte> value)
    {
        WriteUInt32((uint)value.Length);
        _bytes.Write(value);
        return this;
    }

    public EncodedWriter WriteText(string value) => WriteBytes(Encoding.UTF8.GetBytes(value));

    /// <summary>Writes a structure: its version, which is the oldest that can read it as well, its length and its content.</summary>
    public EncodedWriter WriteStructure(byte version, EncodedWriter content) =>
        WriteByte(version).WriteByte(version).WriteBytes(content._bytes.WrittenSpan);

    public byte[] ToArray() => _bytes.WrittenSpan.ToArray();
}
