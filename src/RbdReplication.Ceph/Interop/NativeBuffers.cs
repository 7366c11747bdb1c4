using System.Runtime.InteropServices;
using System.Text;

namespace RbdReplication.Ceph.Interop;

/// <summary>Memory outside the managed heap for the out parameters of an asynchronous call: it does not move and outlives the caller.</summary>
internal sealed unsafe class OutBuffer<T> : IDisposable where T : unmanaged
{
    public OutBuffer() => Address = (nint)NativeMemory.AllocZeroed(Size);

    public nint Address { get; private set; }

    public static nuint Size => (nuint)sizeof(T);

    public T Value => *(T*)Address;

    public void Dispose()
    {
        NativeMemory.Free((void*)Address);
        Address = 0;
    }
}

/// <summary>Text that C gives back.</summary>
internal static unsafe class NativeText
{
    private const int FirstBytes = 256;
    private const int MaximumBytes = 1024 * 1024;

    /// <summary>A C string; empty for a null pointer.</summary>
    public static string Read(byte* text) => text == null ? "" : Marshal.PtrToStringUTF8((nint)text) ?? "";

    /// <summary>Strings that stand one behind the other, each ended by a NUL.</summary>
    public static IReadOnlyList<string> ReadMany(byte* text, nuint count)
    {
        var result = new string[(int)count];
        for (var i = 0; i < result.Length; i++)
        {
            var length = MemoryMarshal.CreateReadOnlySpanFromNullTerminated(text).Length;
            result[i] = Encoding.UTF8.GetString(text, length);
            text += length + 1;
        }
        return result;
    }

    /// <summary>Fills a buffer by a call that answers ERANGE and the wanted size while it is too small.</summary>
    public static long Fill(NativeTextCall call, out string text)
    {
        var filled = "";
        var result = SizedCall.Run(FirstBytes, MaximumBytes, (ref nuint bytes) =>
        {
            var buffer = new byte[bytes];
            long result;
            fixed (byte* address = buffer)
            fixed (nuint* size = &bytes)
                result = call(address, size);
            if (result < 0)
                return result;
            var end = buffer.AsSpan().IndexOf((byte)0);
            filled = Encoding.UTF8.GetString(buffer, 0, end < 0 ? buffer.Length : end);
            return result;
        });
        text = filled;
        return result;
    }
}

/// <summary>A C call of the shape (buffer, size in and out).</summary>
internal unsafe delegate long NativeTextCall(byte* buffer, nuint* size);
