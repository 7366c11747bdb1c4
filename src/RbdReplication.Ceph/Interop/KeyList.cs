using System.Runtime.InteropServices;
using System.Text;

namespace RbdReplication.Ceph.Interop;

/// <summary>Strings as the omap calls want them: an array of pointers and one of lengths, in one block of native memory.</summary>
internal sealed unsafe class KeyList : IDisposable
{
    private readonly byte* _block;

    public KeyList(IEnumerable<string> texts)
    {
        var list = texts as IReadOnlyCollection<string> ?? [.. texts];
        Count = (nuint)list.Count;
        var bytes = 0;
        foreach (var text in list)
            bytes += Encoding.UTF8.GetByteCount(text);

        var head = list.Count * (sizeof(byte*) + sizeof(nuint));
        _block = (byte*)NativeMemory.Alloc((nuint)(head + bytes + 1));
        Texts = (byte**)_block;
        Lengths = (nuint*)(_block + list.Count * sizeof(byte*));
        var next = _block + head;
        var i = 0;
        foreach (var text in list)
        {
            var length = Encoding.UTF8.GetBytes(text, new Span<byte>(next, bytes));
            Texts[i] = next;
            Lengths[i++] = (nuint)length;
            next += length;
            bytes -= length;
        }
    }

    public byte** Texts { get; }

    public nuint* Lengths { get; }

    public nuint Count { get; }

    public void Dispose() => NativeMemory.Free(_block);
}
